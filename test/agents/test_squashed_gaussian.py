"""The tanh correction against torch.distributions, at the edges, and as a density."""

import torch
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from priorrl_core.agents.squashed_gaussian import log_tanh_slope, squashed_sample


def draw(seed=0, rows=64, size=3):
    g = torch.Generator().manual_seed(seed)
    mean, log_std, noise = (torch.randn(rows, size, generator=g, dtype=torch.float64) for _ in range(3))
    return mean, 0.5 * log_std - 0.5, noise


def test_log_prob_is_that_of_torch_distributions():
    mean, log_std, noise = draw()
    action, log_prob = squashed_sample(mean, log_std, noise)
    reference = Independent(TransformedDistribution(Normal(mean, log_std.exp()), TanhTransform()), 1)
    assert torch.allclose(log_prob, reference.log_prob(action), atol=1e-6)
    assert torch.equal(action, torch.tanh(mean + log_std.exp() * noise))


def test_density_of_one_action_integrates_to_one():
    action = torch.linspace(-1, 1, 200_001, dtype=torch.float64)[1:-1, None]
    mean, log_std = torch.full_like(action, 0.3), torch.full_like(action, -0.4)
    noise = (torch.atanh(action) - mean) / log_std.exp()
    _, log_prob = squashed_sample(mean, log_std, noise)
    assert abs(float(log_prob.exp().sum()) * 1e-5 - 1.0) < 1e-4


def test_correction_stays_exact_where_one_minus_tanh_squared_is_zero():
    u = torch.tensor([-60.0, -10.0, 0.0, 10.0, 60.0])
    exact = torch.log(4.0 / (torch.exp(u.double()) + torch.exp(-u.double())).square())
    assert torch.allclose(log_tanh_slope(u).double(), exact, rtol=1e-6, atol=1e-6)


def test_gradients_are_those_of_finite_differences():
    mean, log_std, noise = draw(rows=4)
    inputs = [mean.requires_grad_(), log_std.requires_grad_()]
    assert torch.autograd.gradcheck(lambda m, s: squashed_sample(m, s, noise), inputs)
