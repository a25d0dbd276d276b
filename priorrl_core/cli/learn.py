"""``priorrl learn``: an agent from a data set to practice in any Gymnasium environment."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from priorrl_core.cli.output import Progress, duration, emit
from priorrl_core.cli.parser import Parser, whole_number
from priorrl_core.cli.paths import new_run
from priorrl_core.errors import UserError

EXAMPLES = """
priorrl learn --agent sac --env Pendulum-v1 --online-steps 5000 --collect data/pendulum.safetensors
priorrl learn --agent iql --env Pendulum-v1 --data data/pendulum.safetensors --offline-steps 10000 --online-steps 5000
priorrl learn --agent rlpd --env Pendulum-v1 --data data/pendulum.safetensors --online-steps 5000
priorrl learn --agent iql ... --out runs/mine --resume         go on where it stopped
priorrl learn --agent iql ... --seeds 5                        mean and spread of five seeds
"""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--agent", default="", metavar="NAME", help="settings of config/agents, such as iql")
    parser.add_argument("--config", default="", metavar="YAML", help="settings of your own instead")
    parser.add_argument("--env", default="", metavar="ID", help="Gymnasium environment to practise and evaluate in")
    parser.add_argument("--data", default="", metavar="FILE", help="transitions to pretrain on and to sample from")
    for phase, what in (("offline", "updates on the data before practice"), ("online", "steps in the environment")):
        parser.add_argument(f"--{phase}-steps", type=whole_number(0, 10**9), default=0, metavar="N",
                            help=f"{what} (default 0)")
    parser.add_argument("--chunk", type=whole_number(1, 1000), default=1, metavar="H",
                        help="steps of one decision, carried out without a look in between (default 1)")
    parser.add_argument("--threads", type=whole_number(0, 1024), default=1, metavar="N",
                        help="of the learner; 0: the fastest of a short measurement (default 1)")
    for option, what in (("bf16", "products between hidden layers in bfloat16"), ("compile", "compile IQL's loss")):
        parser.add_argument(f"--{option}", action="store_true", help=f"{what}; see 'priorrl speedcheck'")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default), cuda or cuda:1")
    parser.add_argument("--cuda-graphs", action="store_true", help="on a GPU launch an update by one call")
    parser.add_argument("--seeds", type=whole_number(1, 1000), default=1, metavar="N",
                        help="so many runs, of --seed and the numbers after it, each in a folder of --out")
    parser.add_argument("--out", default="", metavar="DIR", help="folder of the run (default: a new one in runs)")
    parser.add_argument("--resume", action="store_true", help="go on in --out where it stopped")
    parser.add_argument("--collect", default="", metavar="FILE", help="write the practised transitions here: data")


def run(args: argparse.Namespace) -> int:
    if args.resume and not args.out:
        raise UserError("--resume needs --out, the folder to go on in")
    if not args.agent and not args.config:
        raise UserError("name an agent (--agent iql) or settings of your own (--config FILE.yaml)")
    if args.collect and args.seeds > 1:
        raise UserError("--collect writes the practice of one seed; leave --seeds out")
    import torch

    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    config = _config(args)
    plan = _plan(args, config)
    folder, progress = Path(args.out) if args.out else new_run(Path("runs"), f"learn_{config.name}"), Progress()
    configure_torch(_threads(args, config, plan, folder))
    try:
        learn = _one if args.seeds == 1 else _several
        result = learn(args, config, plan, folder, progress)
    finally:
        progress.close()
    _show(args, {"out": str(folder), "agent": config.agent, "config": config.name, "seed": args.seed,
                 "threads": torch.get_num_threads(), **result})
    return 0


def _one(args: argparse.Namespace, config: Any, plan: Any, folder: Path, progress: Progress) -> dict[str, Any]:
    loop = _loop(args, config, plan, folder, progress)
    if not loop.log.has_board:
        sys.stderr.write("metrics go to metrics.csv alone; 'pip install tensorboard' adds TensorBoard\n")
    result: dict[str, Any] = loop.run()
    if args.collect:
        Path(args.collect).parent.mkdir(parents=True, exist_ok=True)
        loop.learner.buffer.practised().save(args.collect)
    return result


def _several(args: argparse.Namespace, config: Any, plan: Any, folder: Path, progress: Progress) -> dict[str, Any]:
    from priorrl_core.agents.cuda_graphs import CUDA
    from priorrl_core.training.learn_seeds import run_seeds, summary

    begin, numbers = time.perf_counter(), range(args.seed, args.seed + args.seeds)

    def make(seed: int) -> Any:
        mine = dataclasses.replace(plan, seed=seed)
        return _loop(args, config, mine, _folder_of(folder, seed), partial(_with_seed, progress, seed))

    results = run_seeds(make, numbers, CUDA if args.cuda_graphs else None)
    runs = [{"seed": seed, **result} for seed, result in zip(numbers, results, strict=True)]
    return {**summary(results), "seeds": runs, "seconds": round(time.perf_counter() - begin, 1)}


def _folder_of(folder: Path, seed: int) -> Path:
    return folder / f"seed_{seed}"


def _with_seed(progress: Progress, seed: int, phase: str, done: int, total: int, note: str) -> None:
    progress(phase, done, total, f"seed {seed}, {note}")


def _loop(args: argparse.Namespace, config: Any, plan: Any, folder: Path, report: Any) -> Any:
    from priorrl_core.training.learn_loop import LearnLoop

    loop = LearnLoop(config, plan, folder, args.resume, report)
    if loop.resumed_from:
        sys.stderr.write(f"goes on from {loop.resumed_from} at {loop.counters.offline} offline, "
                         f"{loop.counters.online} online steps\n")
    return loop


def _config(args: argparse.Namespace) -> Any:
    from priorrl_core.training.learn_config import load_learn_config

    config = load_learn_config(args.config or args.agent)
    if args.config and args.agent not in ("", config.agent, config.name):
        raise UserError(f"--agent is '{args.agent}', but '{args.config}' is of '{config.agent}'; leave --agent out")
    return config


def _plan(args: argparse.Namespace, config: Any) -> Any:
    from priorrl_core.training.goal_env import open_scaled
    from priorrl_core.training.gym_env import open_env
    from priorrl_core.training.learn_files import load_data
    from priorrl_core.training.learn_loop import LearnPlan

    make_env = None
    sizes: tuple[Any, Any] = (None, None)
    if args.env:
        make_env = partial(open_env, args.env, config.episode_steps)
        probe = open_scaled(make_env(), config)
        sizes = (probe.obs_size, probe.action_size)
        probe.close()
    data = load_data(args.data, *sizes) if args.data else None
    return LearnPlan(args.offline_steps, args.online_steps, args.seed, make_env, args.env, data, args.chunk,
                     _speed(args))


def _speed(args: argparse.Namespace) -> Any:
    from priorrl_core.agents.device import named_device
    from priorrl_core.agents.speed import SpeedConfig

    named_device(args.device)
    return SpeedConfig(args.bf16, args.compile, args.device, args.cuda_graphs)


def _threads(args: argparse.Namespace, config: Any, plan: Any, folder: Path) -> int:
    """As told, as the run began, or measured."""
    if args.threads:
        return int(args.threads)
    from priorrl_core.training.learn_files import run_threads
    from priorrl_core.training.threads import fastest, measure

    first = folder if args.seeds == 1 else _folder_of(folder, args.seed)
    if begun := run_threads(first) if args.resume else 0:
        return begun
    rates = measure(config, *_sizes(plan, config.frames))
    sys.stderr.write("updates a second: " + ", ".join(f"{r:.0f} on {n} thread{'s' * (n > 1)}"
                                                      for n, r in rates.items()) + f"; takes {fastest(rates)}\n")
    return fastest(rates)


def _sizes(plan: Any, frames: int) -> tuple[Any, int]:
    """Of observation and decision, with the goals that hindsight adds."""
    from priorrl_core.training.gym_env import ScaledEnv, stacked
    from priorrl_core.training.observations import obs_size

    if plan.data is not None:
        return obs_size(plan.data), plan.data.action_size * plan.chunk

    env = ScaledEnv(stacked(plan.make_env(), frames))
    env.close()
    return env.obs_size, env.action_size * plan.chunk


def _show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    runs = result.get("seeds", [result])
    lines = [f"{result['config']}: {runs[0]['updates']} updates, {runs[0]['online_steps']} steps of practice"]
    if runs[0]["best_return"] is not None:
        lines += [f"evaluation return{_of_seed(run) if len(runs) > 1 else ''}: "
                  f"best {run['best_return']:.2f}, last {run['last_return']:.2f}" for run in runs]
    if len(runs) > 1 and "best_return" in result:
        lines.append("mean of the seeds: " + ", ".join(
            f"{name} {result[f'{name}_return']:.2f} (sd {result[f'{name}_return_std']:.2f})"
            for name in ("best", "last")))
    emit(args, result, [*lines, f"run: {result['out']} ({duration(result['seconds'])})"])


def _of_seed(run: dict[str, Any]) -> str:
    return f" of seed {run['seed']}"
