"""Health metrics alarm when they should and only then (10.13); a gamed reward is noticed (10.30)."""

import numpy as np
import pytest

from priorrl_core.rewards.health import RewardMonitor, alarms, probe_domains

FINE = {"reward_loss": 0.1, "reward_accuracy": 0.97, "domain_loss": 3.0, "domain_accuracy": 0.05,
        "domain_chance": 0.04, "kl_nats": 3.0}  # fmt: skip


def test_10_13_a_healthy_run_has_no_alarm():
    assert alarms("daib", FINE, 1.0) == ()


@pytest.mark.parametrize(
    ("mode", "change", "progress", "words"),
    [
        ("daib", {"kl_nats": 0.001}, 0.2, "z_S carries nothing"),
        ("vib", {"kl_nats": 0.001}, 1.0, "z_S carries nothing"),
        ("dann", {"domain_accuracy": 0.9}, 1.0, "not invariant"),
        ("erm", {"reward_accuracy": 0.5}, 1.0, "collapsed"),
        ("erm", {"reward_loss": float("nan")}, 0.1, "not finite"),
    ],
)
def test_10_13_alarms_name_the_illness(mode, change, progress, words):
    found = alarms(mode, {**FINE, **change}, progress)
    assert len(found) == 1 and words in found[0]


def test_10_13_no_false_alarms_early_or_in_modes_without_the_part():
    assert alarms("dann", {**FINE, "kl_nats": 0.0}, 1.0) == ()
    assert alarms("erm", {**FINE, "domain_accuracy": 0.9}, 1.0) == ()
    assert alarms("daib", {**FINE, "domain_accuracy": 0.9}, 0.3) == ()


def test_10_13_probe_reads_a_domain_that_is_there_and_none_that_is_not():
    rng = np.random.default_rng(0)
    d = rng.integers(0, 5, 2000)
    noise = rng.normal(size=(2000, 16)).astype(np.float32)
    assert probe_domains(noise, d) < 0.3
    noise[np.arange(2000), d] += 5
    assert probe_domains(noise, d) > 0.9
    assert np.isnan(probe_domains(noise[:, :0], d))


def test_monitor_alarms_when_the_reward_never_says_yes():
    monitor = RewardMonitor().fit(np.zeros(10), np.ones(10, np.uint8))
    nothing, height = np.zeros(20), np.linspace(0.025, 0.0, 20)
    answers = [monitor.update(nothing, height) for _ in range(15)]
    assert answers[13] is None and answers[14] is not None and "not said yes in the last 15" in answers[14]
    assert monitor.update(np.ones(20), np.zeros(20)) is None and monitor.update(nothing, height) is None


def test_10_30_monitor_alarms_when_success_is_claimed_in_the_air():
    rng = np.random.default_rng(0)
    monitor = RewardMonitor().fit(rng.uniform(-0.0003, 0.0013, 500), np.ones(500, np.uint8))
    height = np.linspace(0.025, 0.0, 20)
    honest = (height < 0.0012).astype(float)
    assert all(monitor.update(honest, height) is None for _ in range(20))
    gamed = (height > 0.015).astype(float)
    answers = [monitor.update(gamed, height) for _ in range(10)]
    assert answers[-1] is not None and "probably wrong" in answers[-1]
