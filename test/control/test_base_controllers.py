"""Base controllers: ours, a frozen policy, a user's own class by name, and the kit that judges them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from priorrl_core.control.base_controllers import (
    BaseController,
    FrozenPolicyBase,
    ImpedanceBase,
    ObservingBase,
    ProportionalBase,
    RobotState,
    ZeroBase,
)
from priorrl_core.control.base_kit import check_base
from priorrl_core.control.base_loader import BaseSpec, load_base
from priorrl_core.control.frozen_mlp import FrozenMLP
from priorrl_core.errors import ConfigError, DataError

GOAL = np.array([0.55, 0.16, 0.02])
IMPEDANCE = {"stiffness_n_m": [400.0, 400.0, 200.0], "damping_ns_m": [10.0, 10.0, 10.0],
             "force_limit_n": [8.0, 8.0, 6.0], "arm_stiffness_n_m": [4000.0, 4000.0, 4000.0]}


def robot(offset_m, velocity=(0.0, 0.0, 0.0)) -> RobotState:
    return RobotState(GOAL + np.array(offset_m), np.array(velocity), np.zeros(3))


def mlp(seed: int = 0) -> FrozenMLP:
    rng = np.random.default_rng(seed)
    return FrozenMLP([(rng.normal(size=(4, 8)), rng.normal(size=8)), (rng.normal(size=(8, 3)), rng.normal(size=3))])


@pytest.mark.parametrize("base", [ZeroBase(), ProportionalBase(), ImpedanceBase(**IMPEDANCE)])
def test_ours_pass_the_kit_that_a_users_must_pass(base):
    assert isinstance(base, BaseController) and not isinstance(base, ObservingBase)
    check_base(base)


def test_9_01_proportional_base_is_equation_50():
    increment = ProportionalBase()(robot([0.004, -0.002, 0.010]), GOAL)
    assert increment == pytest.approx([-0.004, 0.002, -0.003])


def test_impedance_base_pulls_with_stiffness_times_error_minus_damping_up_to_its_force_limit():
    base = ImpedanceBase(**IMPEDANCE)
    # z: 200 N/m * -0.01 m - 10 Ns/m * 0.05 m/s = -2.5 N; on a 4000 N/m arm -0.625 mm
    assert base(robot([0.0, 0.0, 0.01], (0.0, 0.0, 0.05)), GOAL) == pytest.approx([0.0, 0.0, -0.000625])
    # 400 * 0.05 = 20 N and 200 * 0.05 = 10 N meet their limits of 8 and 6 N: 2 mm and 1.5 mm
    assert base(robot([-0.05, 0.0, 0.05]), GOAL) == pytest.approx([0.002, 0.0, -0.0015])


def test_8_08_only_rl_is_one_flag_away_from_residual_rl():
    assert load_base(BaseSpec("zero"))(robot([0.03, 0.02, 0.01]), GOAL).tolist() == [0.0, 0.0, 0.0]
    assert load_base(BaseSpec("p"))(robot([0.001, 0.0, 0.0]), GOAL).tolist() != [0.0, 0.0, 0.0]


def test_8_05_frozen_policy_cannot_be_changed_and_is_asked_for_what_it_saw():
    policy = mlp()
    before = policy.to_bytes()
    base = FrozenPolicyBase(policy, (0.002, 0.002, 0.003))
    assert isinstance(base, ObservingBase)
    with pytest.raises(DataError, match="before it saw an observation"):
        base(robot([0.0, 0.0, 0.0]), GOAL)
    seen = np.array([0.1, -0.2, 0.3, 0.4], np.float32)
    check_base(base, observation=seen)
    base.observe(seen)
    assert base(robot([0.0, 0.0, 0.0]), GOAL) == pytest.approx(policy(seen) * [0.002, 0.002, 0.003])
    with pytest.raises(ValueError, match="read-only"):
        policy.layers[0][0][0, 0] = 1.0
    for _ in range(1000):
        base(robot([0.01, 0.0, 0.0]), GOAL)
    assert policy.to_bytes() == before


def test_frozen_mlp_is_the_network_by_hand_and_survives_the_disk(tmp_path: Path):
    net = FrozenMLP([(np.array([[1.0, -1.0], [0.0, 2.0]]), np.array([0.5, 0.0])),
                     (np.array([[1.0], [1.0]]), np.array([-1.0]))])
    # hidden: relu(1*2 + 0*1 + .5, -1*2 + 2*1) = (2.5, 0); out: tanh(2.5 - 1)
    assert net(np.array([2.0, 1.0])) == pytest.approx([np.tanh(1.5)])
    file = tmp_path / "actor.safetensors"
    file.write_bytes(mlp(3).to_bytes())
    base = load_base(BaseSpec("frozen", {"file": str(file), "limit_m": [0.002, 0.002, 0.003]}))
    assert isinstance(base, FrozenPolicyBase)
    base.observe(np.ones(4))
    assert base(robot([0.0] * 3), GOAL) == pytest.approx(mlp(3)(np.ones(4)) * [0.002, 0.002, 0.003])
    with pytest.raises(DataError, match="wants an observation of 4 numbers, not 5"):
        mlp()(np.ones(5))
    file.write_bytes(b"12345")
    with pytest.raises(DataError, match="not a whole safetensors file"):
        FrozenMLP.from_file(file)


def test_a_users_own_class_is_named_in_yaml_and_gets_its_params():
    base = load_base(BaseSpec("own_bases:Good", {"share": 0.25}))
    assert base(robot([0.004, 0.0, 0.0]), GOAL) == pytest.approx([-0.001, 0.0, 0.0])


@pytest.mark.parametrize(("kind", "params", "message"), [
    ("pp", {}, "unknown base controller 'pp'; did you mean 'p'"),
    ("p", {"gian": [1, 1, 1]}, "unknown key 'gian'; did you mean 'gain'"),
    ("p", {"gain": [1, 1, -1]}, "three numbers >= 0"),
    ("impedance", {**IMPEDANCE, "force_limit_n": [0, 1, 1]}, "must be positive"),
    ("frozen", {"limit_m": [1, 1, 1]}, "key 'file' is missing"),
    ("no_such_module:Mine", {}, "no module 'no_such_module'"),
    ("own_bases:Goood", {}, "no class 'Goood'; did you mean 'Good'"),
    ("own_bases:NUMBER", {}, "is a int, not a class"),
    ("own_bases:", {}, "not of the form 'module:Class'"),
    ("own_bases:Good", {"shore": 1.0}, "keyword arguments"),
    ("own_bases:NoReset", {}, r"has no method reset\(\)"),
    ("own_bases:Flat", {}, r"shape \(2,\)"),
    ("own_bases:Lists", {}, "returned list"),
    ("own_bases:NotFinite", {}, "finite numbers"),
    ("own_bases:Writes", {}, "read-only"),
    ("own_bases:Reuses", {}, "same array"),
    ("own_bases:Remembers", {}, "reset"),
    ("own_bases:Random", {}, "no random numbers"),
])
def test_what_is_wrong_with_a_base_is_said_with_the_fix(kind, params, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_base(BaseSpec(kind, params), "my.yaml: base")
    assert "my.yaml: base" in str(caught.value) or "P-controller" in str(caught.value)
