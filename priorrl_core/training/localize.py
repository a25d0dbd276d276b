"""The Localize baseline's eye: regression from one image to the tip's offset from the socket (row 10.26).

The only learner that reads ``ground_truth/offset_m`` of the prior data, as the thesis gives it positions.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from priorrl_core.agents.iql_agent import load_strict
from priorrl_core.config import build
from priorrl_core.data.episodes import PriorData
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.perception.augment import Augment, AugmentConfig
from priorrl_core.perception.encoder import DAIBEncoder, EncoderConfig
from priorrl_core.perception.preprocess import check_batch, to_tensor
from priorrl_core.training.offline import Report, cosine

MILLIMETRES = 1000.0


@dataclass(frozen=True)
class LocalizeConfig:
    """Not given in the thesis."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(mode="erm"))
    hidden: int = 128
    updates: int = 4000
    batch_size: int = 128
    learning_rate: float = 1e-3
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    log_every: int = 200


class Localizer(nn.Module):
    """Encoder and a two-layer head: offset (2,) of the tip from the socket's axis, x and y."""

    def __init__(self, config: LocalizeConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = DAIBEncoder(config.encoder)
            self.head = nn.Sequential(nn.Linear(config.encoder.width, config.hidden), nn.ReLU(),
                                      nn.Linear(config.hidden, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, 48, 48) to offsets (B, 2) in millimetres."""
        return self.head(self.encoder(x).z)

    @torch.no_grad()
    def offset_m(self, images: np.ndarray) -> np.ndarray:
        """Estimated tip minus socket axis (B, 2) [m] of uint8 images (B, 48, 48, 3)."""
        x = to_tensor(check_batch(images))
        out = [self(x[i:i + 512]) for i in range(0, len(x), 512)]
        return torch.cat(out).numpy() / MILLIMETRES

    def save(self, path: str | Path) -> None:
        tensors = {k: v.detach().contiguous() for k, v in self.state_dict().items()}
        write_tensors(path, "localizer", tensors, {"config": json.dumps(dataclasses.asdict(self.config))})

    @classmethod
    def load(cls, path: str | Path) -> Localizer:
        """DataError if missing, truncated or of another architecture."""
        tensors, meta = read_tensors(path, "localizer")
        model = cls(build(LocalizeConfig, json.loads(meta["config"]), str(path)))
        load_strict(model, tensors, path)
        return model.eval()


def train_localizer(prior: PriorData, config: LocalizeConfig, seed: int,
                    report: Report | None = None) -> Localizer:
    """Smooth L1 regression (knee at 1 mm) on augmented images of the prior data."""
    model, augment = Localizer(config, seed), Augment(config.augment)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    e = prior.episodes
    images = torch.from_numpy(e.images).reshape(-1, *e.images.shape[2:])
    target = torch.from_numpy(e.offset_m[..., :2] * MILLIMETRES).reshape(-1, 2).float()
    for done in range(config.updates):
        optimizer.param_groups[0]["lr"] = config.learning_rate * cosine(done / config.updates, 0.02)
        rows = torch.randint(len(images), (config.batch_size,), generator=generator)
        loss = nn.functional.smooth_l1_loss(model(augment(to_tensor(images[rows]), generator)), target[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if report and (done + 1) % config.log_every == 0:
            report("localize", done + 1, config.updates, {"loss_mm": float(loss.detach())})
    return model.eval()


def rmse_mm(model: Localizer, prior: PriorData) -> float:
    """Root mean square error of the horizontal offset on ``prior`` [mm]."""
    e = prior.episodes
    estimate = model.offset_m(e.images.reshape(-1, *e.images.shape[2:]))
    error = (estimate - e.offset_m[..., :2].reshape(-1, 2)) * MILLIMETRES
    return float(np.sqrt((error**2).sum(1).mean()))
