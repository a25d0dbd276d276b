"""The policy's last layers in NumPy: what the controller runs, so that its process needs no torch."""

from __future__ import annotations

import json
import re

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from priorrl_core.errors import DataError

PROPRIO_SIZE, ACTION_SIZE = 6, 3
METADATA = ("architecture", "encoder_hash", "config_hash", "version")


class PolicyHead:
    """mean = tanh(MLP([features, proprio * proprio_scale])), ReLU between layers; action = mean + noise.

    Tensors: ``w0`` (in, out), ``b0`` (out,), ``w1`` ..., ``log_std`` (3,), ``proprio_scale`` (6,).
    """

    def __init__(self, layers: list[tuple[np.ndarray, np.ndarray]], log_std: np.ndarray,
                 proprio_scale: np.ndarray, metadata: dict[str, str]) -> None:
        self.layers = [(np.ascontiguousarray(w, np.float32), np.ascontiguousarray(b, np.float32))
                       for w, b in layers]
        self.log_std, self.proprio_scale = np.asarray(log_std), np.asarray(proprio_scale, np.float32)
        self.metadata = metadata
        self.architecture, self.version = metadata["architecture"], int(metadata["version"])
        self.encoder_hash, self.config_hash = metadata["encoder_hash"], metadata["config_hash"]
        self.feature_size = self.layers[0][0].shape[0] - PROPRIO_SIZE

    @classmethod
    def from_bytes(cls, data: bytes, architecture: str | None = None) -> PolicyHead:
        """DataError if ``data`` is truncated, incomplete, or of another architecture than asked for."""
        metadata = _metadata(data)
        try:
            tensors = load(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise DataError(f"the policy is not a whole safetensors file ({error}); send it again") from error
        if architecture is not None and metadata["architecture"] != architecture:
            raise DataError(f"the policy is of architecture '{metadata['architecture']}', this process runs "
                            f"'{architecture}'; give both the same checkpoint")
        return cls(_layers(tensors), tensors["log_std"], tensors["proprio_scale"], metadata)

    def to_bytes(self) -> bytes:
        """The safetensors file that ``from_bytes`` reads."""
        tensors = {"log_std": np.ascontiguousarray(self.log_std), "proprio_scale": self.proprio_scale}
        for i, (weight, bias) in enumerate(self.layers):
            tensors[f"w{i}"], tensors[f"b{i}"] = weight, bias
        return save(tensors, self.metadata)

    def mean(self, features: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        """Mean action (3,) float32 in (-1, 1) of features (F,) and proprio (6,); DataError on other sizes."""
        if np.shape(features) != (self.feature_size,) or np.shape(proprio) != (PROPRIO_SIZE,):
            raise DataError(f"policy '{self.architecture}' wants features ({self.feature_size},) and proprio "
                            f"({PROPRIO_SIZE},), not {np.shape(features)} and {np.shape(proprio)}; "
                            "give perception and policy the same checkpoint")
        x = np.concatenate([features, proprio * self.proprio_scale]).astype(np.float32, copy=False)
        last = len(self.layers) - 1
        for i, (weight, bias) in enumerate(self.layers):
            x = x @ weight
            x += bias
            if i < last:
                np.maximum(x, 0.0, out=x)
        return np.tanh(x)

    def act(self, features: np.ndarray, proprio: np.ndarray, rng: np.random.Generator | None = None,
            noise_std: float | None = None) -> np.ndarray:
        """Action (3,) float32 in [-1, 1]. Without ``rng`` the mean; with it, Gaussian noise of ``noise_std``
        is added, or where that is None of the policy's own standard deviation."""
        mean = self.mean(features, proprio)
        if rng is None:
            return mean
        std = np.exp(self.log_std) if noise_std is None else noise_std
        return np.clip(mean + std * rng.standard_normal(ACTION_SIZE), -1.0, 1.0).astype(np.float32)


def _metadata(data: bytes) -> dict[str, str]:
    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or size > len(data) - 8:
            raise ValueError("it ends inside its header")
        metadata = json.loads(data[8:8 + size]).get("__metadata__") or {}
    except (ValueError, AttributeError) as error:
        raise DataError(f"the policy is not a whole safetensors file ({error}); send it again") from error
    missing = [key for key in METADATA if key not in metadata]
    if missing:
        raise DataError(f"the policy's header has no '{missing[0]}'; make it with this version of priorrl")
    if not re.fullmatch(r"\d+", metadata["version"]):
        raise DataError(f"the policy's version is '{metadata['version']}', not a whole number; make it again")
    return {key: str(value) for key, value in metadata.items()}


def _layers(tensors: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases in order; DataError where a tensor is missing, unknown, misshapen or not finite."""
    count = sum(bool(re.fullmatch(r"w\d+", name)) for name in tensors)
    names = [n for i in range(count) for n in (f"w{i}", f"b{i}")] + ["log_std", "proprio_scale"]
    wrong = sorted(set(names) ^ set(tensors))
    if wrong or not count:
        raise DataError(f"tensor '{(wrong or ['w0'])[0]}' of the policy is missing or unknown: another shape")
    for name in names:
        if not np.isfinite(tensors[name]).all():
            raise DataError(f"tensor '{name}' of the policy holds a NaN or an infinity; refuse that version")
    width = tensors["w0"].shape[0]
    if width <= PROPRIO_SIZE:
        raise DataError(f"tensor 'w0' of the policy has {width} inputs; another architecture")
    shapes: dict[str, tuple[int, ...]] = {"log_std": (ACTION_SIZE,), "proprio_scale": (PROPRIO_SIZE,)}
    for i in range(count):
        out = tensors[f"b{i}"].size if i < count - 1 else ACTION_SIZE
        shapes[f"w{i}"], shapes[f"b{i}"] = (width, out), (out,)
        width = out
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise DataError(f"tensor '{name}' of the policy has shape {tensors[name].shape}, not {shape}; "
                            "another architecture")
    return [(tensors[f"w{i}"], tensors[f"b{i}"]) for i in range(count)]
