"""What the residual bench runs: rows of thesis Tables 3 and 4, settings of Figures 37 to 40, as jobs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bench.harness import Context
from priorrl_core.errors import UserError, nearest

PLUGS = ("usb", "dsub", "model_e")
#: Part of the bench -> what it is in the thesis.
PARTS = {
    "tables": "Tables 3 and 4, Figures 44 to 46",
    "samples": "Figure 37: only RL, residual RL, controller alone",
    "orientation": "Figure 38(a): blocks turned by 0 or +-20 degrees, real-like",
    "rotation": "Figure 39(a): yaw range",
    "noise": "Figure 39(b): control noise",
    "bias": "Figure 39(c): control bias",
    "simulation": "Figure 40: initialised from simulation",
}


@dataclass(frozen=True)
class Row:
    """One row of Tables 3 and 4."""

    name: str
    label: str
    residual: bool = False
    agent: str = ""
    """File ``config/methods/residual_<agent>.yaml``; empty: nothing learns, the controller alone."""
    view: str = "position"
    reward: str = "dense"
    demos: bool = False


#: The learner of the "Dense" rows is not given in the thesis; SAC is ours.
ROWS = (
    Row("pure_dense", "Pure RL, dense", agent="sac"),
    Row("pure_sparse_sac", "Pure RL, sparse, SAC", agent="sac", reward="sparse"),
    Row("pure_sparse_td3", "Pure RL, sparse, TD3", agent="td3", reward="sparse"),
    Row("pure_images_sac", "Pure RL, images, SAC", agent="sac_images", view="image", reward="image"),
    Row("pure_images_td3", "Pure RL, images, TD3", agent="td3_images", view="image", reward="image"),
    Row("lfd_sparse", "RL + LfD, sparse", agent="lfd", reward="sparse", demos=True),
    Row("lfd_images", "RL + LfD, images", agent="lfd_images", view="image", reward="image", demos=True),
    Row("residual_dense", "Residual RL, dense", True, "sac"),
    Row("residual_sparse_sac", "Residual RL, sparse, SAC", True, "sac", reward="sparse"),
    Row("residual_sparse_td3", "Residual RL, sparse, TD3", True, "td3", reward="sparse"),
    Row("residual_images_sac", "Residual RL, images, SAC", True, "sac_images", "image", "image"),
    Row("residual_images_td3", "Residual RL, images, TD3", True, "td3_images", "image", "image"),
    Row("controller", "P controller", True),
)
ROW = {row.name: row for row in ROWS}


def rows_of(plug: str) -> list[Row]:
    """Table 4 (USB) has every row; Table 3 has none with the sparse signal, which only USB gives."""
    return [r for r in ROWS if plug == "usb" or r.reward != "sparse"]


@dataclass(frozen=True)
class Job:
    """One cell. Every field changes its outcome, so its key holds a hash of all of them."""

    part: str
    task: str
    row: str
    seed: int
    steps: int
    evals: int
    yaw_rad: float = 0.0
    mean: float = 0.0
    std: float = 0.0
    real_like: bool = False
    sim_steps: int = 0
    curve_every: int = 0
    """Steps between two evaluations during learning; 0: none."""
    validate_every: int = 0
    """Steps between two validations, of which the best policy is tested; 0: the last policy is."""
    validation: int = 0
    """Trials of one validation; of a connector: with the exact goal, and as many with noisy goals."""


YAWS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
NOISES = (0.01, 0.03, 0.06, 0.1)
BIASES = (0.0, 0.05, 0.1, 0.15, 0.2)
BIAS_STD = 0.05
SIMULATION = ("rl", "rl_init", "residual", "residual_init", "residual_on_sim")
SAMPLES_YAW = 0.3
VALIDATE_EVERY = 500
"""Steps; the policy with the best validation return is tested."""


@dataclass(frozen=True)
class Size:
    """Steps, evaluation runs and seeds of one run of the bench."""

    state_steps: int = 4000
    image_steps: int = 2500
    block_steps: int = 4000
    sample_steps: int = 4000
    real_steps: int = 4000
    sim_steps: int = 3000
    evals: int = 25
    validation: int = 8
    trials: int = 20
    seeds: int = 3
    sample_seeds: int = 10


QUICK = Size(300, 200, 300, 300, 300, 300, 5, 2, 5, 1, 1)


def make_jobs(context: Context) -> list[Job]:
    """Cells of this run, whole seeds first, should time run out. UserError for an unknown word of ``--only``."""
    only = set(context.options) - {"stored"}
    known = {*PARTS, *PLUGS, *ROW}
    for word in only - known:
        raise UserError(f"--only: unknown part '{word}'{nearest(word, known)}")
    size = QUICK if context.quick else Size()
    plugs = [p for p in PLUGS if p in only] or list(PLUGS)
    rows = [r for r in ROW if r in only] or list(ROW)
    parts = [p for p in PARTS if p in only] or (["tables"] if only else list(PARTS))
    made = [job for part in parts for job in _part(part, size, context.seed)]
    kept = [j for j in made if j.part != "tables" or (j.task in plugs and j.row in rows)]
    return sorted(kept, key=lambda job: job.seed)


def _part(part: str, size: Size, first: int) -> list[Job]:
    seeds = range(first, first + (size.sample_seeds if part == "samples" else size.seeds))
    jobs: list[Job] = []
    for seed in seeds:
        jobs += _of_seed(part, size, seed)
    return jobs


def _of_seed(part: str, size: Size, seed: int) -> list[Job]:
    if part == "tables":
        return [
            Job(part, plug, r.name, seed, _steps(r, size), size.evals,
                validate_every=VALIDATE_EVERY if r.agent else 0, validation=size.validation if r.agent else 0)
            for plug in PLUGS for r in rows_of(plug)
        ]  # fmt: skip
    if part == "samples":
        rows = ("rl", "residual", "controller")
        return _blocks(part, size.sample_steps, size, seed, rows, [{"yaw_rad": SAMPLES_YAW}])
    if part == "orientation":
        return _blocks(part, size.real_steps, size, seed, ("residual", "controller"), [{"real_like": True}])
    if part == "simulation":
        # an arm whose controller is off, in both simulators: without that the controller alone does the task
        settings: list[dict[str, Any]] = [
            {"sim_steps": size.sim_steps, "curve_every": 120, "mean": BIASES[-1], "std": BIAS_STD}
        ]
        return _blocks(part, size.sim_steps, size, seed, SIMULATION, settings)
    sweep: dict[str, list[dict[str, Any]]] = {
        "rotation": [{"yaw_rad": r} for r in YAWS],
        "noise": [{"std": s} for s in NOISES],
        "bias": [{"mean": m, "std": BIAS_STD} for m in BIASES],
    }
    return _blocks(part, size.block_steps, size, seed, ("residual", "controller"), sweep[part])


def _blocks(
    part: str, steps: int, size: Size, seed: int, rows: tuple[str, ...], settings: list[dict[str, Any]]
) -> list[Job]:
    jobs = [Job(part, "blocks", row, seed, steps, size.trials, **s) for s in settings for row in rows]
    return [_validated(j, size) for j in jobs]


def _validated(job: Job, size: Size) -> Job:
    if job.row == "controller":
        return dataclasses.replace(job, steps=0)
    if job.curve_every:
        return job  # its curve is its result
    return dataclasses.replace(job, validate_every=VALIDATE_EVERY, validation=2 * size.validation)


def _steps(row: Row, size: Size) -> int:
    if not row.agent:
        return 0
    return size.image_steps if row.view == "image" else size.state_steps
