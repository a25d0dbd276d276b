"""Adam with less Python between two updates: the kernels and numbers of ``torch.optim.Adam(fused=True)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Step = tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor], list[Tensor]]
"""Parameters, gradients, first and second moments, step counts."""


class LeanAdam(torch.optim.Adam):
    """Fused Adam on a CPU without the checks that torch makes at every step; its state is torch's own.

    For small networks these checks cost more than the arithmetic. A parameter whose gradient is None is left alone.
    """

    def __init__(self, params: Any, lr: float = 1e-3, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, fused=True)

    def zero_grad(self, set_to_none: bool = True) -> None:
        if not set_to_none:
            return super().zero_grad(set_to_none=False)
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the first one of a parameter, and those on a GPU, are torch's own."""
        steps = [(group, self._gathered(group["params"])) for group in self.param_groups]
        if closure is not None or any(gathered is None for _, gathered in steps):
            return super().step(closure)
        with torch.no_grad():
            for group, gathered in steps:
                if gathered is not None and gathered[0]:
                    _fused_step(group, gathered)
        return None

    step.hooked = True  # type: ignore[attr-defined]  # else torch wraps it in its profiler's record at every call

    def _gathered(self, params: list[Tensor]) -> Step | None:
        """What the kernel takes; None if a parameter has no state yet or is not on a CPU."""
        learning = [p for p in params if p.grad is not None]
        states = [self.state.get(p) for p in learning]
        if not all(states) or any(p.device.type != "cpu" for p in learning[:1]):
            return None
        grads, known = [p.grad for p in learning if p.grad is not None], [s for s in states if s]
        return (learning, grads, [s["exp_avg"] for s in known], [s["exp_avg_sq"] for s in known],
                [s["step"] for s in known])


def _fused_step(group: dict[str, Any], gathered: Step) -> None:
    learning, grads, exp_avg, exp_avg_sq, steps = gathered
    beta1, beta2 = group["betas"]
    torch._foreach_add_(steps, 1)
    torch._fused_adam_(learning, grads, exp_avg, exp_avg_sq, [], steps, lr=group["lr"], beta1=beta1, beta2=beta2,
                       weight_decay=group["weight_decay"], eps=group["eps"], maximize=group["maximize"],
                       amsgrad=group["amsgrad"])
