"""Heads on given features: independence of the losses, and IQL beats cloning on a small MDP."""

import pytest
import torch

from priorrl_core.agents.heads import FeatureBatch, HeadsConfig, HeadsTrainer, IQLHeads

FEATURES, LENGTH = 8, 5


def make_batch(n: int, seed: int = 0) -> FeatureBatch:
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g)

    return FeatureBatch(draw(n, FEATURES), draw(n, FEATURES), draw(n, FEATURES), draw(n, FEATURES),
                        draw(n, 6) * 0.01, draw(n, 6) * 0.01, draw(n, 3).clamp(-1, 1),
                        (draw(n) > 0).float(), torch.zeros(n))


def make_heads(**settings) -> IQLHeads:
    return IQLHeads(HeadsConfig(**{"hidden": (32, 32), **settings}), FEATURES,
                    torch.Generator().manual_seed(1))


OWN = [("value", "v."), ("critic", "q."), ("policy", ("policy.", "log_std"))]


@pytest.mark.parametrize(("loss", "own"), OWN)
def test_10_14_each_loss_reaches_only_its_own_network(loss, own):
    heads = make_heads()
    heads.losses(make_batch(16))[loss].backward()
    touched = {n for n, p in heads.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched and all(name.startswith(own) for name in touched)


def test_targets_move_by_the_target_rate():
    heads = make_heads(target_rate=0.25)
    before = [p.clone() for p in heads.q_target.parameters()]
    with torch.no_grad():
        for p in heads.q.parameters():
            p.add_(1.0)
    heads.move_targets()
    for old, new in zip(before, heads.q_target.parameters(), strict=True):
        assert torch.allclose(new, old + 0.25, atol=1e-6)


def test_same_seed_same_result_bit_for_bit():
    results = []
    for _ in range(2):
        trainer = HeadsTrainer(make_heads())
        for i in range(20):
            trainer.update(make_batch(32, i))
        results.append(torch.cat([p.detach().flatten() for p in trainer.heads.parameters()]))
    assert torch.equal(*results)


def chain_batch(n: int, seed: int) -> FeatureBatch:
    """A chain of LENGTH cells; action > 0 moves right, else left; reward 1 in the last cell.

    The behaviour moves left in 70 % of the steps, so cloning its mean goes the wrong way.
    """
    g = torch.Generator().manual_seed(seed)
    cell = torch.randint(LENGTH, (n,), generator=g)
    action = torch.rand(n, 3, generator=g) * 2 - 1
    right = torch.rand(n, generator=g) < 0.3
    action[:, 0] = torch.where(right, action[:, 0].abs(), -action[:, 0].abs())
    following = (cell + torch.where(right, 1, -1)).clamp(0, LENGTH - 1)
    here, there = (torch.nn.functional.one_hot(c, FEATURES).float() for c in (cell, following))
    zero = torch.zeros(n, 6)
    return FeatureBatch(here, here, here, there, zero, zero, action, (following == LENGTH - 1).float(),
                        torch.zeros(n))


def train_chain(temperature: float) -> IQLHeads:
    heads = make_heads(hidden=(32, 32), discount=0.7, expectile=0.9, temperature=temperature,
                       learning_rate=3e-3, target_rate=0.1)
    trainer = HeadsTrainer(heads)
    for i in range(900):
        trainer.update(chain_batch(64, i))
    return heads


def chain_values(discount: float, tau: float, right_share: float) -> torch.Tensor:
    """Fixed point of V = expectile_tau over the behaviour's actions of r + gamma V(s')."""
    value = torch.zeros(LENGTH)
    cells = torch.arange(LENGTH)
    for _ in range(300):
        q = [(n == LENGTH - 1).float() + discount * value[n]
             for n in ((cells + d).clamp(0, LENGTH - 1) for d in (1, -1))]
        up, down = tau * right_share, (1 - tau) * (1 - right_share)  # q[0] >= q[1] in this chain
        value = (up * q[0] + down * q[1]) / (up + down)
    return value


def test_10_17_iql_recovers_the_optimum_of_a_chain_where_cloning_fails():
    cells = torch.eye(LENGTH, FEATURES)
    zero = torch.zeros(LENGTH, 6)
    iql, clone = train_chain(0.1), train_chain(1e6)  # an infinite temperature is behaviour cloning
    with torch.no_grad():
        assert (iql.mean_action(cells, zero)[:, 0] > 0.1).all()
        assert (clone.mean_action(cells, zero)[:, 0] < 0.0).all()
        value = iql.value(cells, zero)
    assert torch.allclose(value, chain_values(0.7, 0.9, 0.3), rtol=0.15)


def test_updates_read_nothing_from_tensors(monkeypatch):
    trainer = HeadsTrainer(make_heads())

    def refuse(self):
        raise AssertionError(".item() in the hot loop")

    batch = make_batch(16)
    monkeypatch.setattr(torch.Tensor, "item", refuse)
    trainer.metrics.add(trainer.update(batch))


def test_the_policy_gradient_beside_awr_reaches_only_the_policy():
    heads = make_heads(q_weight=2.0)
    plain = make_heads(q_weight=0.0)
    batch = make_batch(16)
    batch.critic.requires_grad_(True)
    heads.losses(batch)["policy"].backward()
    touched = {n for n, p in heads.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched and all(name.startswith(("policy.", "log_std")) for name in touched)
    assert batch.critic.grad is None
    assert float(heads.losses(batch)["policy"].detach()) != float(plain.losses(batch)["policy"].detach())
