"""How torch runs here: one thread, the same result for the same seed (law 11)."""

from __future__ import annotations

import torch


def configure_torch(threads: int = 1) -> None:
    """Call once in every process that computes with torch, before the first tensor.

    ``medium`` sends float32 matrix products to oneDNN instead of MKL, which runs at half speed on AMD; on a
    CPU without AMX the products stay float32. One thread makes sums come in one order.
    """
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("medium")
