"""Golden curves are of one thread and of the product path that the package itself uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from priorrl_core.training.runtime import configure_torch


@pytest.fixture
def steady_torch() -> Iterator[None]:
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    configure_torch()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
