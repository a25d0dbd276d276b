"""Images in the one loop: what an environment and data may give, how they are kept, and that agents learn from them."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from point_learn import HORIZON, PointImage, PointReach, drawn, image_data, mixed_data

from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.agents.sac import SACConfig
from priorrl_core.agents.speed import SpeedConfig
from priorrl_core.data.chunks import chunked
from priorrl_core.data.her import HERConfig
from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.perception.small_encoder import SmallEncoderConfig
from priorrl_core.training import threads
from priorrl_core.training.goal_env import GoalEnv
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.learn_buffer import LearnBuffer
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_files import LAST, load_data, load_run_agent
from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
from priorrl_core.training.observations import image_layout
from priorrl_core.training.offline_online import OfflineOnlineLearner
from priorrl_core.training.runtime import configure_torch
from priorrl_core.training.step_loop import TRAIN_STREAM, episode_seed

QUICK = {"hidden": (32, 32), "discount": 0.9, "target_rate": 0.02, "actor_rate": 3e-3, "critic_rate": 3e-3}
SHAPE = (1, 16, 16)


@pytest.fixture(autouse=True)
def one_thread():
    configure_torch()


def config(agent: str = "sac", **changes) -> LearnConfig:
    small = {"image": SmallEncoderConfig((4, 4, 4), 8), "batch_size": 8, "replay": 60, "eval_episodes": 1,
             "offline_epoch": 10, "online_epoch": 20, "sac": SACConfig(hidden=(8, 8)), "iql": IQLConfig(hidden=(8, 8))}
    return LearnConfig("small", agent, **{**small, **changes})


# ---- environments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["HW", "HWC", "CHW"])
def test_all_layouts_are_seen_alike_as_uint8_of_their_own_memory(layout):
    world = PointImage(layout=layout)
    env = ScaledEnv(world)
    obs = env.reset(3)
    wanted = PointImage(layout="HW").reset(seed=3)[0][None]
    assert env.obs_size == SHAPE and obs.dtype == np.uint8 and np.array_equal(obs, wanted)
    following = env.step(np.ones(2))[0]
    assert following.shape == SHAPE and not np.array_equal(obs, following) and np.array_equal(obs, wanted)
    assert obs.flags.owndata and obs.flags.c_contiguous


class Given(PointReach):
    """Gives one picture, whatever is done."""

    def __init__(self, picture, space: gym.Space | None = None) -> None:
        super().__init__()
        self.picture = picture
        self.observation_space = space or gym.spaces.Box(0, 255, picture.shape, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.picture, {}


def test_colour_channels_come_first_and_the_environment_may_reuse_its_picture():
    picture = np.arange(16 * 20 * 3).reshape(16, 20, 3).astype(np.uint8)
    env = ScaledEnv(Given(picture))
    obs, kept = env.reset(0), picture.copy()
    picture[:] = 0
    assert env.obs_size == (3, 16, 20)
    assert all(obs[c, y, x] == kept[y, x, c] for c in range(3) for y in (0, 7, 15) for x in (0, 11, 19))


@pytest.mark.parametrize("layout", ["HW", "HWC"])
def test_frames_stacked_by_gymnasium_are_channels_and_what_moved_is_seen(layout):
    env = ScaledEnv(gym.wrappers.FrameStackObservation(PointImage(layout=layout), 3))
    first, plain = env.reset(3), ScaledEnv(PointImage(layout="HW"))
    frames = [plain.reset(3)]
    assert env.obs_size == (3, 16, 16) and np.array_equal(first, np.concatenate(3 * frames))
    for action in (np.ones(2), -np.ones(2)):
        seen = env.step(action)[0]
        frames.append(plain.step(action)[0])
    assert np.array_equal(seen, np.concatenate(frames)) and not np.array_equal(frames[1], frames[2])


def test_the_settings_stack_frames_and_refuse_to_stack_numbers(tmp_path):
    loop = LearnLoop(config(frames=2), LearnPlan(0, 30, make_env=PointImage), tmp_path / "two")
    loop.run()
    seen = loop.learner.buffer.practised().columns["obs"]
    assert seen.shape[1:] == (2, 16, 16) and load_run_agent(tmp_path / "two").encoder.shape == (2, 16, 16)
    assert torch.equal(seen[0, 0], seen[0, 1]) and torch.equal(seen[1, 0], seen[0, 1])
    assert not torch.equal(seen[1, 0], seen[1, 1])
    with pytest.raises(ConfigError, match="'frames' 2 stacks images.*leave it out"):
        LearnLoop(config(frames=2), LearnPlan(0, 30, make_env=PointReach), tmp_path / "numbers")
    with pytest.raises(ValueError, match="her reads goals as numbers"):
        config(frames=2, her=HERConfig())


def test_the_channels_of_a_stacked_colour_frame_stay_together():
    picture = np.arange(2 * 16 * 20 * 3).reshape(2, 16, 20, 3).astype(np.uint8)
    obs = ScaledEnv(Given(picture)).reset(0)
    assert obs.shape == (6, 16, 20)
    assert all(obs[3 * n + c, y, x] == picture[n, y, x, c] for n in (0, 1) for c in range(3) for y in (0, 9, 15)
               for x in (0, 19))


BOX = gym.spaces.Box
MIXED = gym.spaces.Dict({"image": BOX(0, 255, (32, 32, 3), np.uint8), "force": BOX(-1.0, 1.0, (3,))})


@pytest.mark.parametrize(("space", "words"), [
    (BOX(0.0, 1.0, (32, 32, 3), np.float32), "float32.*one image of uint8"),
    (BOX(0, 255, (3, 32, 3), np.uint8), r"\(3, 32, 3\).*either of two"),
    (BOX(0, 255, (32, 13, 32), np.uint8), "is no image.*at most 12 channels"),
    (BOX(0, 255, (5, 32, 32, 3), np.uint8), "at most 12 channels"),
    (BOX(0, 255, (2, 2, 32, 32, 3), np.uint8), "is no image"),
    (BOX(0, 255, (12, 32), np.uint8), "12 and 32 pixels.*16 to 128"),
    (BOX(0, 255, (32, 240, 3), np.uint8), "32 and 240 pixels"),
    (MIXED, "not from both"),
    (gym.spaces.Tuple(tuple(MIXED.values())), "not from both"),
], ids=["float", "either", "middle", "five colour frames", "five axes", "small", "large", "dict", "tuple"])
def test_observations_that_are_not_one_image_are_refused_in_one_sentence(space, words):
    env = PointReach()
    env.observation_space = space
    with pytest.raises(ConfigError, match=words) as found:
        ScaledEnv(env)
    assert "\n" not in str(found.value)


def test_bytes_in_one_row_are_numbers_and_floats_are_not_passed_off_as_images():
    row = ScaledEnv(Given(np.full(5, 7, np.uint8)))
    assert row.obs_size == 5 and row.reset(0).dtype == np.float32
    env = ScaledEnv(Given(np.ones((16, 16)), BOX(0, 255, (16, 16), np.uint8)))
    with pytest.raises(DataError, match="float64, its space says uint8"):
        env.reset(0)


class ImageGoals(PointReach):
    def __init__(self) -> None:
        super().__init__()
        box = BOX(0, 255, (16, 16), np.uint8)
        self.observation_space = gym.spaces.Dict(dict.fromkeys(("observation", "achieved_goal", "desired_goal"), box))

    def compute_reward(self, achieved, desired, info):
        return 0.0


def test_hindsight_with_images_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\('her'\).*images.*leave 'her' out"):
        GoalEnv(ImageGoals())
    with pytest.raises(ConfigError, match="leave 'her' out"):
        LearnLoop(config(her=HERConfig()), LearnPlan(0, 5, make_env=PointImage), tmp_path)
    with pytest.raises(ConfigError, match=r"\('her'\).*here are images; leave 'her' out"):
        LearnLoop(config(her=HERConfig()), LearnPlan(5, 0, data=image_data(2)), tmp_path)


# ---- data and buffer ----------------------------------------------------------------------------------


def saved(tmp_path: Path, shape: tuple[int, ...], rows: int = 4) -> Path:
    data = TransitionReplay(rows, shape, 2, images=True)
    for name in ("obs", "next_obs"):
        data.columns[name].random_(0, 256, generator=torch.Generator().manual_seed(0))
    data.added = rows
    data.save(tmp_path / "images.safetensors")
    return tmp_path / "images.safetensors"


@pytest.mark.parametrize(("shape", "seen", "axes"), [((16, 20), (1, 16, 20), None),
                                                     ((3, 16, 20), (3, 16, 20), (0, 1, 2)),
                                                     ((16, 20, 3), (3, 16, 20), (2, 0, 1))])
def test_data_of_each_layout_become_channels_first_without_a_copy(shape, seen, axes, tmp_path):
    path = saved(tmp_path, shape)
    stored, data = TransitionReplay.load(path), load_data(path, seen, 2)
    wanted = stored.columns["obs"][2].numpy()
    assert data.obs_shape == seen and np.array_equal(data.columns["obs"][2].numpy(),
                                                     wanted[None] if axes is None else wanted.transpose(axes))
    column = data.columns["obs"]
    assert column.dtype == torch.uint8 and column.untyped_storage().nbytes() == column.numel()
    buffer = LearnBuffer(2, seen, 2, data)
    assert torch.equal(buffer.table.columns["obs"][:4], data.columns["obs"]) and buffer.table.images


def test_data_of_stacked_colour_frames_are_what_the_environment_shows(tmp_path):
    path = saved(tmp_path, (2, 16, 20, 3))
    stored, data = TransitionReplay.load(path), load_data(path, (6, 16, 20), 2)
    picture = stored.columns["next_obs"][1].numpy()
    assert np.array_equal(data.columns["next_obs"][1].numpy(), ScaledEnv(Given(picture)).reset(0))


@pytest.mark.parametrize(("shape", "wanted", "words"), [
    ((1, 16, 16), (1, 32, 32), r"'obs' has images \(1, 16, 16\), the environment's has images \(1, 32, 32\)"),
    ((16, 16), 2, r"images \(1, 16, 16\), the environment's has 2 numbers"),
    ((8, 8), None, r"'obs' of shape \(8, 8\) has sides of 8 and 8"),
    ((3, 16, 3), None, "either of two"),
])
def test_images_that_do_not_fit_are_named_by_file_key_and_shapes(shape, wanted, words, tmp_path):
    with pytest.raises(DataError, match="images.safetensors.*" + words):
        load_data(saved(tmp_path, shape), wanted, 2)


def test_numbers_for_an_environment_of_images_are_refused_also_without_a_file(tmp_path):
    mixed_data(2).save(tmp_path / "numbers.safetensors")
    with pytest.raises(DataError, match=r"'obs' has 2 numbers, the environment's has images \(1, 16, 16\)"):
        load_data(tmp_path / "numbers.safetensors", SHAPE, 2)
    with pytest.raises(DataError, match=r"the data: 'obs' has 2 numbers, .* images \(1, 16, 16\)"):
        LearnLoop(config(), LearnPlan(5, 5, make_env=PointImage, data=mixed_data(2)), tmp_path)


def test_images_of_floats_are_refused_and_the_loop_itself_takes_any_layout(tmp_path):
    floats = TransitionReplay(4, SHAPE, 2)
    floats.added = 4
    floats.save(tmp_path / "floats.safetensors")
    with pytest.raises(DataError, match=r"floats.safetensors.*\(1, 16, 16\).*one image of uint8"):
        load_data(tmp_path / "floats.safetensors")
    flat = TransitionReplay.load(saved(tmp_path, (16, 16)))
    loop = LearnLoop(config(), LearnPlan(5, 0, make_env=PointImage, data=flat), tmp_path / "run")
    assert torch.equal(loop.learner.buffer.table.columns["obs"][:4, 0], flat.columns["obs"])


@pytest.mark.parametrize(("column", "value"), [("reward", np.nan), ("action", 1.5)])
def test_bad_rows_of_image_data_are_found(column, value, tmp_path):
    data = image_data(2)
    data.columns[column][3] = value
    data.save(tmp_path / "data.safetensors")
    with pytest.raises(DataError, match=f"data.safetensors.*'{column}'.*row 3"):
        load_data(tmp_path / "data.safetensors", SHAPE, 2)


def test_practice_is_kept_and_collected_as_uint8_and_is_data_for_the_next_run(tmp_path):
    """As the environment showed them, by the executed commands; 5 of 30 steps gave way."""
    loop = LearnLoop(config(replay=25), LearnPlan(0, 30, make_env=PointImage), tmp_path / "run")
    loop.run()
    loop.learner.buffer.practised().save(tmp_path / "own.safetensors")
    data = load_data(tmp_path / "own.safetensors", SHAPE, 2)
    assert data.size == 25 and data.columns["obs"].dtype == torch.uint8
    world = PointImage(layout="CHW")
    for episode, first in ((1, 5), (2, 15)):
        seen = world.reset(seed=episode_seed(0, TRAIN_STREAM, episode))[0]
        for row in range(first, first + HORIZON):
            assert np.array_equal(seen, data.columns["obs"][row].numpy())
            seen = world.step(data.columns["executed"][row].numpy().astype(np.float32))[0]
            assert np.array_equal(seen, data.columns["next_obs"][row].numpy())
    agent = load_run_agent(tmp_path / "run", "last")
    assert torch.equal(agent.act(data.columns["obs"][:4], True), loop.learner.agent.act(data.columns["obs"][:4], True))


def test_batches_and_what_is_written_of_the_buffer_are_uint8():
    learner = OfflineOnlineLearner(config(random_shift=3), SHAPE, 2, 0, image_data(2))
    batch = learner.sample(None)
    assert batch.obs.dtype == batch.next_obs.dtype == torch.uint8 and batch.obs.shape == (8, *SHAPE)
    assert all(c.dtype == torch.uint8 for n, c in learner.buffer.tensors().items() if n.endswith("obs"))


def test_a_replay_too_large_for_memory_is_one_sentence():
    with pytest.raises(ConfigError, match="do not fit into memory; lower 'replay'"):
        LearnBuffer(10**12, (3, 96, 96), 2)


# ---- random shift -------------------------------------------------------------------------------------


def test_the_shift_is_drawn_of_the_samplers_generator_behind_the_rows():
    """Off: the same rows, unmoved. On: each image moved by at most so much, observation and next one each its own way.
    """
    off, on = (OfflineOnlineLearner(config(random_shift=pad), SHAPE, 2, 0, image_data(4)) for pad in (0, 2))
    others = [own.explorer.get_state() for own in (off, on)]
    plain, moved = off.sample(None), on.sample(None)
    assert all(torch.equal(a, own.explorer.get_state()) for a, own in zip(others, (off, on), strict=True))
    assert torch.equal(plain.action, moved.action) and torch.equal(plain.reward, moved.reward)
    for name in ("obs", "next_obs"):
        before, after = getattr(plain, name), getattr(moved, name)
        assert not torch.equal(before, after)
        inner = after[:, :, 2:-2, 2:-2]
        for i in range(len(before)):
            assert any(torch.equal(inner[i], before[i, :, 2 + y:14 + y, 2 + x:14 + x])
                       for y in range(-2, 3) for x in range(-2, 3))
    again = OfflineOnlineLearner(config(random_shift=2), SHAPE, 2, 0, image_data(4))
    assert torch.equal(again.sample(None).obs, moved.obs) and not torch.equal(again.sample(None).obs, moved.obs)


def test_a_shift_of_numbers_or_of_the_whole_image_is_refused():
    with pytest.raises(ConfigError, match="'random_shift' moves images"):
        OfflineOnlineLearner(config(random_shift=4), 2, 2)
    with pytest.raises(ConfigError, match="16 x 16 pixels"):
        OfflineOnlineLearner(config(random_shift=16), SHAPE, 2)
    with pytest.raises(ValueError, match="random_shift"):
        config(random_shift=-1)


# ---- the loop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"chunk": 2}, {"speed": SpeedConfig(bf16=True)}], ids=["chunk", "bf16"])
def test_chunks_and_bfloat16_go_with_images_and_resume_bit_for_bit(changes, tmp_path):
    facts = {"make_env": PointImage, "data": image_data(4), **changes}
    LearnLoop(config(), LearnPlan(15, 40, **facts), tmp_path / "whole").run()
    LearnLoop(config(), LearnPlan(15, 20, **facts), tmp_path / "cut").run()
    LearnLoop(config(), LearnPlan(15, 40, **facts), tmp_path / "cut", resume=True).run()
    assert (tmp_path / "cut" / LAST).read_bytes() == (tmp_path / "whole" / LAST).read_bytes()


def test_chunks_of_images_are_the_chunks_of_their_states():
    states, images = chunked(mixed_data(3), 3, 0.9), chunked(image_data(3), 3, 0.9)
    for name, column in states.columns.items():
        if name in ("obs", "next_obs"):
            column = torch.from_numpy(np.stack([drawn(row, 16)[None] for row in column.numpy()]))
        assert torch.equal(column, images.columns[name])


def test_image_data_alone_are_enough_and_returns_scale_their_rewards(tmp_path):
    settings = config("iql", return_range=True)
    loop = LearnLoop(settings, LearnPlan(5, 0, data=image_data(4)), tmp_path)
    assert loop.run()["updates"] == 5
    states = OfflineOnlineLearner(settings, 2, 2, 0, mixed_data(4))
    assert loop.learner.reward_scale == pytest.approx(states.reward_scale)


def test_threads_are_measured_on_images_of_the_runs_own_size():
    rates = threads.measure(config(random_shift=2), (3, 24, 20), 2, 0.1)
    assert min(rates.values()) > 0.0


def test_layouts_by_shape():
    assert [image_layout(s) for s in ((32, 32), (96, 64, 3), (1, 16, 16))] == ["HW", "HWC", "CHW"]
    assert [image_layout(s) for s in ((16, 16, 12), (12, 16, 16), (4, 16, 16, 3))] == ["HWC", "CHW", "NHWC"]


def test_sac_learns_from_images_alone(tmp_path):
    """Standing still gives about -8, and nothing that does not see the point does much better; the best is near -1."""
    settings = config(sac=SACConfig(**QUICK, alpha_init=0.2), image=SmallEncoderConfig((8, 8, 8), 32), batch_size=64,
                      replay=1000, random_steps=100, warm_steps=100, online_epoch=600, eval_episodes=16)
    loop = LearnLoop(settings, LearnPlan(0, 600, make_env=PointImage), tmp_path)
    act = loop.learner.act
    loop.learner.act = lambda obs, explore: np.zeros(2, np.float32)  # type: ignore[method-assign]
    still = loop._evaluate().means("eval")["eval/return"]
    loop.learner.act = act  # type: ignore[method-assign]
    loop.run()
    start, end = (float(loop.log.rows[i]["eval/return"]) for i in (0, -1))
    assert -9.0 < still < -6.0 and end > still + 4.0 and end > start + 4.0
