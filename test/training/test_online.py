"""Practice on the job (rows 10.19 to 10.23, 10.34, S.08, S.11)."""

import dataclasses

import numpy as np
import pytest
import torch
from point_env import PointEnv, SquareReward
from small import small_learner

from priorrl_core.control.exploration import Exploration
from priorrl_core.control.policy_head import PolicyHead
from priorrl_core.data.replay import FeatureCache
from priorrl_core.errors import DataError
from priorrl_core.perception.preprocess import to_tensor
from priorrl_core.training.method import OnlineConfig
from priorrl_core.training.online import Episode
from priorrl_core.training.practice import practice, to_learner
from priorrl_core.training.rollout import BasePolicy, HeadPolicy, episode_seed, rollout


def one_episode(seed: int = 0) -> Episode:
    episode = rollout(PointEnv(), BasePolicy(), seed, "I")
    return to_learner(episode, SquareReward().reward(episode.images[1:])[0], 0)


def heads_of(learner) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in learner.agent.heads.parameters()])


def run(trials: int = 4, truth: bool = True, state=None, learner=None):
    learner = learner or small_learner()
    log = practice(PointEnv(ground_truth=truth), learner, SquareReward(), trials, seed=3, state_path=state)
    return learner, log


def test_10_19_encoders_do_not_change_and_heads_do():
    learner = small_learner()
    learner.add_episode(one_episode())
    before, heads = learner.agent.encoder_hash(), heads_of(learner)
    learner.update(1000)
    assert learner.agent.encoder_hash() == before == learner.encoder_hash
    assert not torch.equal(heads_of(learner), heads)


def test_10_19_the_policy_is_deterministic_apart_from_exploration():
    learner = small_learner()
    image, proprio = PointEnv().reset(seed=0)[0].values()
    policy = HeadPolicy(learner.agent, learner.policy_head())
    policy.reset(0)
    first = policy.act(image, proprio)
    policy.reset(1)
    assert np.array_equal(first, policy.act(image, proprio))


def test_the_numpy_head_computes_what_the_torch_heads_compute():
    learner = small_learner()
    features, proprio = torch.randn(16), torch.randn(6) * 0.01
    head = PolicyHead.from_bytes(learner.policy_head())
    wanted = learner.agent.heads.mean_action(features[None], proprio[None])[0].detach().numpy()
    assert np.allclose(head.act(features.numpy(), proprio.numpy()), wanted, atol=1e-5)
    assert head.metadata["encoder_hash"] == learner.encoder_hash
    assert float(head.metadata["exploration_std"]) == pytest.approx(learner.config.exploration_std)


def test_10_20_withheld_ground_truth_changes_nothing_and_rewards_are_the_classifiers():
    seen, blind = run(truth=True)[0], run(truth=False)[0]
    assert torch.equal(heads_of(seen), heads_of(blind))
    for episode in seen.replay.episodes:
        assert set(np.unique(episode.rewards)) <= {0.0, 1.0}


def test_10_22_exploration_has_the_configured_spread_and_correlation_and_decays():
    rng = np.random.default_rng(0)
    noise = np.stack([[e() for _ in range(20)] for e in (Exploration(0.3, 0.8, rng) for _ in range(3000))])
    assert np.abs(noise.std((0,)) - 0.3).max() < 0.02
    assert np.mean(noise[:, 1:] * noise[:, :-1]) / 0.09 == pytest.approx(0.8, abs=0.02)
    config = OnlineConfig(exploration_std=0.4, exploration_std_end=0.1, exploration_trials=100)
    assert [config.noise_std(t) for t in (0, 50, 100, 500)] == pytest.approx([0.4, 0.2, 0.1, 0.1])


def test_10_22_practice_explores_by_the_noise_that_travels_with_the_policy():
    learner = small_learner()
    still = HeadPolicy(learner.agent, learner.policy_head())
    moved = HeadPolicy(learner.agent, learner.policy_head(), explore=True)
    calm, wild = (rollout(PointEnv(), p, 1, "I") for p in (still, moved))
    assert np.array_equal(calm.images[0], wild.images[0])
    assert 0.05 < np.abs(calm.actions[0] - wild.actions[0]).mean() < 1.0


def test_10_23_the_budget_of_trials_is_kept_and_checkpoints_are_written(tmp_path):
    path = tmp_path / "state.safetensors"
    learner, log = run(trials=6, state=path)
    assert len(log.judged) == learner.version == 6 and path.exists()
    assert learner.replay.online_size == 6 * 8
    with pytest.raises(DataError, match="budget of 6"):
        learner.add_episode(one_episode())


def test_10_23_budget_of_the_packaged_method_is_200_trials_of_20_steps():
    from priorrl_core.tasks.task import load_task
    from priorrl_core.training.method import load_method

    assert load_method("daib_iql").online.trials * load_task().horizon == 4000


def test_s_08_practice_resumed_from_its_checkpoint_equals_uninterrupted(tmp_path):
    path = tmp_path / "state.safetensors"
    whole, log = run(trials=6)
    run(trials=4, state=path)
    resumed = small_learner()
    resumed.restore(path)
    assert resumed.version == 4 and resumed.replay.online_size == 32
    again, rest = run(trials=6, learner=resumed)
    assert torch.equal(heads_of(whole), heads_of(again))
    assert whole.policy_head() == again.policy_head()
    assert log.judged[4:] == rest.judged and whole.updates == again.updates


def test_s_08_state_of_another_seed_is_refused(tmp_path):
    small_learner().save(tmp_path / "s.safetensors")
    with pytest.raises(DataError, match="another checkpoint"):
        small_learner(seed=1).restore(tmp_path / "s.safetensors")


def test_s_11_same_seed_same_numbers():
    a, b = run()[0], run()[0]
    assert torch.equal(heads_of(a), heads_of(b))
    assert episode_seed(0, "eval", 3) != episode_seed(0, "practice", 3)


def test_s_11_trial_n_is_rolled_out_with_the_version_one_behind():
    _, log = run(trials=5)
    assert log.versions == [0, 0, 1, 2, 3]


def test_10_34_cached_features_give_the_same_update_as_images():
    learners = [small_learner(), small_learner()]
    for learner in learners:
        learner.add_episode(one_episode())
    cached, fresh = learners
    images = to_tensor(one_episode().images)
    rows = fresh.replay.online
    rows.features[0, :len(images)] = torch.cat([fresh.agent.all_features(i[None]) for i in images])
    for learner in learners:
        learner.update(1)
    assert (heads_of(cached) - heads_of(fresh)).abs().max() < 1e-5


def test_10_34_half_precision_cache_keeps_features_to_a_thousandth():
    learner = small_learner()
    assert learner.replay.offline is not None
    assert learner.replay.offline.features.dtype == torch.float32


def test_a_faulted_episode_is_terminal_and_shorter():
    learner = small_learner()
    episode = rollout(PointEnv(fault_at=3), BasePolicy(), 0, "I")
    assert episode.terminated and len(episode.actions) == 3 and episode.fault == "force"
    learner.add_episode(to_learner(episode, np.zeros(3), 0))
    assert learner.replay.online.terminated[:3].tolist() == [0, 0, 1]
    assert learner.learn() == 3 and learner.version == 1


def test_episodes_with_nan_or_wrong_images_are_refused():
    learner, good = small_learner(), one_episode()
    with pytest.raises(DataError, match="rewards.*not finite"):
        learner.add_episode(dataclasses.replace(good, rewards=np.full(8, np.nan, np.float32)))
    with pytest.raises(DataError, match="one more image"):
        learner.add_episode(dataclasses.replace(good, images=good.images[:-1]))
    with pytest.raises(DataError, match="images are"):
        learner.add_episode(dataclasses.replace(good, images=good.images.astype(np.float32)))


def test_a_version_that_is_not_kept_is_named():
    learner, _ = run(trials=5)
    assert learner.policy_head(0) and learner.policy_head(4) and learner.policy_head(5)
    with pytest.raises(DataError, match="version 2 is not kept"):
        learner.policy_head(2)


def test_cache_of_wrong_shape_is_refused():
    with pytest.raises(DataError, match="actions"):
        FeatureCache(torch.zeros(1, 2, 9, 48), torch.zeros(2, 9, 6), torch.zeros(2, 9, 3), torch.zeros(2, 8),
                     torch.zeros(2))
