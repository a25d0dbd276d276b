"""Row 10.25: the scripted baselines do what their names say, for exactly 20 steps."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.control.search import (
    SEARCHES,
    Localize,
    LocalizeFirst,
    RandomSearch,
    SearchConfig,
    SpiralSearch,
    StraightDown,
    make_search,
)
from priorrl_core.errors import ConfigError

CONFIG = SearchConfig()
HORIZON = 20


class Slab:
    """An ideal arm over a flat floor at z = 0.008 m; pressing meets 3770 N/m."""

    def __init__(self, start=(0.0, 0.0, 0.025)) -> None:
        self.tip, self.force = np.array(start), np.zeros(3)
        self.path, self.commands, self.forces = [self.tip.copy()], [], [self.force]

    def run(self, search, **kwargs) -> Slab:
        for step in range(HORIZON):
            extra = {k: f(self.tip) for k, f in kwargs.items()}
            delta = search.act(self.tip, self.force, step, **extra)
            assert delta.shape == (3,) and np.isfinite(delta).all()
            wish = self.tip + delta
            self.force = np.array([0.0, 0.0, 3770.0 * max(0.008 - wish[2], 0.0)])
            self.tip = np.array([wish[0], wish[1], max(wish[2], 0.008)])
            self.commands.append(delta)
            self.forces.append(self.force)
            self.path.append(self.tip.copy())
        return self

    def on_floor(self) -> np.ndarray:
        return np.array([p[:2] for p in self.path if p[2] <= 0.008])


@pytest.mark.parametrize("name", SEARCHES)
def test_10_25_every_strategy_takes_20_steps_and_never_pulls_up(name):
    slab = Slab().run(make_search(name, seed=4))
    assert len(slab.commands) == HORIZON
    assert all(c[2] <= 0.0 for c in slab.commands)
    assert all(np.linalg.norm(c) <= 0.012 for c in slab.commands)


def test_10_25_straight_down_moves_only_down():
    slab = Slab((0.004, -0.003, 0.025)).run(StraightDown())
    assert all(c[0] == 0.0 and c[1] == 0.0 and c[2] < 0.0 for c in slab.commands)
    assert slab.tip[:2].tolist() == [0.004, -0.003]


def test_10_25_random_search_visits_5_positions_with_pressure_on():
    search = RandomSearch(np.random.default_rng(1))
    slab = Slab().run(search)
    assert len(search.targets_m) == 5
    assert np.linalg.norm(search.targets_m, axis=1).max() <= CONFIG.target_radius_m
    floor = slab.on_floor()
    for target in search.targets_m:
        assert np.linalg.norm(floor - target, axis=1).min() < 1e-9
    touched = next(i for i, f in enumerate(slab.forces) if f[2] >= CONFIG.contact_force_n)
    assert all(c[2] == -CONFIG.press_m for c in slab.commands[touched:])
    assert all(f[2] == pytest.approx(3770 * CONFIG.press_m) for f in slab.forces[touched + 1:])


def test_10_25_random_positions_fill_the_disc_evenly_and_follow_the_seed():
    points = np.concatenate([RandomSearch(np.random.default_rng(s)).targets_m for s in range(4000)])
    radius = np.linalg.norm(points, axis=1)
    assert (radius < CONFIG.target_radius_m / np.sqrt(2)).mean() == pytest.approx(0.5, abs=0.02)
    assert np.abs(points.mean(0)).max() < 1e-4
    same = [RandomSearch(np.random.default_rng(5)).targets_m for _ in range(2)]
    assert (same[0] == same[1]).all()


def test_10_25_spiral_grows_by_its_pitch_while_pressing():
    config = SearchConfig(spiral_radius_m=1.0)
    slab = Slab((0.0, 0.0, 0.0085))
    search = SpiralSearch(config)
    path = []
    for step in range(120):
        delta = search.act(slab.tip, np.array([0.0, 0.0, 8.0]), step)
        assert delta[2] == -config.press_m
        slab.tip = slab.tip + [delta[0], delta[1], 0.0]
        path.append(slab.tip[:2].copy())
    path = np.array(path)
    radius, angle = np.linalg.norm(path, axis=1), np.unwrap(np.arctan2(path[:, 1], path[:, 0]))
    turns = angle / (2 * np.pi)
    turns += radius[-1] / config.spiral_pitch_m - turns[-1]
    assert radius[5:] == pytest.approx(turns[5:] * config.spiral_pitch_m, abs=1e-4)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps[10:] == pytest.approx(config.spiral_arc_m, rel=0.05)


def test_10_25_spiral_covers_its_disc_within_the_horizon():
    """No place within 2 mm of the centre is farther than half a pitch and a bit from the path."""
    floor = Slab().run(SpiralSearch()).on_floor()
    fine = np.concatenate([np.linspace(a, b, 20) for a, b in zip(floor[:-1], floor[1:], strict=True)])
    angles = np.linspace(0, 2 * np.pi, 24)
    for radius in (0.0005, 0.001, 0.0015, 0.002):
        for a in angles:
            place = radius * np.array([np.cos(a), np.sin(a)])
            assert np.linalg.norm(fine - place, axis=1).min() < 0.0009


def test_10_25_spiral_stops_growing_at_its_radius():
    config = SearchConfig(spiral_radius_m=0.002)
    search, tip = SpiralSearch(config), np.zeros(3)
    for step in range(200):
        tip[:2] += search.act(tip, np.array([0, 0, 9.0]), step)[:2]
        assert np.linalg.norm(tip[:2]) < 0.0021


@pytest.mark.parametrize(("estimate", "expected"), [
    ((0.0005, 0.0005), (0.0, 0.0, -0.004)), ((0.001, 0.0), (0.0, 0.0, -0.004)),
    ((0.0011, 0.0), (-0.0011, 0.0, 0.0)), ((0.0, -0.002), (0.0, 0.002, 0.0)),
    ((0.03, -0.04), (-0.0018, 0.0024, 0.0))])
def test_10_26_localize_goes_across_until_1_mm_then_straight_down(estimate, expected):
    assert Localize().act(np.array(estimate), np.zeros(3), 0) == pytest.approx(expected)


def test_10_26_localize_decides_again_at_every_step():
    search = Localize()
    assert search.act(np.array([0.0, 0.0]), np.zeros(3), 0)[2] < 0.0
    assert search.act(np.array([0.005, 0.0]), np.zeros(3), 1)[2] == 0.0


@pytest.mark.parametrize("strategy", [StraightDown(), RandomSearch(np.random.default_rng(0)), SpiralSearch()])
def test_10_25_in_scenario_ii_localize_comes_first(strategy):
    """The socket lies 15 mm aside of the believed goal; the model is 0.4 mm off; the search starts there."""
    socket, bias = np.array([0.012, -0.009]), np.array([0.0004, 0.0])
    search = LocalizeFirst(strategy)
    slab = Slab().run(search, estimate_m=lambda tip: tip[:2] - socket + bias)
    assert len(slab.commands) == HORIZON
    down = next(i for i, c in enumerate(slab.commands) if c[2] < 0.0)
    assert down == 5  # 15 mm at 3 mm a step
    assert all(c[2] == 0.0 for c in slab.commands[:down]) and all(c[2] < 0.0 for c in slab.commands[down:])
    assert search.found_m == pytest.approx(socket - bias)
    reach = max(CONFIG.target_radius_m, CONFIG.spiral_radius_m) + CONFIG.centre_line_m
    assert np.linalg.norm(np.array(slab.path)[down:, :2] - socket, axis=1).max() < reach + 0.0005


def test_10_25_localize_first_needs_an_estimate_until_it_has_arrived():
    search = LocalizeFirst(StraightDown())
    with pytest.raises(ValueError, match="estimate"):
        search.act(np.zeros(3), np.zeros(3), 0)
    search.act(np.zeros(3), np.zeros(3), 0, estimate_m=np.zeros(2))
    assert search.act(np.zeros(3), np.zeros(3), 1)[2] < 0.0


def test_unknown_search_and_wrong_config_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'spiral_search'"):
        make_search("spiral")
    with pytest.raises(ConfigError, match="'press_m'"):
        SearchConfig(press_m=0.0)
