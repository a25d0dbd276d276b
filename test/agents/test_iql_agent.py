"""What travels: the policy head as bytes, the agent as a file (row 10.19)."""

import numpy as np
import torch

from priorrl_core.agents.heads import HeadsConfig
from priorrl_core.agents.iql_agent import AgentConfig, IQLAgent
from priorrl_core.control.policy_head import PolicyHead
from priorrl_core.perception.encoder import EncoderConfig

CONFIG = AgentConfig(heads=HeadsConfig(hidden=(32, 32)), encoder=EncoderConfig(channels=(8, 8, 8), width=16))


def test_policy_head_bytes_carry_version_hashes_and_exploration():
    agent = IQLAgent(CONFIG, 3)
    head = PolicyHead.from_bytes(agent.policy_head_bytes(7, (0.3, 0.8), "settings"))
    assert (head.version, head.config_hash, head.encoder_hash) == (7, "settings", agent.encoder_hash())
    assert head.metadata["exploration_std"] == "0.3" and head.metadata["exploration_correlation"] == "0.8"
    assert head.architecture == agent.architecture and head.feature_size == 16


def test_policy_head_bytes_are_the_same_for_the_same_policy():
    assert len({IQLAgent(CONFIG, 3).policy_head_bytes(1) for _ in range(4)}) == 1


def test_10_19_features_are_deterministic_and_do_not_depend_on_the_batch():
    agent = IQLAgent(CONFIG, 3)
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 3)).astype(np.uint8)
    together = agent.features(images)
    assert torch.equal(together, agent.features(images))
    alone = torch.cat([agent.features(i[None]) for i in images])
    assert torch.allclose(together, alone, atol=1e-5)


def test_features_bring_no_gradient_and_three_networks_differ():
    agent = IQLAgent(CONFIG, 3)
    x = torch.zeros(2, 3, 48, 48)
    every = agent.all_features(x)
    assert not every.requires_grad and every.shape == (2, 48)
    assert not torch.allclose(every[:, :16], every[:, 16:32])


def test_seed_makes_the_agent_and_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, c = IQLAgent(CONFIG, 3, 0), IQLAgent(CONFIG, 3, 0), IQLAgent(CONFIG, 3, 1)
    assert torch.equal(before, torch.get_rng_state())
    assert a.encoder_hash() == b.encoder_hash() != c.encoder_hash()
