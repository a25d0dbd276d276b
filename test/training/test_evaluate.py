"""Evaluation and the Localize regressor (rows 10.26, 10.33)."""

import numpy as np
import pytest
from point_env import PointEnv, SquareReward, collect

from priorrl_core.errors import DataError
from priorrl_core.perception.augment import AugmentConfig
from priorrl_core.perception.encoder import EncoderConfig
from priorrl_core.training.evaluate import evaluate, wilson
from priorrl_core.training.localize import LocalizeConfig, Localizer, rmse_mm, train_localizer
from priorrl_core.training.rollout import BasePolicy, rollout


class Script:
    """Knows the way from the proprioception of a fixed start; stands for a good policy."""

    def __init__(self, env: PointEnv) -> None:
        self.env = env

    def reset(self, seed: int) -> None:
        del seed

    def act(self, image, proprio):
        return np.clip(-self.env._offset / 0.004, -1, 1).astype(np.float32)


def test_wilson_closed_form():
    assert wilson(16, 20) == pytest.approx((0.584, 0.919), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(20, 20)
    assert low == pytest.approx(0.839, abs=1e-3) and high == 1.0


def test_10_33_truth_judges_and_the_claim_is_kept_apart():
    env = PointEnv()
    good = evaluate(env, Script(env), 20, seed=0, reward_model=SquareReward())
    base = evaluate(env, BasePolicy(), 20, seed=0, reward_model=SquareReward())
    assert good.rate == 1.0 and base.rate < 0.4
    table = good.confusion()
    assert sum(table.values()) == 20 and table["false_positive"] == table["true_negative"] == 0
    assert len(good.steps_to_insert) == 20 and good.interval[0] > 0.8


def test_every_policy_is_evaluated_from_the_same_starts():
    a = rollout(PointEnv(), BasePolicy(), 5, "I")
    b = rollout(PointEnv(), BasePolicy(), 5, "I")
    assert np.array_equal(a.images, b.images) and np.array_equal(a.proprio, b.proprio)


def test_success_cannot_be_judged_without_ground_truth():
    with pytest.raises(ValueError, match="withheld"):
        _ = rollout(PointEnv(ground_truth=False), BasePolicy(), 0, "I").success


def test_10_26_localizer_learns_the_offset_and_survives_its_file(tmp_path):
    config = LocalizeConfig(encoder=EncoderConfig(mode="erm", channels=(8, 8, 16), width=32), updates=150,
                            batch_size=64, learning_rate=3e-3, augment=AugmentConfig(scale=(1.0, 1.0)))
    prior = collect(3, 12)
    untrained = rmse_mm(Localizer(config), prior)
    model = train_localizer(prior, config, seed=0)
    assert rmse_mm(model, prior) < 0.4 * untrained
    model.save(tmp_path / "localize.safetensors")
    again = Localizer.load(tmp_path / "localize.safetensors")
    assert np.array_equal(again.offset_m(prior.images[0]), model.offset_m(prior.images[0]))
    data = (tmp_path / "localize.safetensors").read_bytes()
    (tmp_path / "localize.safetensors").write_bytes(data[:-9])
    with pytest.raises(DataError, match="not a whole"):
        Localizer.load(tmp_path / "localize.safetensors")
