"""From a run folder to its report: picks the trials, draws strips and curves, writes the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from priorrl_core.errors import DataError
from priorrl_core.reporting.episode_files import EpisodeView, load_episode
from priorrl_core.reporting.page import Figure, write_report
from priorrl_core.reporting.pictures import contact_sheet, data_url
from priorrl_core.reporting.run_folder import RunRecord, Trial, read_run
from priorrl_core.reporting.svg import Line, line_chart

SHOWN = 3
"""Trials shown from each end of the practice."""


def build_report(run: Path) -> Path:
    """Writes ``report.html`` of a run folder and returns its path."""
    record = read_run(run)
    return write_report(record, figures(record), run / "report.html")


def figures(record: RunRecord) -> dict[str, list[Figure]]:
    """Pictures and curves by section; what was not recorded is left out and said so."""
    out: dict[str, list[Figure]] = {"trials": [], "reconstruction": [], "goal": [], "curves": []}
    practice, final = record.stage("practice"), record.stage("online")
    chosen = practice[:SHOWN] + practice[SHOWN:][-SHOWN:] + final[-1:]
    last: EpisodeView | None = None
    for trial in chosen:
        try:
            view = load_episode(record.path / trial.file) if trial.file else None
        except DataError as error:
            out["trials"].append((str(error), _blank()))
            continue
        if view is None:
            continue
        out["trials"].append(
            (_caption(trial), data_url(contact_sheet(view.images, len(view.images), scale=1)))
        )
        last = view
    if last is not None:
        _last_trial(last, out, str(record.config.get("checkpoint", "")))
    return out


def _last_trial(view: EpisodeView, out: dict[str, list[Figure]], checkpoint: str) -> None:
    steps = [float(v) for v in range(len(view.force_n))]
    out["curves"] = [
        (
            "Contact force at each step.",
            line_chart("Contact force", [Line("N", steps, list(view.force_n))], "step", "force [N]"),
        ),
        (
            "Learned reward's probability of success after each step.",
            line_chart(
                "Reward probability",
                [Line("p", steps[1:], list(view.probabilities))],
                "step",
                "probability",
                (0.0, 1.0),
            ),
        ),
    ]
    if not view.reconstructions and checkpoint:
        _reconstruct(view, Path(checkpoint))
    if view.reconstructions:
        above = np.stack([*view.reconstructed, *view.reconstructions])
        sheet = contact_sheet(above, len(view.reconstructions), scale=2)
        out["reconstruction"] = [
            ("Camera (above) and its reconstruction from the VQ-VAE's codes (below).", data_url(sheet))
        ]
    if view.goal is not None:
        out["goal"] = [
            ("How success is expected to look.", data_url(contact_sheet(view.goal[None], 1, scale=4)))
        ]


def _reconstruct(view: EpisodeView, checkpoint: Path) -> None:
    """Reconstructions of every fourth image, where the recording holds none."""
    if not (checkpoint / "vqvae.safetensors").is_file():
        return
    from priorrl_core.reporting.reconstruct import reconstruct

    chosen = view.images[::4]
    view.reconstructed, view.reconstructions = list(chosen), list(reconstruct(checkpoint, chosen))


def _caption(trial: Trial) -> str:
    truth = {True: "inserted", False: "not inserted", None: "ground truth withheld"}[trial.inserted]
    name = (
        f"practice trial {trial.index + 1}"
        if trial.kind == "practice"
        else f"evaluation trial {trial.index + 1}"
    )
    verdict = "yes" if trial.judged else "no"
    return (
        f"{name}: {truth}; reward says {verdict} (p = {trial.probability:.2f}); "
        f"{trial.peak_force_n:.1f} N; policy version {trial.policy_version}"
    )


def _blank() -> str:
    return data_url(np.full((8, 8, 3), 230, np.uint8))
