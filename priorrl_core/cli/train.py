"""``priorrl train``: prior data to a checkpoint: representation, reward, localiser, policy."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from priorrl_core.cli.output import Progress, duration, emit
from priorrl_core.cli.parser import Parser, whole_number
from priorrl_core.errors import DataError, UserError, nearest

EXAMPLES = """
priorrl train --data data/prior --out weights/mine
priorrl train --data data/prior --out weights/plain --method plain_iql
priorrl train --data data/prior --out weights/mine --resume       go on where it stopped
priorrl train --data data/prior --out weights/mine --resume --only reward
"""

STEPS = ("reward", "vqvae", "localize", "policy")


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--data", default="data/prior", metavar="DIR", help="from 'priorrl collect' (default data/prior)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the checkpoint folder")
    parser.add_argument(
        "--method", default="daib_iql", metavar="NAME|FILE", help="settings (default daib_iql)"
    )
    parser.add_argument(
        "--unseen",
        default="data/held_out",
        metavar="DIR",
        help="data of held-out connectors for the reward's report, if there (default data/held_out)",
    )
    parser.add_argument("--only", default="", metavar="LIST", help=f"some of {','.join(STEPS)}")
    parser.add_argument(
        "--updates", type=whole_number(1, 10**7), metavar="N", help="of the policy, instead of the method's"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep what is finished, go on with what was begun"
    )


def run(args: argparse.Namespace) -> int:
    from priorrl_core.training.method import load_method

    steps = chosen_steps(args.only)
    method = load_method(args.method)
    trainer = Trainer(args, method)
    begin = time.monotonic()
    try:
        done = {name: getattr(trainer, name)() for name in steps}
    finally:
        trainer.progress.close()
    trainer.finish()
    seconds = time.monotonic() - begin
    result = {
        "out": str(trainer.out),
        "method": method.name,
        "seed": args.seed,
        "seconds": round(seconds, 1),
        "connectors": len(trainer.prior.names),
        "episodes": len(trainer.prior),
        **done,
    }
    emit(
        args,
        result,
        [
            *(f"{name}: {json.dumps(facts)}" for name, facts in done.items()),
            f"checkpoint: {trainer.out} ({duration(seconds)})",
        ],
    )
    return 0


def chosen_steps(text: str) -> tuple[str, ...]:
    """The steps of a comma-separated list, in their order; all for none."""
    wanted = [w for w in text.split(",") if w] or list(STEPS)
    for word in wanted:
        if word not in STEPS:
            raise UserError(f"--only: unknown step '{word}'{nearest(word, STEPS)}")
    return tuple(s for s in STEPS if s in wanted)


class Trainer:
    """Trains the parts one after the other; a finished part is kept as its file in the checkpoint folder."""

    def __init__(self, args: argparse.Namespace, method: Any) -> None:
        import dataclasses

        from priorrl_core.data.episodes import load_prior
        from priorrl_core.tasks.task import load_task
        from priorrl_core.training.runtime import configure_torch

        configure_torch()
        if args.updates:
            method = dataclasses.replace(
                method, offline=dataclasses.replace(method.offline, updates=args.updates)
            )
        self.args, self.method, self.out = args, method, Path(args.out)
        self.families_out = load_task().held_out_families
        self.prior = load_prior(args.data, exclude_families=self.families_out)
        self.progress = Progress()
        self._open()

    def _open(self) -> None:
        """Makes the folder; what lies there already must be of the same settings."""
        from priorrl_core.config import config_hash
        from priorrl_core.reporting.summary import write_json

        settings = {
            "method": self.method.name,
            "seed": self.args.seed,
            "settings": config_hash(self.method, {"names": self.prior.names, "episodes": len(self.prior)}),
        }
        path = self.out / "train.json"
        if path.is_file():
            if not self.args.resume:
                raise UserError(
                    f"'{self.out}' holds a training already; add --resume or choose another --out"
                )
            if json.loads(path.read_text()) != settings:
                raise UserError(
                    f"'{self.out}' was trained with other settings, data or seed; choose another --out"
                )
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(path, settings)

    def reward(self) -> dict[str, Any]:
        """``reward.safetensors`` and its report."""
        from priorrl_core.rewards.classifier import RewardModel, single_images, train_reward
        from priorrl_core.rewards.config import load_reward_config

        path, prior = self.out / "reward.safetensors", self.prior
        if path.is_file():
            model = RewardModel.load(path)
        else:
            config = load_reward_config(self.method.reward)
            images, labels, domains = single_images(prior.images, prior.labels, prior.connector)
            total = config.members * config.iterations

            def report(member: int, health: Any) -> None:
                self.progress(
                    "reward",
                    member * config.iterations + health.iteration,
                    total,
                    f"accuracy {health.reward_accuracy:.2f}, KL {health.kl_nats:.2f} nats, domain "
                    f"{health.domain_accuracy:.2f} (chance {health.domain_chance:.2f})",
                )

            model = train_reward(images, labels, domains, prior.families, config, self.args.seed, report)
            for alarm in model.facts["alarms"]:
                sys.stderr.write(f"alarm: {alarm}\n")
            save_whole(path, model.save)
        return self._reward_report(model)

    def _reward_report(self, model: Any) -> dict[str, Any]:
        from priorrl_core.data.episodes import load_prior
        from priorrl_core.reporting.reward_report import report_reward

        there = any(Path(self.args.unseen).glob("*.h5"))
        unseen = load_prior(self.args.unseen, exclude_connectors=self.prior.names) if there else None
        out = report_reward(model, unseen, self.out)
        figures = out.get("unseen") or out["validation_on_left_out_training_families"]
        keys = (
            "accuracy",
            "precision",
            "recall",
            "calibration_error",
            "trials_with_a_false_positive_per_100",
        )
        return {
            "threshold": round(model.threshold, 4),
            "judged_on": "unseen" if unseen else "validation",
            **{k: round(float(figures[k]), 4) for k in keys if k in figures},
        }

    def vqvae(self) -> dict[str, Any]:
        """``vqvae.safetensors``."""
        from priorrl_core.perception.train_vqvae import train_vqvae
        from priorrl_core.perception.vqvae import VQVAE, load_vqvae_config

        path, state = self.out / "vqvae.safetensors", self.out / "vqvae_state.safetensors"
        if path.is_file():
            return {"hash": VQVAE.load(path).hash()}
        config = load_vqvae_config()
        images = self.prior.images.reshape(-1, *self.prior.images.shape[2:])
        last: dict[str, float] = {}

        def report(news: Any) -> None:
            last.update(mse=news.mse, perplexity=news.perplexity)
            self.progress(
                "vqvae", news.step, config.steps, f"mse {news.mse:.4f}, codes used {news.perplexity:.0f}"
            )

        model = train_vqvae(images, config, self.args.seed, report, state)
        save_whole(path, model.save)
        state.unlink(missing_ok=True)
        return {"hash": model.hash(), **{k: round(v, 5) for k, v in last.items()}}

    def localize(self) -> dict[str, Any]:
        """``localize.safetensors``."""
        from priorrl_core.training.localize import LocalizeConfig, Localizer, rmse_mm, train_localizer

        path = self.out / "localize.safetensors"
        model = (
            Localizer.load(path)
            if path.is_file()
            else train_localizer(self.prior, LocalizeConfig(), self.args.seed, self._policy_report)
        )
        if not path.is_file():
            save_whole(path, model.save)
        return {"rmse_mm": round(rmse_mm(model, self.prior), 2)}

    def policy(self) -> dict[str, Any]:
        """``agent.safetensors`` and ``offline_cache.safetensors``."""
        from priorrl_core.agents.iql_agent import IQLAgent
        from priorrl_core.training.checkpoints import AGENT, CACHE, save_cache
        from priorrl_core.training.offline import STATE, make_cache, train_offline

        if (self.out / AGENT).is_file() and (self.out / CACHE).is_file():
            return {"encoder_hash": IQLAgent.load(self.out / AGENT).encoder_hash()}
        agent = train_offline(self.prior, self.method, self.args.seed, self.out, True, self._policy_report)
        cache = make_cache(agent, self.prior, self.method, self.args.seed, self._policy_report)
        save_cache(self.out / CACHE, cache, agent.encoder_hash())
        save_whole(self.out / AGENT, agent.save)
        (self.out / f"{STATE}.safetensors").unlink(missing_ok=True)
        return {"encoder_hash": agent.encoder_hash(), "updates": self.method.offline.updates}

    def _policy_report(self, stage: str, done: int, total: int, metrics: dict[str, float]) -> None:
        shown = ", ".join(f"{k} {v:.3g}" for k, v in list(metrics.items())[:4])
        self.progress(stage, done, total, shown)

    def finish(self) -> None:
        """``config.json`` and ``manifest.json``, where there is an agent."""
        import dataclasses

        from priorrl_core.agents.iql_agent import IQLAgent
        from priorrl_core.training.checkpoints import AGENT, CONFIG, write_manifest

        if not (self.out / AGENT).is_file():
            return
        (self.out / CONFIG).write_text(json.dumps(dataclasses.asdict(self.method), indent=1))
        write_manifest(
            self.out,
            IQLAgent.load(self.out / AGENT),
            self.method,
            self.args.seed,
            "priorrl " + " ".join(sys.argv[1:]),
            self.prior.names,
            self.families_out,
        )


def save_whole(path: Path, save: Callable[[Path], Any]) -> None:
    """Calls ``save`` on a file beside ``path`` and moves it there; DataError when the disk is full."""
    part = path.with_name(path.name + ".part")
    try:
        save(part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot write '{path}' ({error.strerror}); free disk space") from error
