"""Snippets of one buffer of data and practice: nothing joins the two, and MPO and SVG learn from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from point_learn import PointReach, mixed_data

from priorrl_core.agents.mpo import MPOConfig
from priorrl_core.agents.svg import SVGConfig
from priorrl_core.data.snippets import SnippetSampler
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.training.learn_buffer import LearnBuffer
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
from priorrl_core.training.learn_snippets import LearnSnippets
from priorrl_core.training.offline_online import OfflineOnlineLearner


def step(at: int) -> Transition:
    """From ``at`` to ``at + 1`` on a line."""
    here = np.array([at], np.float32)
    return Transition(here, np.zeros(1, np.float32), np.zeros(1), np.zeros(1), float(at + 1), here + 1, False)


def line(first: int, last: int) -> TransitionReplay:
    out = TransitionReplay(last - first, (1,), 1)
    for at in range(first, last):
        out.add(step(at))
    return out


def test_a_snippet_never_goes_from_the_data_into_practice_nor_past_the_newest_step() -> None:
    """Practice starts in the state where the data ended, and goes round its ring of 4 rows."""
    buffer = LearnBuffer(4, 1, 1, line(0, 3))
    snippets = LearnSnippets(buffer, 3)
    for at in range(3, 9):  # rows 3 to 6 of the table hold the steps from 7, 8, 5 and 6
        buffer.add(step(at))
    batch = snippets.batch(torch.tensor([5, 1, 4, 6, 0, 3]))
    assert batch.obs[..., 0].tolist() == [[1, 2, 2], [0, 1, 2], [5, 6, 7], [8, 8, 8], [6, 7, 8], [7, 8, 8]]
    assert batch.valid.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 0, 0], [1, 1, 1], [1, 1, 0]]
    assert torch.equal(batch.reward, batch.next_obs[..., 0]) and not batch.task.any()


def test_data_alone_give_the_snippets_of_their_sampler() -> None:
    data, rows = mixed_data(5), torch.arange(50)
    found = LearnSnippets(LearnBuffer(10, 2, 2, data), 4).batch(rows)
    wanted = SnippetSampler(data, 4).batch(rows, torch.zeros(50, dtype=torch.int64))
    assert all(torch.equal(getattr(found, name), getattr(wanted, name)) for name in vars(wanted))


def test_a_batch_has_as_many_steps_as_it_says_and_the_rewards_that_are_learned_from() -> None:
    config = LearnConfig("mpo", "mpo", mpo=MPOConfig(snippet=5), batch_size=32, reward_scale=2.0, reward_shift=1.0)
    batch = OfflineOnlineLearner(config, 2, 2, data=mixed_data(5)).sample(None)
    assert batch.action.shape == (6, 5, 2)
    assert torch.allclose(batch.reward, 1.0 - 2.0 * batch.next_obs.norm(dim=-1), atol=1e-5)


QUICK = {"policy_trunk": (32,), "policy_head": (), "critic_trunk": (32, 32), "critic_head": (), "action_samples": 8,
         "discount": 0.9, "learning_rate": 3e-3, "target_period": 20}


@pytest.mark.parametrize(("agent", "table"), [
    ("mpo", MPOConfig(**QUICK, prior="abm", epsilon_mean=0.05, epsilon_covariance=1e-3)),
    ("svg", SVGConfig(**QUICK, prior="abm", epsilon=1.0))])
def test_it_learns_from_mixed_data_and_goes_on_in_practice(agent, table, tmp_path) -> None:
    """Standing still gives -8, the best is near -1; the data's mean is -6."""
    config = LearnConfig("quick", agent, **{agent: table}, batch_size=128, replay=1000, offline_epoch=100,
                         online_epoch=100, eval_episodes=16)
    loop = LearnLoop(config, LearnPlan(300, 200, 0, PointReach, "point", mixed_data()), tmp_path)
    loop.run()
    judged = [float(row["eval/return"]) for row in loop.log.rows]
    start, offline, online = judged[0], judged[3], judged[-1]
    assert offline > start + 3.0 and online > offline - 0.1 * (offline - start) and online > -2.0, judged
