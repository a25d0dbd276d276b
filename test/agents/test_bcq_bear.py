"""BCQ and BEAR: targets by hand, whose gradient reaches whom, and what their constraint does."""

import pytest
import torch
from offline import mixed_episodes
from reach import evaluate
from small_agents import batch, bcq, bear, copies, make_linear, moved

from priorrl_core.agents.action_vae import vae_loss
from priorrl_core.agents.bcq import BCQConfig
from priorrl_core.agents.bear import BEARConfig
from priorrl_core.data.transitions import TransitionBatch

SLOPES = torch.tensor([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, -1.0, 2.0]])
ROWS = TransitionBatch(torch.zeros(2, 2), torch.zeros(2, 2), torch.tensor([1.0, -1.0]), torch.ones(2, 2),
                       torch.tensor([0.0, 1.0]))
BOTH = pytest.mark.parametrize("make", [bcq, bear])


def touched(agent):
    return {n.split(".")[0] for n, p in agent.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def value_by_hand(action):
    """Of actions (K, 2): the best of 0.75 times the lower and 0.25 times the higher critic."""
    q = torch.stack([action[:, 0] + 2 * action[:, 1] + 4.0, -action[:, 0] + 2 * action[:, 1] + 3.0])
    return float((0.75 * q.amin(0) + 0.25 * q.amax(0)).max())


def test_bcq_target_by_hand():
    agent = bcq(seed=3, phi=0.2, target_samples=3)
    make_linear(agent.critics.target, SLOPES, torch.tensor([4.0, 3.0]))
    with torch.no_grad():
        agent.perturbation_target.weights[-1].zero_()
        agent.perturbation_target.biases[-1].fill_(0.5)
        z = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(3))[:, 0].clamp(-0.5, 0.5)
        drawn = torch.tanh(agent.vae.decode(torch.ones(3, 2), z))
        action = (drawn + 0.2 * torch.tanh(torch.tensor(0.5))).clamp(-1, 1)
    assert agent.target(ROWS).tolist() == pytest.approx([1.0 + 0.9 * value_by_hand(action), -1.0], abs=1e-3)


def test_a_linear_decoder_learns_actions_themselves_and_is_clipped_where_it_acts():
    agent, rows, noise = bcq(linear_decoder=True), batch(), torch.zeros(8, 4)
    vae = agent.vae
    mean, log_std = vae.encode(rows.obs, rows.action)
    wanted = vae_loss(vae.decode(rows.obs, mean), rows.action, mean, log_std)
    assert torch.equal(vae.loss(rows.obs, rows.action, noise), wanted)
    assert not torch.equal(bcq().vae.loss(rows.obs, rows.action, noise), wanted)
    with torch.no_grad():
        vae.decoder.biases[-1].fill_(7.0)
    assert agent.act(rows.obs, True).tolist() == [[1.0, 1.0]] * 8


def test_bear_target_by_hand():
    agent = bear(seed=3, target_samples=3)
    make_linear(agent.critics.target, SLOPES, torch.tensor([4.0, 3.0]))
    with torch.no_grad():
        agent.actor.weights[-1].zero_()
        agent.actor.biases[-1].copy_(torch.tensor([[[0.3, -0.3, -1.0, -2.0]]]))
    noise = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(3))[:, 0]
    action = torch.tanh(torch.tensor([0.3, -0.3]) + torch.exp(torch.tensor([-1.0, -2.0])) * noise)
    assert agent.target(ROWS).tolist() == pytest.approx([1.0 + 0.9 * value_by_hand(action), -1.0], abs=1e-3)


@BOTH
def test_each_loss_reaches_its_own_networks_alone(make):
    agent, rows = make(), batch()
    features = rows.obs.clone().requires_grad_()
    actor = agent.actor_loss(features)
    (actor[0] if isinstance(actor, tuple) else actor).backward()
    assert touched(agent) == {"perturbation" if make is bcq else "actor"} and features.grad is None
    agent.zero_grad(set_to_none=True)
    agent.vae.loss(rows.obs, rows.action, torch.zeros(8, 4)).backward()
    assert touched(agent) == {"vae"} and not agent.target(rows).requires_grad


@BOTH
def test_targets_follow_by_the_polyak_formula(make):
    agent = make(target_rate=0.3)
    slow, fast = [*agent.critics.target.parameters()], [*agent.critics.online.parameters()]
    if make is bcq:
        slow, fast = [*slow, *agent.perturbation_target.parameters()], [*fast, *agent.perturbation.parameters()]
    before = copies(slow)
    agent.update(batch())
    assert all(torch.allclose(new, 0.7 * old + 0.3 * f, atol=1e-6) for old, new, f in
               zip(before, slow, fast, strict=True))


@BOTH
def test_it_acts_by_the_first_critics_favourite_of_its_candidates(make):
    agent, obs = make(act_samples=50), torch.zeros(20, 2)
    make_linear(agent.critics.online, torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, -9.0, 0.0]]), torch.zeros(2))
    best = agent.act(obs, True)
    make_linear(agent.critics.online, torch.tensor([[0.0, 0.0, -1.0, 0.0], [0.0, 0.0, 9.0, 0.0]]), torch.zeros(2))
    assert (best[:, 0] > agent.act(obs, True)[:, 0]).all()
    assert torch.equal(agent.act(obs, True), agent.act(obs, True))
    drawn = [agent.act(obs, False, torch.Generator().manual_seed(i)) for i in (1, 2)]
    assert not torch.equal(*drawn)


def test_bcq_perturbation_climbs_the_first_critic():
    agent = bcq(phi=0.3)
    optimizer = torch.optim.Adam(agent.perturbation.parameters(), lr=1e-2)
    make_linear(agent.critics.online, torch.tensor([[0.0, 0.0, 1.0, -1.0], [0.0, 0.0, -9.0, 9.0]]), torch.zeros(2))
    for _ in range(100):
        optimizer.zero_grad()
        agent.actor_loss(batch().obs).backward()
        optimizer.step()
    raw = agent.perturbation(torch.cat([batch().obs, torch.zeros(8, 2)], -1)).detach()[0]
    assert (torch.tanh(raw) * torch.tensor([1.0, -1.0]) > 0.9).all()


@pytest.mark.parametrize("warm", [0, 3])
def test_bear_follows_the_constraint_alone_while_warm(warm):
    agents = [bear(warm_updates=warm, seed=4) for _ in range(2)]
    for agent, slope in zip(agents, (5.0, -5.0), strict=True):
        make_linear(agent.critics.online, torch.tensor([[0.0, 0.0, slope, 0.0]] * 2), torch.zeros(2))
        agent.updates = 3
    losses = [float(agent.actor_loss(batch().obs)[0].detach()) for agent in agents]
    assert (losses[0] == pytest.approx(losses[1], abs=1e-5)) is (warm == 3)


def test_bear_judges_by_the_lower_critic_and_the_multiplier_stays_in_its_range():
    agent = bear(log_alpha_init=-5.0, threshold=9.0)
    make_linear(agent.critics.online, torch.tensor([[0.0] * 4, [0.0] * 4]), torch.tensor([7.0, 2.0]))
    agent.updates = 1
    loss, distance = agent.actor_loss(batch().obs)
    wanted = torch.exp(torch.tensor(-5.0)) * distance.mean() - 2.0
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), abs=1e-3)
    for i in range(3):
        agent.update(batch(seed=i))
    assert float(agent.log_alpha.detach()) == -5.0
    high = bear(log_alpha_init=10.0, threshold=1e-6)
    high.update(batch())
    assert float(high.log_alpha.detach()) == 10.0


def test_bears_multiplier_moves_at_its_own_rate():
    """Adam's first step is its rate, whatever the gradient."""
    agent, rows = bear(alpha_rate=0.05, learning_rate=1e-3), batch()
    before = agent.critics.online.weights[0].detach().clone()
    agent.update(rows)
    assert abs(float(agent.log_alpha.detach())) == pytest.approx(0.05, rel=1e-2)
    step = (agent.critics.online.weights[0].detach() - before).abs().max()
    assert float(step) == pytest.approx(1e-3, rel=1e-2)


def test_public_settings():
    c, b = BCQConfig(), BEARConfig()
    assert (c.hidden, c.vae_hidden, c.latent_per_action, c.phi, c.lam) == ((400, 300), (750, 750), 2, 0.05, 0.75)
    assert (c.target_samples, c.act_samples, c.learning_rate, c.target_rate) == (10, 100, 1e-3, 0.005)
    assert (b.kernel, b.sigma, b.threshold, b.mmd_samples, b.warm_updates) == ("laplacian", 10.0, 0.05, 10, 100_000)
    assert (b.target_samples, b.act_samples, b.alpha_rate) == (10, 10, 1e-3)
    assert (b.log_alpha_min, b.log_alpha_max) == (-5.0, 10.0)


def trained(make, updates=400, **config):
    agent, data, g = make(**config), mixed_episodes(), torch.Generator().manual_seed(0)
    for _ in range(updates):
        metrics = agent.update(data.sample(64, g))
    return evaluate(agent), metrics


def test_bcq_beats_cloning_and_more_perturbation_leaves_the_data_further(steady_torch):
    near, far = trained(bcq)[0], trained(bcq, phi=0.25)[0]
    assert near > -2.8 and far > near + 0.3  # cloning: below -3, test_bc


def test_bear_keeps_its_distance_and_a_loose_bound_lets_it_go(steady_torch):
    tight, loose = trained(bear), trained(bear, threshold=1.0)
    assert loose[0] > -1.5 and tight[0] > -3.5 and tight[0] < loose[0]
    assert float(tight[1]["mmd"]) < 0.15 < float(loose[1]["mmd"])


@BOTH
def test_the_vae_learns_with_the_rest(make):
    agent = make()
    before = copies(agent.vae.parameters())
    agent.update(batch())
    assert all(moved([b], [p]) for b, p in zip(before, agent.vae.parameters(), strict=True))
