"""Row 5.13: demonstrations are recorded at the agent's rate, accepted or rejected, and say who made them."""

import numpy as np
import pytest
import torch

from priorrl_core.data.demonstrations import META, DemoRecorder, load_demonstrations
from priorrl_core.data.formats import registry
from priorrl_core.data.formats.check import problems
from priorrl_core.data.formats.replay import to_replay
from priorrl_core.errors import DataError

RATE = 50.0


def record(recorder, value, steps=3, terminated=True, period=1 / RATE, start_s=100.0):
    """A demonstration all of whose numbers tell which one it is."""
    recorder.start({"state": np.full(2, value, np.float32)})
    for t in range(steps):
        last = t == steps - 1
        recorder.step(np.full(2, 0.1 * value), {"state": np.full(2, value + t + 1, np.float32)}, -1.0,
                      last and terminated, False, start_s + period * t)


@pytest.fixture
def recorder():
    out = DemoRecorder(RATE, "scripted")
    for value, good, terminated in ((1, True, True), (2, False, True), (3, True, False)):
        record(out, value, terminated=terminated)
        (out.accept if good else out.reject)()
    return out


@pytest.mark.parametrize("name", ["robomimic", "minari", "lerobot"])
def test_5_13_round_trip_without_the_rejected_one(recorder, name, tmp_path):
    if name != "robomimic":
        pytest.importorskip({"minari": "minari", "lerobot": "pyarrow"}[name])
    recorder.save(tmp_path / "demos", name)
    found = load_demonstrations(tmp_path / "demos", RATE, "scripted")
    assert [float(e.obs["state"][0, 0]) for e in found] == [1.0, 3.0] and not list(problems(found))
    for one, two in zip(recorder.episodes(), found, strict=True):
        assert np.array_equal(one.action, two.action) and np.array_equal(one.reward, two.reward)
        assert np.array_equal(one.obs["state"], two.obs["state"])
        assert np.array_equal(one.extra["stamp_s"], two.extra["stamp_s"])
    assert found.meta[META] == {"provenance": "scripted", "rate_hz": 50.0, "accepted": 2, "rejected": 1}


def test_5_13_a_demonstration_that_was_stopped_was_cut_off(recorder):
    assert [(e.terminated, e.truncated) for e in recorder.episodes()] == [(True, False), (False, True)]


def test_5_13_they_become_the_learners_rows(recorder):
    replay = to_replay(recorder.episodes())
    assert replay.size == 6 and torch.equal(replay.columns["next_obs"][:3, 0], torch.tensor([2.0, 3.0, 4.0]))
    assert replay.columns["terminated"].tolist() == [False, False, True, False, False, False]


def test_5_13_another_rate_is_refused_when_it_is_recorded_and_when_it_is_read(recorder, tmp_path):
    record(recorder, 4, period=1 / 30)
    with pytest.raises(DataError, match=r"recorded at 30.0 Hz, the agent acts at 50 Hz"):
        recorder.accept()
    recorder.reject()
    recorder.save(tmp_path / "demos")
    with pytest.raises(DataError, match="recorded at 50 Hz, the agent acts at 20 Hz"):
        load_demonstrations(tmp_path / "demos", 20.0)


def test_5_13_the_maker_is_known_or_the_file_is_refused(recorder, tmp_path):
    recorder.save(tmp_path / "demos")
    with pytest.raises(DataError, match="holds scripted demonstrations, human ones are wanted"):
        load_demonstrations(tmp_path / "demos", RATE, "human")
    plain = recorder.episodes()
    plain.meta.clear()
    registry.write(plain, tmp_path / "plain", "robomimic")
    with pytest.raises(DataError, match="does not say who made"):
        load_demonstrations(tmp_path / "plain", RATE)
    with pytest.raises(ValueError, match="human or scripted"):
        DemoRecorder(RATE, "robot")


def test_5_13_each_demonstration_is_decided_once():
    recorder = DemoRecorder(RATE, "human")
    with pytest.raises(DataError, match="call start"):
        recorder.reject()
    record(recorder, 1)
    with pytest.raises(DataError, match="neither accepted nor rejected"):
        recorder.start({"state": np.zeros(2)})
    with pytest.raises(DataError, match="has ended"):
        recorder.step(np.zeros(2), {"state": np.zeros(2)}, 0.0, False, False, 0.0)
    recorder.accept()
    with pytest.raises(DataError, match="no demonstration is under way"):
        recorder.reject()
    assert len(recorder.episodes()) == 1
