"""Reconstructions by a checkpoint's VQ-VAE, for reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def reconstruct(checkpoint: Path, images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, 48, 48, 3) through the codes and back, same shape."""
    from priorrl_core.perception.vqvae import VQVAE

    model = VQVAE.load(checkpoint / "vqvae.safetensors").eval().requires_grad_(False)
    codes, _ = model.encode(images)
    return model.decode(codes)
