"""IQL's expectiles and what thesis sections 7.3 and 7.4 prove and show of them: rows 7.1, 7.2, 7.8, 7.9 and 7.14."""

import numpy as np
import pytest
import torch
from tabular_iql import Model, UMaze, best_values, expectiles, greedy_value, q_of, random_model, values

from priorrl_core.agents import iql

TAUS = (0.5, 0.7, 0.9, 0.99, 0.999)


def minimiser(x: torch.Tensor, prob: torch.Tensor, tau: float) -> float:
    """Where the loss that IQL trains V with is least, by bisection of its gradient."""
    low, high = float(x.min()), float(x.max())
    for _ in range(60):
        m = torch.tensor((low + high) / 2.0, dtype=x.dtype, requires_grad=True)
        (gradient,) = torch.autograd.grad((prob * iql.expectile(x - m, tau)).sum(), m)
        middle = float(m.detach())
        low, high = (middle, high) if gradient < 0.0 else (low, middle)
    return (low + high) / 2.0


def test_7_01_asymmetric_square_by_hand():
    assert iql.expectile(torch.tensor([2.0, -2.0]), 0.9).tolist() == pytest.approx([3.6, 0.4])
    u = torch.linspace(-3.0, 3.0, 13)
    assert torch.allclose(iql.expectile(u, 0.5), 0.5 * u.square())


@pytest.mark.parametrize(("tau", "wanted"), [(0.5, 0.0), (0.7, 0.3371), (0.8, 0.5492), (0.9, 0.8616),
                                             (0.95, 1.1402), (0.99, 1.7174)])
def test_7_02_expectiles_of_a_normal(tau, wanted):
    x = torch.linspace(-8.0, 8.0, 4001, dtype=torch.float64)
    density = torch.exp(-0.5 * x.square())
    assert minimiser(x, density / density.sum(), tau) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_7_02_expectiles_of_a_coin(p):
    coin, prob = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([1.0 - p, p], dtype=torch.float64)
    found = [minimiser(coin, prob, tau) for tau in TAUS]
    assert found == pytest.approx([t * p / (t * p + (1.0 - t) * (1.0 - p)) for t in TAUS], abs=1e-6)
    assert found == sorted(found) and found[-1] > 0.99  # lemma 3: towards the supremum


def test_7_02_the_tables_expectiles_minimise_the_packages_loss():
    rng = np.random.default_rng(0)
    x, prob = rng.normal(size=(6, 4)), rng.dirichlet(np.ones(4), 6)
    for tau in TAUS:
        wanted = [minimiser(torch.from_numpy(a), torch.from_numpy(b), tau) for a, b in zip(x, prob, strict=True)]
        assert expectiles(x, prob, tau) == pytest.approx(wanted, abs=1e-6)


def test_7_08_values_rise_with_tau_below_the_best_of_the_data_and_towards_it():
    """Lemma 4, corollary 1 and theorem 1 on 20 random problems."""
    gaps = []
    for seed in range(20):
        model = random_model(seed)
        best, found = best_values(model), [values(model, tau) for tau in TAUS]
        assert all((b >= a - 1e-9).all() for a, b in zip(found[:-1], found[1:], strict=True))
        assert all((v <= best + 1e-9).all() for v in found)
        gaps.append([np.abs(best - v).max() / np.abs(best).max() for v in found])
    mean, worst = np.mean(gaps, axis=0), np.max(gaps, axis=0)
    assert (np.diff(mean) < 0.0).all() and mean[-1] < 0.02 and worst[-1] < 0.06


def test_7_08_tau_one_half_is_the_value_of_the_behaviour():
    model = random_model(3)
    reward = (model.behaviour * model.reward).sum(1)
    transition = np.einsum("sa,sat->st", model.behaviour, model.transition)
    wanted = np.linalg.solve(np.eye(8) - model.discount * transition, reward)
    assert values(model, 0.5) == pytest.approx(wanted, abs=1e-8)


def test_7_09_in_the_u_maze_a_high_expectile_is_nearer_the_optimum_and_earns_more():
    """Section 7.3.1: tau 0.5 (one-step) fades away from the goal. Bound against the empirical model: corollary 1."""
    maze = UMaze()
    true = maze.model()
    best = best_values(true)
    assert greedy_value(true, maze.best) == pytest.approx(best[0])
    near, earned = {0.5: [], 0.95: []}, {0.5: [], 0.95: []}
    for seed in range(5):
        data = maze.data(seed)
        for tau in near:
            v = values(data, tau)
            assert (v <= best_values(data) + 1e-8).all()
            near[tau].append(abs(v[0] / best[0] - 1.0))
            choice = np.where(data.behaviour > 0.0, q_of(data, v), -np.inf).argmax(1)
            earned[tau].append(greedy_value(true, choice) / best[0])
    assert max(near[0.95]) < 0.2 < min(near[0.5])
    assert np.mean(earned[0.95]) > np.mean(earned[0.5]) + 0.05


LURE, PATH = 0.2, 6


def fork() -> Model:
    """A grid of one row: from the fork (0), left is a lure of ``LURE`` at once, right a path of ``PATH`` cells.

    Of the walks that are in a cell of the path two thirds leave it for a pit of 0 and one goes on to the next: those
    that end at the goal of 1 have begun near it, and the way from the fork must be stitched.
    """
    size = PATH + 1
    behaviour, reward = np.zeros((size, 2)), np.zeros((size, 2))
    transition = np.zeros((size, 2, size))
    behaviour[0], reward[0, 0], transition[0, 1, 1] = (0.5, 0.5), LURE, 1.0
    for cell in range(1, size):
        behaviour[cell] = (2.0 / 3.0, 1.0 / 3.0)
        if cell < PATH:
            transition[cell, 1, cell + 1] = 1.0
    reward[PATH, 1] = 1.0
    return Model(behaviour, reward, transition, discount=0.98)


@pytest.mark.parametrize(("tau", "reaches"), [(0.5, False), (0.7, False), (0.9, True)])
def test_7_14_only_a_high_expectile_stitches_past_a_lure(tau, reaches):
    model = fork()
    assert best_values(model)[0] == pytest.approx(0.98**PATH)
    assert bool(q_of(model, values(model, tau))[0].argmax()) is reaches
