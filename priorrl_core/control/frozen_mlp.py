"""A trained actor as plain NumPy arrays that nothing can change: what ``FrozenPolicyBase`` runs, without torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from priorrl_core.errors import DataError


class FrozenMLP:
    """action = tanh(MLP(observation)), ReLU between layers. Tensors ``w0`` (in, out), ``b0`` (out,), ``w1`` ..."""

    def __init__(self, layers: list[tuple[np.ndarray, np.ndarray]], metadata: dict[str, str] | None = None) -> None:
        self.metadata = metadata or {}
        self.layers = [(_fixed(w, 2), _fixed(b, 1)) for w, b in layers]
        if not self.layers:
            raise DataError("the policy has no layer 'w0'; export the actor again")
        width = self.layers[0][0].shape[0]
        for i, (w, b) in enumerate(self.layers):
            if w.shape[0] != width or b.shape != (w.shape[1],):
                raise DataError(f"layer {i} of the policy has weights {w.shape} and bias {b.shape}, "
                                f"expected ({width}, n) and (n,); export the actor again")
            width = w.shape[1]
        self.observation_size, self.action_size = self.layers[0][0].shape[0], width

    @classmethod
    def from_file(cls, path: str | Path) -> FrozenMLP:
        """DataError where the file is missing, not whole or incomplete."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise DataError(f"'{path}' is missing or not a whole safetensors file ({error}); "
                            "export the actor again") from error
        return cls.from_bytes(data, f"'{path}'")

    @classmethod
    def from_bytes(cls, data: bytes, path: str = "the policy") -> FrozenMLP:
        """DataError where ``data`` is not whole or incomplete."""
        try:
            tensors = load(data)
            metadata = json.loads(data[8:8 + int.from_bytes(data[:8], "little")]).get("__metadata__")
        except (SafetensorError, ValueError, KeyError) as error:
            raise DataError(f"{path} is missing or not a whole safetensors file ({error}); "
                            "export the actor again") from error
        count = sum(name.startswith("w") for name in tensors)
        missing = [n for i in range(count) for n in (f"w{i}", f"b{i}") if n not in tensors]
        if missing:
            raise DataError(f"{path} has no tensor '{missing[0]}'; export the actor again")
        return cls([(tensors[f"w{i}"], tensors[f"b{i}"]) for i in range(count)], metadata)

    def to_bytes(self) -> bytes:
        """The safetensors file that ``from_file`` reads."""
        return save({f"{kind}{i}": array for i, pair in enumerate(self.layers)
                     for kind, array in zip("wb", pair, strict=True)}, self.metadata or None)

    def mean(self, features: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        """As ``PolicyHead.mean``: the proprioception of a residual task is part of its observation."""
        del proprio
        return self(features)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Action (A,) in (-1, 1) of an observation (O,); DataError on another size."""
        x = np.asarray(observation, np.float32).reshape(-1)
        if x.shape != (self.observation_size,):
            raise DataError(f"the frozen policy wants an observation of {self.observation_size} numbers, "
                            f"not {x.size}; run it in the task that it was trained in")
        for i, (w, b) in enumerate(self.layers):
            x = x @ w + b
            if i < len(self.layers) - 1:
                x = np.maximum(x, 0.0)
        return np.tanh(x)


def _fixed(array: np.ndarray, dimensions: int) -> np.ndarray:
    """A read-only float32 copy."""
    copy = np.array(array, np.float32, order="C")
    if copy.ndim != dimensions or not np.isfinite(copy).all():
        raise DataError(f"a policy tensor of shape {copy.shape} is misshapen or not finite; export the actor again")
    copy.setflags(write=False)
    return copy
