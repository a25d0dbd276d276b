"""The practice bench: what its arms change, its claims, and a small cell for real."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.harness import Context, write_claims, write_rows  # noqa: E402
from bench.practice import key  # noqa: E402
from bench.practice_cells import work  # noqa: E402
from bench.practice_claims import STEPS, Cells, make_claims, table_rows  # noqa: E402
from bench.practice_jobs import ARMS, CONNECTORS, FIRST_SEED, THESIS, WARM_UP, Job, make_jobs, online_config  # noqa: E402
from priorrl_core.cli.paths import checkpoint_path  # noqa: E402
from priorrl_core.errors import UserError  # noqa: E402
from priorrl_core.training.checkpoints import load_config  # noqa: E402
from priorrl_core.training.method import load_method  # noqa: E402

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "practice"
PRESET = dataclasses.asdict(online_config("preset"))
CHANGED = {"no_q": {"q_weight": 0.0}, "updates_1": {"updates_per_step": 1}, "updates_4": {"updates_per_step": 4},
           "share_10": {"online_share": 0.1}, "share_50": {"online_share": 0.5}, "own_only": {"online_share": 1.0},
           "no_decay": {"exploration_std_end": PRESET["exploration_std"]}, "warm_up": {"warmup_trials": WARM_UP},
           "wsrl": {"online_share": 1.0, "warmup_trials": WARM_UP}, "preset": {}, "before": {}}


def context(**more: object) -> Context:
    return Context("practice", Path(), Path(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("arm", CHANGED)
def test_an_arm_differs_from_the_preset_by_what_it_says_and_by_nothing_else(arm: str) -> None:
    settings = dataclasses.asdict(online_config(arm))
    assert {k: v for k, v in settings.items() if v != PRESET[k]} == CHANGED[arm]
    assert set(ARMS) == {*CHANGED, "thesis"}


def test_the_thesis_preset_practises_from_the_same_checkpoint_without_what_is_ours() -> None:
    thesis, preset = load_method(THESIS), load_method()
    assert dataclasses.replace(thesis, name=preset.name, online=preset.online) == preset
    assert load_config(checkpoint_path("demo")).agent == thesis.agent
    online = thesis.online
    assert (online.q_weight, online.updates_per_step, online.online_share, online.trials) == (0.0, 1, 0.25, 200)
    assert online.noise_std(0) == online.noise_std(200) == 0.03
    assert online_config("thesis") == online and load_config(checkpoint_path("demo")).online == preset.online


def test_keys_are_unique_seeds_are_none_of_the_tables_and_unknown_parts_are_named() -> None:
    jobs = make_jobs(context())
    assert len({key(j) for j in jobs}) == len(jobs) == 3 * len(CONNECTORS) * len(ARMS)
    assert {j.seed for j in jobs} == {FIRST_SEED + i for i in range(3)} and FIRST_SEED > 2
    assert {j.trials for j in jobs if j.arm == "before"} == {0}
    with pytest.raises(UserError, match="unknown part 'no_qq'.*no_q"):
        make_jobs(context(options=("no_qq",)))


# ---- claims -----------------------------------------------------------------------------------------


def cells(changes: dict[tuple[str, str], list[float]] | None = None) -> Cells:
    """Three seeds: 12 of 20 trials of practice each, 15 of 25 at the end; by ``changes`` another share of them."""
    shares = {(c, a): [0.6] * 3 for c in CONNECTORS for a in ARMS} | (changes or {})
    return Cells({"connector": c, "arm": a, "seed": seed, "eval_trials": 25, "successes": round(25 * share),
                  "practice_truth": [] if a == "before" else [1] * round(20 * share) + [0] * round(20 - 20 * share),
                  "cpu_seconds": 1.0} for (c, a), seeds in shares.items() for seed, share in enumerate(seeds))


def outcome(arm: str, *seeds: list[float], claim: str = "four updates") -> list[str]:
    changes = {(c, arm): shares for c, shares in zip(CONNECTORS, seeds, strict=True)}
    return [c.verdict for c in make_claims(cells(changes)) if c.claim.startswith(claim)]


def test_claims_turn_with_the_figures() -> None:
    more, less = [0.8, 0.9, 0.8], [0.4, 0.3, 0.4]
    assert outcome("updates_4", more, more) == ["holds"] and outcome("updates_4", less, less) == ["fails"]
    assert outcome("updates_4", more, less) == ["partly"]
    noisy = [0.9, 0.4, 0.6]
    assert outcome("updates_4", noisy, noisy) == ["partly"] == outcome("updates_4", more, noisy)
    gain = "deterministic policy gradient"
    assert outcome("no_q", less, less, claim=gain) == ["holds"] and outcome("no_q", more, more, claim=gain) == ["fails"]
    better = "practice with preset improves"
    assert outcome("before", less, less, claim=better) == ["holds"]
    assert outcome("before", less, more, claim=better) == ["partly"]
    assert outcome("before", more, more, claim=better) == ["fails"] == outcome("before", *[[0.6] * 3] * 2, claim=better)


def test_gains_are_of_the_same_seeds_and_one_seed_proves_nothing() -> None:
    some = cells({("uk_g", "preset"): [0.1, 0.5, 0.9], ("uk_g", "no_q"): [0.0, 0.4, 0.8]})
    np.testing.assert_allclose(some.gains("uk_g", "preset", "no_q"), 0.1)
    late = Cells(c for c in some.all if c["arm"] != "no_q" or c["seed"] == 2)
    np.testing.assert_allclose(late.gains("uk_g", "preset", "no_q"), [0.1])
    told = next(c for c in make_claims(late) if c.claim.startswith("deterministic policy gradient"))
    assert (told.seeds, told.verdict) == (1, "partly")


def test_every_step_has_its_claim_and_every_arm_its_row() -> None:
    assert len(make_claims(cells())) == 2 + len(STEPS)
    rows = table_rows(cells({("dt8", "wsrl"): [0.25, 0.5, 0.75]}))
    assert len(rows) == len(CONNECTORS) * len(ARMS)
    assert rows[-1]["over practice"] == 0.5 and rows[-1]["blocks of 20"] == "0.50"
    assert make_claims(Cells([])) == [] == table_rows(Cells([]))


def test_committed_claims_and_table_are_those_of_the_committed_cells(tmp_path: Path) -> None:
    kept = Cells(json.loads(p.read_text()) for p in RESULTS.glob("cells/*.json"))
    write_claims(tmp_path / "claims.csv", make_claims(kept))
    write_rows(tmp_path / "table.csv", table_rows(kept))
    for name in ("claims.csv", "table.csv"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text(), name


# ---- a small cell for real --------------------------------------------------------------------------


def small(arm: str, checkpoint: Path) -> Job:
    return Job(arm, "dt8", FIRST_SEED, 0 if arm == "before" else 2, 1, str(checkpoint))


def test_one_small_cell_for_real_and_again(checkpoint: Path) -> None:
    first, again = (work(small("updates_4", checkpoint)) for _ in range(2))
    assert {**first, "cpu_seconds": 0} == {**again, "cpu_seconds": 0}
    assert first["updates"] == 4 * 20 * len(first["practice_truth"]) == 160
    assert "checkpoint" not in json.loads(json.dumps(first))


def test_before_does_not_learn_and_a_warm_up_waits(checkpoint: Path) -> None:
    assert work(small("before", checkpoint))["updates"] == 0 == work(small("warm_up", checkpoint))["updates"]
