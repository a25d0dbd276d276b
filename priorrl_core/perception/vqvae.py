"""VQ-VAE of the thesis' Table 25: 48x48x3 image <-> 12x12 codes of dimension 5 from a book of 512.

L_VQ = |x - D(e)|^2 + |sg[z_e] - e|^2 + 0.25 |z_e - sg[e]|^2 with the straight-through gradient; the codebook
learns by the second term because the table switches the moving-average codebook off. The strides (2, 2, 1)
are derived from 720 = 12 x 12 x 5. The widths of the table (128, 64) are the defaults of ``VQVAEConfig``;
``config/methods/vqvae.yaml`` says which widths run on two CPU cores.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from priorrl_core.config import build, config_dir, load
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.perception.encoder import module_hash
from priorrl_core.perception.preprocess import check_batch, to_images, to_tensor

GRID = (12, 12)
SCHEMA = "1"


@dataclass(frozen=True)
class VQVAEConfig:
    """Architecture (Table 25) and training (not given in the thesis) of the VQ-VAE."""

    hidden: int = 128
    residual_layers: int = 3
    residual_hidden: int = 64
    dimension: int = 5
    codes: int = 512
    commitment: float = 0.25
    learning_rate: float = 1e-3
    batch_size: int = 64
    steps: int = 3000
    restart_every: int = 200
    gradient_clip: float = 5.0
    report_every: int = 100

    def __post_init__(self) -> None:
        positive = ("hidden", "residual_hidden", "dimension", "codes", "batch_size", "steps", "report_every")
        for name in positive:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.codes > 65536:
            raise ValueError(f"codes must fit into 16 bits, not {self.codes}")


def load_vqvae_config() -> VQVAEConfig:
    """``config/methods/vqvae.yaml``."""
    return load(VQVAEConfig, config_dir() / "methods" / "vqvae.yaml")


class Quantised(NamedTuple):
    """embedding (B,5,12,12): rows of the codebook, with straight-through gradient; codes (B,12,12) int64."""

    embedding: torch.Tensor
    codes: torch.Tensor
    codebook_loss: torch.Tensor
    commitment_loss: torch.Tensor


class _Residual(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, hidden, 3, 1, 1), nn.ReLU(), nn.Conv2d(hidden, width, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.net(x)


class VQVAE(nn.Module):
    """Encoder, codebook and decoder; images are float (B,3,48,48) in [-0.5, 0.5]."""

    def __init__(self, config: VQVAEConfig | None = None) -> None:
        super().__init__()
        self.config = config or VQVAEConfig()
        c = self.config
        h, half = c.hidden, max(c.hidden // 2, 1)

        def stack() -> list[nn.Module]:
            return [_Residual(h, c.residual_hidden) for _ in range(c.residual_layers)]

        self.encoder = nn.Sequential(
            nn.Conv2d(3, half, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(half, h, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(h, h, 3, 1, 1), *stack(), nn.ReLU(),
            nn.Conv2d(h, c.dimension, 1),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(c.dimension, h, 3, 1, 1), *stack(), nn.ReLU(),
            nn.ConvTranspose2d(h, half, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(half, 3, 4, 2, 1),
        )  # fmt: skip
        rows = torch.empty(c.codes, c.dimension).uniform_(-1.0 / c.codes, 1.0 / c.codes)
        self.codebook = nn.Parameter(rows)

    def nearest(self, z_e: torch.Tensor) -> torch.Tensor:
        """(B,12,12) indices of the nearest codebook rows (squared distance) for z_e (B,5,12,12)."""
        flat = z_e.permute(0, 2, 3, 1).reshape(-1, self.config.dimension)
        distance = self.codebook.square().sum(1) - 2.0 * flat @ self.codebook.T
        return distance.argmin(1).view(z_e.shape[0], *z_e.shape[2:])

    def lookup(self, codes: torch.Tensor) -> torch.Tensor:
        """(B,5,12,12) codebook rows of indices (B,12,12)."""
        return nn.functional.embedding(codes, self.codebook).permute(0, 3, 1, 2)

    def quantise(self, z_e: torch.Tensor) -> Quantised:
        """Nearest rows, their losses (means over elements), and the straight-through estimator."""
        codes = self.nearest(z_e.detach())
        rows = self.lookup(codes)
        codebook = (z_e.detach() - rows).square().mean()
        commitment = (z_e - rows.detach()).square().mean()
        return Quantised(z_e + (rows - z_e).detach(), codes, codebook, commitment)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Quantised]:
        """(reconstruction (B,3,48,48), quantisation) of images x."""
        quantised = self.quantise(self.encoder(x.contiguous(memory_format=torch.channels_last)))
        return self.decoder(quantised.embedding), quantised

    @torch.no_grad()
    def encode(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
        """uint8 (B,48,48,3) -> codes (B,12,12) uint16 and their rows (B,12,12,5) float32, row-major."""
        codes = self.nearest(self.encoder(to_tensor(check_batch(images))))
        rows = nn.functional.embedding(codes, self.codebook)
        return codes.numpy().astype(np.uint16), rows.numpy()

    @torch.no_grad()
    def decode(self, codes: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """codes (B,12,12) -> uint8 images (B,48,48,3); DataError for a code outside the book."""
        if codes.shape[1:] != GRID or (codes.size and int(codes.max()) >= self.config.codes):
            raise DataError(f"codes must be (batch, 12, 12) below {self.config.codes}, not {codes.shape}")
        return to_images(self.decoder(self.lookup(torch.from_numpy(codes.astype(np.int64)))))

    def hash(self) -> str:
        """Twelve hex digits over all weights (``encoder_hash`` of Codes.msg)."""
        return module_hash(self)

    def save(self, path: str | Path) -> None:
        """One safetensors file with the configuration in its header."""
        header = {"schema": SCHEMA, "kind": "vqvae", "config": json.dumps(dataclasses.asdict(self.config))}
        tensors = {k: v.contiguous() for k, v in self.state_dict().items()}
        safetensors.torch.save_file(tensors, str(path), metadata=header)

    @classmethod
    def load(cls, path: str | Path) -> VQVAE:
        """From ``save``; DataError if the file is missing, truncated, or of another architecture."""
        try:
            with safetensors.safe_open(str(path), "pt") as file:  # type: ignore[no-untyped-call]
                header = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except FileNotFoundError as error:
            raise DataError(f"there is no VQ-VAE '{path}'; train one with 'priorrl train'") from error
        except (safetensors.SafetensorError, OSError) as error:
            raise DataError(f"'{path}' is truncated or not a safetensors file; copy it again") from error
        try:
            if header["kind"] != "vqvae" or header["schema"] != SCHEMA:
                raise KeyError("kind")
            model = cls(build(VQVAEConfig, json.loads(header["config"]), str(path)))
            model.load_state_dict(tensors)
        except (KeyError, ValueError, RuntimeError, ConfigError) as error:
            raise DataError(f"'{path}' holds another architecture; train the VQ-VAE anew") from error
        return model.eval().requires_grad_(False)


def vq_loss(x: torch.Tensor, out: torch.Tensor, q: Quantised, commitment: float) -> torch.Tensor:
    """L_VQ: mean squared reconstruction error + codebook term + ``commitment`` * commitment term."""
    return nn.functional.mse_loss(out, x) + q.codebook_loss + commitment * q.commitment_loss


def perplexity(codes: torch.Tensor, n_codes: int) -> float:
    """exp of the entropy of how often codes are used: from 1 (one code) to ``n_codes`` (all alike)."""
    share = torch.bincount(codes.reshape(-1), minlength=n_codes).double() / codes.numel()
    return float(torch.exp(-(share * torch.log(share.clamp(min=1e-12))).sum()))
