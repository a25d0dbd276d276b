"""``priorrl data``: shows, checks, imports and exports data sets."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from priorrl_core.cli.output import emit
from priorrl_core.cli.parser import Parser, one_of
from priorrl_core.errors import DataError, UserError

EXAMPLES = """
priorrl data show lift.hdf5                               what is in it
priorrl data check lift.hdf5                              what is wrong with it, by key and row
priorrl data import lift.hdf5 --out lift.safetensors --obs object,robot0_eef_pos
priorrl data import pendulum-v1 --out p.safetensors --scale=file
priorrl data export lift.safetensors --format lerobot --out lift_lerobot
"""

JOBS = ("show", "check", "import", "export")
FORMATS = ("robomimic", "minari", "lerobot", "d4rl", "replay", "run", "prior")
SHOWN = 20
"""Problems that are printed; --json has all."""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("job", type=one_of(*JOBS), metavar="|".join(JOBS), help="what to do")
    parser.add_argument("file", help="file or folder of the data set")
    parser.add_argument("--format", type=one_of(*FORMATS), metavar="|".join(FORMATS),
                        help="of FILE, or of --out for export; without it that of FILE is found by looking")
    parser.add_argument("--out", metavar="FILE", help="what to write")
    parser.add_argument("--obs", default="", metavar="KEYS",
                        help="only these observations, comma-separated; import joins them (default: all vectors)")
    parser.add_argument("--scale", metavar="BOUNDS", help="actions from LOW:HIGH (one pair, or one for each action, "
                        "comma-separated; write --scale=-2:2) or from the bounds in the 'file' to [-1, 1]")
    parser.add_argument("--ends", type=one_of("file", "cut", "first", "terminated", "truncated"), default="file",
                        metavar="file|cut|first|terminated|truncated",
                        help="how episodes ended; cut: truncated where the file does not say; first: as cut, and the "
                             "first done is the end; terminated, truncated: all of them, whatever the file says")
    parser.add_argument("--reward", type=one_of("file", "zero", "last"), default="file", metavar="file|zero|last",
                        help="where the file has none: zero, or 1 on the last step")
    parser.add_argument("--mask", default="", metavar="NAME", help="robomimic: only this filter key")


def run(args: argparse.Namespace) -> int:
    from priorrl_core.data.formats.reading import ReadOptions
    from priorrl_core.data.formats.registry import detect, read
    from priorrl_core.data.formats.scale import parse_bounds, scaled

    writes = args.job in ("import", "export")
    if writes and not args.out:
        raise UserError(f"priorrl data {args.job} needs --out FILE")
    if not Path(args.file).exists():
        raise DataError(f"'{args.file}' does not exist; check the path")
    args.obs = tuple(key.strip() for key in args.obs.split(",") if key.strip())
    args.found = detect(args.file) if args.job == "export" or not args.format else args.format
    episodes = read(args.file, args.found, ReadOptions(args.ends, args.reward, args.obs, args.mask))
    if args.scale:
        episodes = scaled(episodes, () if args.scale == "file" else parse_bounds(args.scale))
    return {"show": _show, "check": _check, "import": _import, "export": _export}[args.job](args, episodes)


def _show(args: argparse.Namespace, episodes: Any) -> int:
    result = {"file": args.file, "format": args.found, **summary(episodes)}
    emit(args, result, _lines(result))
    return 0


def summary(episodes: Any) -> dict[str, Any]:
    """Counts and ranges over all episodes, read one at a time; DataError if one cannot be read."""
    lengths, returns, low, high = [], [], math.inf, -math.inf
    counts = dict.fromkeys(("terminated", "truncated", "open", "one_flag", "without_final_obs"), 0)
    parts: dict[str, Any] = {}
    for episode in episodes:
        lengths.append(len(episode))
        returns.append(float(episode.reward.sum()))
        if episode.action.size:
            low, high = min(low, float(episode.action.min())), max(high, float(episode.action.max()))
        counts["terminated"] += episode.terminated
        counts["truncated"] += episode.truncated
        counts["open"] += not (episode.terminated or episode.truncated)
        counts["one_flag"] += episode.one_flag
        counts["without_final_obs"] += not episode.final_obs
        parts = parts or {"obs": {k: f"{v.dtype} {v.shape[1:]}" for k, v in episode.obs.items()},
                          "action": f"{episode.action.dtype} {episode.action.shape[1:]}",
                          "extra": sorted(episode.extra)}
    span = {"length": [min(lengths), max(lengths)], "return": [min(returns), max(returns)],
            "action_range": [low, high]} if lengths else {}
    return {"episodes": len(lengths), "steps": sum(lengths), **counts, **parts, **span,
            "action_bounds": [list(b) for b in episodes.bounds]}


def _lines(r: dict[str, Any]) -> list[str]:
    lines = [f"{r['format']}: {r['episodes']} episodes, {r['steps']} steps",
             f"ended: {r['terminated']} terminated, {r['truncated']} truncated, {r['open']} say neither"]
    if not r["episodes"]:
        return lines
    lines += [f"observation {key}: {what}" for key, what in r["obs"].items()]
    lines.append(f"action: {r['action']}, from {r['action_range'][0]:g} to {r['action_range'][1]:g}"
                 + (f", bounds {r['action_bounds']}" if r["action_bounds"] else ""))
    lines.append(f"steps an episode: {r['length'][0]} to {r['length'][1]}, return {r['return'][0]:g} to "
                 f"{r['return'][1]:g}")
    return lines + _warnings(r)


def _warnings(r: dict[str, Any]) -> list[str]:
    lines = []
    if r["one_flag"]:
        lines.append(f"{r['one_flag']} episodes have one flag for both ends, read as terminated; if a time limit "
                     "ended them, give --ends truncated")
    if r["without_final_obs"]:
        lines.append(f"{r['without_final_obs']} episodes have no observation after the last step; their last one "
                     "stands for it")
    return lines


def _check(args: argparse.Namespace, episodes: Any) -> int:
    from priorrl_core.data.formats.check import problems

    found = [str(p) for p in problems(episodes)]
    lines = found[:SHOWN] + ([f"and {len(found) - SHOWN} more; --json prints all"] if len(found) > SHOWN else [])
    verdict = f"{len(found)} problems" if found else f"nothing is wrong with {len(episodes)} episodes"
    emit(args, {"file": args.file, "format": args.found, "episodes": len(episodes), "problems": found},
         [*lines, verdict])
    return 1 if found else 0


def _import(args: argparse.Namespace, episodes: Any) -> int:
    from priorrl_core.data.formats import replay

    chosen = replay.observation_keys(episodes.load(0), args.obs) if len(episodes) else []
    counts = {"one_flag": 0, "without_final_obs": 0}
    for episode in episodes:
        counts["one_flag"] += episode.one_flag
        counts["without_final_obs"] += not episode.final_obs
    made = replay.write(episodes, args.out, args.obs)
    result = {"file": args.file, "format": args.found, "out": args.out, "episodes": len(episodes),
              "steps": made.size, "obs": chosen, "obs_shape": list(made.obs_shape), "action_size": made.action_size,
              "terminated": int(made.columns["terminated"].sum()), "truncated": int(made.columns["truncated"].sum()),
              "scaled_from": episodes.meta.get("scaled_from", []), **counts}
    lines = [f"{args.out}: {len(episodes)} episodes, {made.size} steps; observation {', '.join(chosen)} "
             f"{tuple(made.obs_shape)}, {made.action_size} actions",
             f"{result['terminated']} episodes terminated, {result['truncated']} truncated"]
    if result["scaled_from"]:
        lines.append(f"actions scaled from {result['scaled_from']} to [-1, 1]; 'executed' keeps their units")
    emit(args, result, lines + _warnings(result))
    return 0


def _export(args: argparse.Namespace, episodes: Any) -> int:
    from priorrl_core.data.formats.registry import write

    if not args.format:
        raise UserError("priorrl data export needs --format robomimic, minari, lerobot or replay")
    write(episodes, args.out, args.format)
    emit(args, {"file": args.file, "format": args.format, "out": args.out, "episodes": len(episodes)},
         [f"{args.out}: {len(episodes)} episodes as {args.format}"])
    return 0
