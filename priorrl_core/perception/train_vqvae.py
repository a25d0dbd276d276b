"""Training of the VQ-VAE: seeded, resumable bit for bit, with codes that die brought back."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from priorrl_core.config import config_hash
from priorrl_core.errors import DataError
from priorrl_core.perception.preprocess import check_batch, to_tensor
from priorrl_core.perception.vqvae import VQVAE, VQVAEConfig, perplexity, vq_loss


@dataclass(frozen=True)
class VQReport:
    """Means since the last report; ``mse`` in units of the [-0.5, 0.5] pixel range squared."""

    step: int
    loss: float
    mse: float
    perplexity: float


class VQTrainer:
    """``step()`` is one gradient step; ``save``/``restore`` keep everything that the next step depends on."""

    def __init__(self, images: NDArray[np.uint8], config: VQVAEConfig, seed: int) -> None:
        self.images, self.config, self.seed = check_batch(images), config, seed
        if not len(images):
            raise DataError("no images to train the VQ-VAE on; collect prior data first")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = VQVAE(config)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate, fused=True)
        self.used = torch.zeros(config.codes, dtype=torch.int64)
        self.done = 0

    def step(self) -> dict[str, torch.Tensor]:
        """One step; the batch is a function of (seed, step), so a resumed run sees the same batches."""
        rng = np.random.default_rng([self.seed, self.done])
        x = to_tensor(self.images[rng.integers(0, len(self.images), self.config.batch_size)])
        out, q = self.model(x)
        loss = vq_loss(x, out, q, self.config.commitment)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self.used += torch.bincount(q.codes.reshape(-1), minlength=self.config.codes)
        self.done += 1
        every = self.config.restart_every
        if every and self.done % every == 0 and self.done <= self.config.steps // 2:
            self._restart(x, rng)
        return {"loss": loss.detach(), "mse": nn.functional.mse_loss(out.detach(), x), "codes": q.codes}

    def _restart(self, x: torch.Tensor, rng: np.random.Generator) -> None:
        """Codes unused since the last restart move onto random encoder outputs (not in the thesis)."""
        dead = torch.nonzero(self.used == 0).squeeze(1)
        self.used.zero_()
        if not dead.numel():
            return
        with torch.no_grad():
            flat = self.model.encoder(x).permute(0, 2, 3, 1).reshape(-1, self.config.dimension)
            self.model.codebook[dead] = flat[torch.from_numpy(rng.integers(0, len(flat), dead.numel()))]

    def save(self, path: Path) -> None:
        """Model, optimiser, usage and position into one safetensors file, written whole or not at all."""
        state = self.optimizer.state_dict()["state"]
        tensors = {f"model.{k}": v.contiguous() for k, v in self.model.state_dict().items()}
        tensors |= {f"adam.{i}.{k}": v.contiguous() for i, s in state.items() for k, v in s.items()}
        tensors["used"] = self.used
        header = {"kind": "vqvae-training", "done": str(self.done), "hash": self._hash(),
                  "config": json.dumps(dataclasses.asdict(self.config))}  # fmt: skip
        part = path.with_suffix(".part")
        safetensors.torch.save_file(tensors, str(part), metadata=header)
        os.replace(part, path)

    def restore(self, path: Path) -> None:
        """Continue from ``save``; DataError if it is truncated or of another configuration, seed or data."""
        try:
            with safetensors.safe_open(str(path), "pt") as file:  # type: ignore[no-untyped-call]
                header = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (safetensors.SafetensorError, OSError) as error:
            raise DataError(f"'{path}' is truncated or missing; delete it and start anew") from error
        if header.get("hash") != self._hash():
            raise DataError(f"'{path}' belongs to other data, seed or settings; delete it and start anew")
        prefix = "model."
        self.model.load_state_dict({k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)})
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                state.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.used, self.done = tensors["used"], int(header["done"])

    def _hash(self) -> str:
        return config_hash(self.config, self.seed, len(self.images), int(self.images[:: 97].sum()))


def train_vqvae(
    images: NDArray[np.uint8],
    config: VQVAEConfig,
    seed: int,
    progress: Callable[[VQReport], None] | None = None,
    resume: str | Path | None = None,
) -> VQVAE:
    """Train on uint8 images (M,48,48,3). At each report the state is kept in ``resume``, if given."""
    trainer = VQTrainer(images, config, seed)
    path = Path(resume) if resume else None
    if path and path.exists():
        trainer.restore(path)
    window: list[dict[str, torch.Tensor]] = []
    while trainer.done < config.steps:
        window.append(trainer.step())
        if trainer.done % config.report_every == 0 or trainer.done == config.steps:
            if path:
                trainer.save(path)
            if progress:
                progress(_report(trainer, window))
            window = []
    return trainer.model.eval().requires_grad_(False)


def _report(trainer: VQTrainer, window: list[dict[str, torch.Tensor]]) -> VQReport:
    mean = {k: float(torch.stack([w[k] for w in window]).mean()) for k in ("loss", "mse")}
    used = perplexity(torch.cat([w["codes"] for w in window]), trainer.config.codes)
    return VQReport(trainer.done, mean["loss"], mean["mse"], used)
