"""How torch runs here: one thread, the same result for the same seed (law 11)."""

from __future__ import annotations

import ctypes

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT_BYTES = 256 * 2**20


def configure_torch(threads: int = 1) -> None:
    """Call once in every process that computes with torch, before the first tensor.

    ``medium`` sends float32 matrix products to oneDNN instead of MKL, which runs at half speed on AMD; on a
    CPU without AMX the products stay float32. One thread makes sums come in one order.
    """
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("medium")
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Freed memory up to 256 MiB stays with the process; False where the C library is not glibc.

    By default glibc may hand tensors of some MB back at once, and the next update pays for the same pages again:
    3 % of an update of BEAR as it is now.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))
