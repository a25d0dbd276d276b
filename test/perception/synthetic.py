"""Drawn stand-ins for wrist images: a plug over a socket, with looks that differ from domain to domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE = 48


@dataclass
class Drawn:
    """images (M,48,48,3) uint8, labels (M,) uint8, domains (M,) int64, offset_px (M,2) float32."""

    images: np.ndarray
    labels: np.ndarray
    domains: np.ndarray
    offset_px: np.ndarray


def _soft_box(centre: np.ndarray, half: np.ndarray, round_: np.ndarray) -> np.ndarray:
    """Anti-aliased masks (M,48,48) of boxes or discs with centres (M,2) and half sizes (M,2) in pixels."""
    grid = np.arange(SIZE, dtype=np.float32) + 0.5
    dx = np.abs(grid[None, None, :] - centre[:, 0, None, None])
    dy = np.abs(grid[None, :, None] - centre[:, 1, None, None])
    box = np.maximum(dx - half[:, 0, None, None], dy - half[:, 1, None, None])
    disc = np.hypot(dx, dy) - half.mean(1)[:, None, None]
    distance = np.where(round_[:, None, None], disc, box)
    return np.clip(0.5 - distance, 0.0, 1.0)


def draw(n_domains: int, per_domain: int, seed: int = 0) -> Drawn:
    """Balanced labels; success = the plug sits in the socket: centred within a pixel and sunk in."""
    rng = np.random.default_rng(seed)
    d = np.repeat(np.arange(n_domains), per_domain)
    m = d.size
    labels = np.tile(np.arange(per_domain) % 2, n_domains).astype(np.uint8)
    colour = rng.uniform(0.05, 0.95, (n_domains, 3, 3)).astype(np.float32)
    half = rng.uniform(3.0, 7.0, (n_domains, 2)).astype(np.float32)
    round_ = rng.random(n_domains) < 0.4
    offset = np.where(labels[:, None] > 0, rng.uniform(-0.8, 0.8, (m, 2)), rng.uniform(-12, 12, (m, 2)))
    height = np.where(labels > 0, rng.uniform(0, 1, m), rng.uniform(0, 10, m))
    off_and_low = (labels == 0) & (np.hypot(*offset.T) < 2.5)
    height = np.where(off_and_low, np.maximum(height, 4.0), height)
    plug = np.full((m, 2), SIZE / 2, np.float32)
    plug[:, 1] -= 5
    socket = plug + offset
    socket[:, 1] += height
    image = np.broadcast_to(colour[d, 0][:, None, None, :], (m, SIZE, SIZE, 3)).copy()
    for centre, size, index in ((socket, half[d] + 3.5, 1), (socket, half[d] + 0.8, -1), (plug, half[d], 2)):
        mask = _soft_box(centre, size, round_[d])[..., None]
        paint = np.full((m, 1, 1, 3), 0.03, np.float32) if index < 0 else colour[d, index][:, None, None, :]
        image = image * (1 - mask) + paint * mask
    light = rng.uniform(0.75, 1.25, (m, 1, 1, 1)) * rng.uniform(0.9, 1.1, (n_domains, 1, 1, 3))[d]
    image = image * light + rng.normal(0, 0.02, image.shape)
    return Drawn(
        images=(np.clip(image, 0, 1) * 255).astype(np.uint8),
        labels=labels,
        domains=d,
        offset_px=offset.astype(np.float32),
    )
