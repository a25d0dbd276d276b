"""The policy in NumPy: its arithmetic, its file, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import save

from priorrl_core.config import ROOT
from priorrl_core.control.policy_head import PolicyHead
from priorrl_core.errors import DataError

META = {"architecture": "iql-abc", "encoder_hash": "e0", "config_hash": "c0", "version": "7"}
FEATURES = 10


def tensors(hidden: int = 16, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = (FEATURES + 6, hidden, hidden, 3)
    out = {"log_std": np.full(3, -0.7, np.float32),
           "proprio_scale": np.array([50, 50, 50, 0.1, 0.1, 0.1], np.float32)}
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        out[f"w{i}"] = rng.normal(size=(a, b)).astype(np.float32) * a**-0.5
        out[f"b{i}"] = rng.normal(size=b).astype(np.float32) * 0.1
    return out


def blob(changes: dict | None = None, drop: str = "", meta: dict[str, str] | None = None) -> bytes:
    data = {**tensors(), **(changes or {})}
    data.pop(drop, None)
    return save(data, META if meta is None else meta)


def sight(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=FEATURES).astype(np.float32), 0.01 * rng.normal(size=6).astype(np.float32)


def test_mean_is_tanh_of_the_mlp_on_features_and_scaled_proprio():
    t, (features, proprio) = tensors(), sight()
    x = np.concatenate([features, proprio * t["proprio_scale"]]).astype(np.float64)
    x = np.maximum(x @ t["w0"] + t["b0"], 0.0)
    x = np.maximum(x @ t["w1"] + t["b1"], 0.0)
    head = PolicyHead.from_bytes(blob())
    assert head.act(features, proprio, None, 0.3) == pytest.approx(np.tanh(x @ t["w2"] + t["b2"]), abs=1e-6)
    assert head.version == 7 and head.encoder_hash == "e0" and head.config_hash == "c0"


def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    t, (features, proprio) = tensors(), sight()
    x = torch.cat([torch.tensor(features), torch.tensor(proprio * t["proprio_scale"])])
    for i in range(3):
        x = torch.tensor(t[f"b{i}"]) + x @ torch.tensor(t[f"w{i}"])
        x = torch.relu(x) if i < 2 else torch.tanh(x)
    assert PolicyHead.from_bytes(blob()).mean(features, proprio) == pytest.approx(x.numpy(), abs=1e-5)


def test_10_22_exploration_noise_has_the_std_asked_for():
    head = PolicyHead.from_bytes(blob({"w2": np.zeros((16, 3), np.float32), "b2": np.zeros(3, np.float32)}))
    features, proprio = sight()
    rng = np.random.default_rng(0)
    noisy = np.array([head.act(features, proprio, rng, 0.1) for _ in range(4000)])
    assert noisy.std(0) == pytest.approx([0.1] * 3, rel=0.06)
    assert noisy.mean(0) == pytest.approx([0] * 3, abs=0.006)
    own = np.array([head.act(features, proprio, rng) for _ in range(4000)])
    assert own.std() < np.exp(-0.7) and own.std() > 0.35
    assert np.abs(own).max() <= 1.0


def test_10_22_same_seed_same_action_and_no_rng_no_noise():
    head, (features, proprio) = PolicyHead.from_bytes(blob()), sight()
    first, second = (head.act(features, proprio, np.random.default_rng(3), 0.2) for _ in range(2))
    assert first.tobytes() == second.tobytes() and first.dtype == np.float32
    assert head.act(features, proprio).tobytes() == head.act(features, proprio, None, 0.5).tobytes()


def test_round_trip_is_bit_exact():
    head, (features, proprio) = PolicyHead.from_bytes(blob()), sight()
    again = PolicyHead.from_bytes(head.to_bytes(), architecture="iql-abc")
    assert again.mean(features, proprio).tobytes() == head.mean(features, proprio).tobytes()
    assert again.metadata == META


@pytest.mark.parametrize("keep", [0, 4, 8, 60, 400, -1])
def test_truncated_bytes_are_refused(keep):
    with pytest.raises(DataError, match="not a whole safetensors file"):
        PolicyHead.from_bytes(blob()[:keep])


@pytest.mark.parametrize(("data", "message"), [
    (b"\x80\x04" + b"pickle" * 40, "not a whole safetensors"),
    (blob(drop="b1"), "tensor 'b1' of the policy is missing"),
    (blob({"extra": np.zeros(2)}), "tensor 'extra'"),
    (blob({"b1": np.zeros(5, np.float32)}), "another architecture"),
    (blob({"w0": np.zeros((FEATURES + 6, 99), np.float32)}), "'w0'.*another architecture"),
    (blob({"proprio_scale": np.zeros(4, np.float32)}), "'proprio_scale'.*another architecture"),
    (blob({"b2": np.full(3, np.nan, np.float32)}), "'b2'.*NaN"),
    (blob(meta={**META, "version": "new"}), "version is 'new'"),
    (blob(meta={"architecture": "x"}), "no 'encoder_hash'")])
def test_foreign_or_damaged_policies_are_refused_in_one_sentence(data, message):
    with pytest.raises(DataError, match=message) as caught:
        PolicyHead.from_bytes(data)
    assert "\n" not in str(caught.value)


def test_another_architecture_than_asked_for_is_refused():
    with pytest.raises(DataError, match="architecture 'iql-abc', this process runs 'iql-xyz'"):
        PolicyHead.from_bytes(blob(), architecture="iql-xyz")


def test_wrong_feature_size_is_refused():
    with pytest.raises(DataError, match="wants features"):
        PolicyHead.from_bytes(blob()).mean(np.zeros(FEATURES + 1), np.zeros(6))


def test_acting_costs_microseconds():
    head, (features, proprio) = PolicyHead.from_bytes(blob()), sight()
    best = np.inf
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(100):
            head.act(features, proprio)
        best = min(best, (time.perf_counter() - begin) / 100)
    assert best < 500e-6


def test_control_needs_neither_torch_nor_ros():
    modules = ["p_controller", "residual", "impedance", "safety", "policy_head", "search", "velocity"]
    code = "; ".join(f"import priorrl_core.control.{m}" for m in modules)
    code += "; import sys; assert not {'torch', 'rclpy', 'pybullet'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
