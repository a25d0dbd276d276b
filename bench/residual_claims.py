"""The claims of thesis chapters 8 and 9 and of our issue, judged on the cells of the residual bench."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.harness import Claim, Verdict, verdict
from bench.residual_jobs import BIASES, PLUGS, ROW, YAWS
from bench.residual_tables import THESIS, Cells
from priorrl_core.reporting.intervals import mean_interval, wilson

#: Pure RL, RL with demonstrations, residual RL of the same reward and learner.
PAIRS = (("pure_dense", "residual_dense"), ("pure_sparse_sac", "residual_sparse_sac"),
         ("pure_sparse_td3", "residual_sparse_td3"), ("pure_images_sac", "residual_images_sac"),
         ("pure_images_td3", "residual_images_td3"))  # fmt: skip
POINTS = 0.20
SAME = 0.10
FEW_STEPS = 1000
UPDATES_S = 20.0


def make_claims(cells: Cells) -> list[Claim]:
    """Claims for which there are figures."""
    made = [_pure(cells), _points(cells, "residual_dense"), _points(cells, "residual_images_sac"),
            _images_exact(cells), _robust(cells), _saturated(cells), _faster(cells), _updates(cells), _samples(cells),
            _exploration(cells), _rotation(cells), _noise(cells), _bias_flat(cells), _bias_better(cells),
            _orientation(cells), *_simulation(cells)]  # fmt: skip
    return [claim for claim in made if claim is not None]


def _text(cells: Cells, plugs: Sequence[str], row: str, goal: str) -> str:
    return ", ".join("{} {}/{}".format(p, *cells.count(p, row, goal)) for p in plugs)


def _seeds(cells: Cells) -> int:
    return cells.seeds(part="tables")


def _pure(cells: Cells) -> Claim | None:
    """Final success with both goals, and samples to nine of ten training trials."""
    good, lines = [], []
    for pure, residual in PAIRS:
        for plug in cells.known(pure, residual):
            p, r = (sum(cells.rate(plug, row, g) for g in ("exact", "noisy")) / 2 for row in (pure, residual))
            sooner = _steps(cells, plug, residual) < _steps(cells, plug, pure)
            good.append(r > p and sooner)
            late = "" if sooner else ", not sooner"
            lines.append(f"{plug} {pure.removeprefix('pure_')}: {r:.0%} against {p:.0%}{late}")
    if not good:
        return None
    return Claim("residual beats pure RL in final success and in steps to nine of ten trials", "thesis 9-R1, 9-R6",
                 "on every connector", "; ".join(lines), _seeds(cells), verdict(sum(good), len(good)))


def _steps(cells: Cells, plug: str, row: str) -> float:
    """Mean steps to nine of ten training trials; a seed that never got there counts twice its budget."""
    mine = cells.pick(part="tables", task=plug, row=row)
    return float(np.mean([c["reached_step"] if c["reached_step"] >= 0 else 2.0 * c["steps"] for c in mine]))


def _points(cells: Cells, row: str) -> Claim | None:
    plugs = cells.known(row, "controller")
    if not plugs:
        return None
    gains = {p: cells.rate(p, row, "noisy") - cells.rate(p, "controller", "noisy") for p in plugs}
    theirs = ", ".join(f"{p} {4 * (THESIS[p][row][1] - THESIS[p]['controller'][1]):+d}" for p in plugs)
    ours = ", ".join(f"{p} {100 * g:+.0f}" for p, g in gains.items())
    good = sum(g >= POINTS for g in gains.values())
    return Claim(f"{row} beats the controller by at least 20 points with the goal off by up to 1 mm", "thesis 9-R7",
                 f"points: {theirs}", f"points: {ours} ({_text(cells, plugs, row, 'noisy')}; controller "
                 f"{_text(cells, plugs, 'controller', 'noisy')})", _seeds(cells), verdict(good, len(PLUGS)))


def _images_exact(cells: Cells) -> Claim | None:
    row = "residual_images_sac"
    plugs = cells.known(row)
    if not plugs:
        return None
    good = sum(cells.rate(p, row, "exact") == 1.0 for p in plugs)
    return Claim("residual RL on images (SAC) reaches 100 % with a perfect goal", "thesis Tables 3, 4",
                 "25/25 on each", _text(cells, plugs, row, "exact"), _seeds(cells), verdict(good, len(PLUGS)))


def _robust(cells: Cells) -> Claim | None:
    good, lines = [], []
    for kind in ("residual_sparse", "residual_images", "pure_sparse", "pure_images"):
        for plug in cells.known(f"{kind}_sac", f"{kind}_td3"):
            sac, td3 = cells.rate(plug, f"{kind}_sac", "noisy"), cells.rate(plug, f"{kind}_td3", "noisy")
            good.append(sac >= td3)
            lines.append(f"{plug} {kind}: {sac:.0%} against {td3:.0%}")
    if not good:
        return None
    return Claim("SAC is at least as good as TD3 with noisy goals", "thesis 9-R8", "often much more robust",
                 "; ".join(lines), _seeds(cells), verdict(sum(good), len(good)))


def _saturated(cells: Cells) -> Claim | None:
    def share(agent: str) -> float:
        mine = [c["saturated"] for c in cells.pick(part="tables") if c["row"].endswith(f"_{agent}")]
        return float(np.mean(mine)) if mine else float("nan")

    sac, td3 = share("sac"), share("td3")
    if np.isnan(sac + td3):
        return None
    return Claim("TD3's actions saturate more than SAC's (share of |a| > 0.95 in training)", "thesis 9-R8",
                 "TD3 at the limits", f"TD3 {td3:.0%}, SAC {sac:.0%}", _seeds(cells), "holds" if td3 > sac else "fails")


def _faster(cells: Cells) -> Claim | None:
    rows = ("pure_sparse_sac", "residual_sparse_sac", "lfd_sparse")
    if not cells.known(*rows):
        return None
    pure, residual, lfd = (_steps(cells, "usb", row) for row in rows)
    good = sum(2.0 * steps <= pure for steps in (residual, lfd))
    return Claim("sparse USB: residual RL and RL + LfD need at most half the steps of RL alone", "thesis 9-R5",
                 "about half", f"steps to nine of ten trials (twice the budget where never): RL {pure:.0f}, residual "
                 f"{residual:.0f}, LfD {lfd:.0f}", _seeds(cells), verdict(good, 2))


def _updates(cells: Cells) -> Claim | None:
    """Row 9.20, from the training itself: environment and validation are in the time."""
    mine = [c["updates"] / c["learning_seconds"] for c in cells.pick(part="tables")
            if ROW[c["row"]].agent and ROW[c["row"]].view == "image"]  # fmt: skip
    if not mine:
        return None
    rate = float(np.median(mine))
    return Claim("learning from 32 x 32 images makes at least 20 updates a second (row 9.20)", "thesis chapter 9",
                 "trained on the robot", f"{rate:.0f} updates/s with batches of 64, practice and validation in it "
                 f"(lowest {min(mine):.0f}; two cells at a time on two shared cores)", _seeds(cells),
                 "holds" if rate >= UPDATES_S else "fails")


def _returns(cells: Cells, part: str, row: str, **wanted: float) -> list[float]:
    return [c["test_return"] for c in cells.pick(part=part, row=row, **wanted)]


def _samples(cells: Cells) -> Claim | None:
    rl, residual, alone = (_returns(cells, "samples", row) for row in ("rl", "residual", "controller"))
    if not (rl and residual and alone):
        return None
    best = mean_interval(residual)
    above = sum(best[1] > mean_interval(other)[2] for other in (rl, alone))
    sides = (("residual", best), ("only RL", mean_interval(rl)), ("controller", mean_interval(alone)))
    text = "; ".join(f"{name} {m:.2f} ({low:.2f} to {high:.2f})" for name, (m, low, high) in sides)
    return Claim("blocks: residual RL ends above only RL and the controller, intervals apart (8-R1, row 8.20)",
                 "thesis Figure 37", "best final return, fewest samples", f"return {text}",
                 cells.seeds(part="samples"), verdict(above, 2))


def _exploration(cells: Cells) -> Claim | None:
    spread = {row: [np.linalg.norm(c["tip_spread_mm"]) for c in cells.pick(part="samples", row=row)]
              for row in ("rl", "residual")}  # fmt: skip
    if not all(spread.values()):
        return None
    rl, residual = (float(np.mean(spread[row])) for row in ("rl", "residual"))
    return Claim("RL alone explores a wider region (8-R2, row 8.25)", "thesis section 8.6", "wider",
                 f"standard deviation of the tip: RL {rl:.1f} mm, residual {residual:.1f} mm",
                 cells.seeds(part="samples"), "holds" if rl > residual else "fails")


def _sweep_ends(cells: Cells, part: str, column: str, values: Sequence[float]) -> tuple[list[list[float]], ...] | None:
    residual = [_returns(cells, part, "residual", **{column: v}) for v in values]
    alone = [_returns(cells, part, "controller", **{column: v}) for v in values]
    return (residual, alone) if all(residual) and all(alone) else None


def _rotation(cells: Cells) -> Claim | None:
    found = _sweep_ends(cells, "rotation", "yaw_rad", YAWS)
    if found is None:
        return None
    residual, alone = ([float(np.mean(v)) for v in side] for side in found)
    fall_r, fall_p = residual[0] - residual[-1], alone[0] - alone[-1]
    outcome: Verdict = "holds" if fall_p > 2 * fall_r else "partly" if fall_p > fall_r else "fails"
    return Claim("the controller's return falls with the blocks' yaw, residual RL's stays (8-R6)",
                 "thesis Figure 39(a)", "constant for residual RL", f"return from r = 0 to 0.3: controller "
                 f"{alone[0]:.2f} to {alone[-1]:.2f}, residual {residual[0]:.2f} to {residual[-1]:.2f}",
                 cells.seeds(part="rotation"), outcome)


def _noise(cells: Cells) -> Claim | None:
    values = sorted({c["std"] for c in cells.pick(part="noise")})
    found = _sweep_ends(cells, "noise", "std", values) if values else None
    if found is None:
        return None
    residual, alone = ([float(np.mean(v)) for v in side] for side in found)
    change = abs(residual[-1] - residual[0]) / abs(residual[0])
    return Claim("residual RL's return is hardly affected by control noise (within 10 %)", "thesis 8-R7, Figure 39(b)",
                 "hardly affected", f"return from sigma {values[0]} to {values[-1]}: residual {residual[0]:.2f} to "
                 f"{residual[-1]:.2f} ({change:.0%}), controller {alone[0]:.2f} to {alone[-1]:.2f}",
                 cells.seeds(part="noise"), "holds" if change <= SAME else "fails")


def _bias_flat(cells: Cells) -> Claim | None:
    found = _sweep_ends(cells, "bias", "mean", BIASES)
    if found is None:
        return None
    residual, alone = ([float(np.mean(v)) for v in side] for side in found)
    change = max(abs(r - residual[0]) for r in residual) / abs(residual[0])
    fall = (alone[0] - alone[-1]) / abs(alone[0])
    good = (change <= SAME) + (fall > SAME)
    return Claim("residual return stays within 10 % from bias 0 to 0.2 while the controller's falls", "thesis 8-R7, "
                 "Figure 39(c)", "about constant; dramatic fall", f"residual changes by {change:.0%} at most "
                 f"({residual[0]:.2f} to {residual[-1]:.2f}), controller falls by {fall:.0%} ({alone[0]:.2f} to "
                 f"{alone[-1]:.2f})", cells.seeds(part="bias"), verdict(good, 2))


def _bias_better(cells: Cells) -> Claim | None:
    found = _sweep_ends(cells, "bias", "mean", BIASES)
    if found is None:
        return None
    gain = mean_interval([r - a for r, a in zip(found[0][-1], found[1][-1], strict=True)])
    return Claim("at bias 0.2 residual RL is above the controller, interval above 0 (row 8.22)", "thesis Figure 39(c)",
                 "above", f"difference of returns {gain[0]:.2f} ({gain[1]:.2f} to {gain[2]:.2f})",
                 cells.seeds(part="bias"), "holds" if gain[1] > 0.0 else "fails")


def _orientation(cells: Cells) -> Claim | None:
    def count(row: str) -> tuple[int, int]:
        mine = cells.pick(part="orientation", row=row)
        return sum(c["test_successes"] for c in mine), sum(c["evals"] for c in mine)

    residual, alone = count("residual"), count("controller")
    if not residual[1] or not alone[1]:
        return None
    apart = wilson(*residual)[0] > wilson(*alone)[1]
    return Claim("turned blocks, real-like: residual RL above the controller (row 8.23; simulated analogue)",
                 "thesis 8-R4, Figure 38(a)", "15/20 against 2/20 on the robot",
                 "{}/{} against {}/{}".format(*residual, *alone), cells.seeds(part="orientation"),
                 "holds" if apart else "fails")


def _simulation(cells: Cells) -> list[Claim]:
    def solved(row: str) -> list[int]:
        return [c["solved_step"] for c in cells.pick(part="simulation", row=row)]

    def few(steps: list[int]) -> int:
        return sum(0 <= s < FEW_STEPS for s in steps)

    out, seeds = [], cells.seeds(part="simulation")
    for row, text in (("residual_init", "residual RL initialised from simulation"),
                      ("residual_on_sim", "residual RL on a policy of simulation")):  # fmt: skip
        mine, without = solved(row), solved("residual")
        if mine and without:
            out.append(Claim(f"{text} solves the task in under 1,000 steps (8-R9, row 8.24)", "thesis Figure 40",
                             "under 1,000", f"steps by seed {_list(mine)}; without {_list(without)}; RL alone "
                             f"{_list(solved('rl'))}, with initialisation {_list(solved('rl_init'))}", seeds,
                             verdict(few(mine), len(mine))))  # fmt: skip
    return out


def _list(steps: list[int]) -> str:
    return ", ".join(str(s) if s >= 0 else "not" for s in steps)

