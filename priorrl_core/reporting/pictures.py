"""Camera images as PNG: strips of a trial, contact sheets, inline data URLs."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import numpy as np


def contact_sheet(images: np.ndarray, columns: int, scale: int = 1, gap: int = 2) -> np.ndarray:
    """Images uint8 (N, H, W, 3) row by row on white, each pixel ``scale`` wide; uint8 (H', W', 3)."""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    sheet = np.full((rows * (height * scale + gap), columns * (width * scale + gap), 3), 255, np.uint8)
    for index in range(count):
        y = index // columns * (height * scale + gap)
        x = index % columns * (width * scale + gap)
        big = images[index].repeat(scale, 0).repeat(scale, 1)
        sheet[y : y + height * scale, x : x + width * scale] = big
    return sheet


def png_bytes(image: np.ndarray) -> bytes:
    """PNG of an uint8 (H, W, 3) image."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def save_png(image: np.ndarray, path: Path) -> None:
    """Writes the PNG of an uint8 (H, W, 3) image; never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(png_bytes(image))
    os.replace(part, path)


def data_url(image: np.ndarray) -> str:
    """The image as a ``data:`` URL, so that a page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode()
