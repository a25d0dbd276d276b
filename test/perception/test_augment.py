"""Table 24's augmentation: ranges, seeds, and each operation against its definition."""

import dataclasses

import numpy as np
import pytest
import torch

from priorrl_core.config import build
from priorrl_core.errors import ConfigError
from priorrl_core.perception.augment import (
    GREY,
    Augment,
    AugmentConfig,
    AugmentParameters,
    colour_jitter,
    draw_parameters,
    resized_crop,
)

FULL = torch.tensor([[0.0, 0.0, 48.0, 48.0]])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_images(n=4):
    return torch.rand(n, 3, 48, 48, generator=generator(9)) - 0.5


def parameters(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0, crop=FULL):
    one = torch.ones(1)
    return AugmentParameters(one * brightness, one * contrast, one * saturation, one * hue, crop)


def test_10_32_same_seed_same_images_other_seed_other_images():
    x = some_images()
    a, b, c = (Augment()(x, generator(s)) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.allclose(a, c, atol=1e-3)
    assert a.shape == x.shape and float(a.min()) >= -0.5 and float(a.max()) <= 0.5


def test_10_32_draws_fill_the_documented_ranges():
    c = AugmentConfig()
    p = draw_parameters(20000, c, generator())
    for name, (low, high) in (
        ("brightness", (0.75, 1.25)), ("contrast", (0.9, 1.1)),
        ("saturation", (0.9, 1.1)), ("hue", (-0.1, 0.1)),
    ):  # fmt: skip
        values = getattr(p, name)
        assert low <= float(values.min()) < low + 0.01 and high - 0.01 < float(values.max()) <= high
    left, top, width, height = p.crop.T
    area, ratio = width * height / 48**2, width / height
    assert 0.89 < float(area.min()) < 0.91 and float(area.max()) <= 1.0 + 1e-5
    assert 0.9 - 1e-4 <= float(ratio.min()) < 0.91 and 1.09 < float(ratio.max()) <= 1.1 + 1e-4
    assert float(left.min()) >= 0 and float((left + width).max()) <= 48 + 1e-3
    assert float(top.min()) >= 0 and float((top + height).max()) <= 48 + 1e-3


def test_10_32_offline_only_is_countable():
    augment = Augment()
    augment(some_images(4), generator())
    assert augment.images_seen == 4


def test_neutral_parameters_change_nothing():
    x = some_images(1)
    assert torch.allclose(resized_crop(colour_jitter(x, parameters()), FULL), x, atol=1e-5)


def test_brightness_multiplies_and_clamps():
    x = some_images(1)
    expected = ((x + 0.5) * 1.25).clamp(0, 1) - 0.5
    assert torch.allclose(colour_jitter(x, parameters(brightness=1.25)), expected, atol=1e-5)


def test_saturation_zero_is_grey_and_contrast_zero_is_mean_grey():
    x = some_images(1)
    grey = torch.einsum("c,bchw->bhw", torch.tensor(GREY), x + 0.5)[:, None].expand_as(x)
    assert torch.allclose(colour_jitter(x, parameters(saturation=0.0)) + 0.5, grey, atol=1e-5)
    flat = colour_jitter(x, parameters(contrast=0.0)) + 0.5
    assert torch.allclose(flat, grey.mean().expand_as(x), atol=1e-4)


def test_hue_keeps_brightness_and_turns_colours():
    x = 0.2 * some_images(1)  # far from the clamps
    turned = colour_jitter(x, parameters(hue=0.1))
    luma = torch.tensor(GREY)
    assert torch.allclose(
        torch.einsum("c,bchw->bhw", luma, turned), torch.einsum("c,bchw->bhw", luma, x), atol=1e-3
    )
    assert not torch.allclose(turned, x, atol=0.01)
    grey = torch.full((1, 3, 48, 48), 0.2)
    assert torch.allclose(colour_jitter(grey, parameters(hue=0.1)), grey, atol=1e-3)


def test_mixed_channels_keep_grey_mid_and_edges_and_are_off_in_table_24():
    x = some_images(1)
    assert draw_parameters(3, AugmentConfig(), generator()).mix is None
    mix = draw_parameters(1, AugmentConfig(mix=1.0), generator()).mix
    assert torch.allclose(mix.norm(dim=2), torch.ones(1, 3), atol=1e-5)
    small = 0.2 * x
    drawn = dataclasses.replace(parameters(), mix=mix)
    expected = torch.einsum("ck,bkhw->bchw", mix[0], small)
    assert torch.allclose(colour_jitter(small, drawn), expected, atol=1e-5)
    assert torch.allclose(colour_jitter(torch.zeros_like(x), drawn), torch.zeros_like(x), atol=1e-6)


def test_crop_equals_interpolation_of_a_ramp():
    ramp = (torch.arange(48) / 48.0 - 0.5).expand(1, 3, 48, 48).contiguous()
    out = resized_crop(ramp, torch.tensor([[6.0, 3.0, 36.0, 40.0]]))
    source = 6.0 + (torch.arange(48) + 0.5) * 36 / 48 - 0.5
    assert torch.allclose(out[0, 1, 20], source / 48.0 - 0.5, atol=1e-5)
    rows = resized_crop(ramp.transpose(2, 3).contiguous(), torch.tensor([[3.0, 6.0, 40.0, 36.0]]))
    assert torch.allclose(rows[0, 1, :, 20], source / 48.0 - 0.5, atol=1e-5)


def test_flip_mirrors_left_and_right_and_is_off_by_default():
    x = some_images(2)
    both = resized_crop(x, FULL.expand(2, 4), torch.tensor([True, False]))
    assert torch.allclose(both[0], x[0].flip(2), atol=1e-5) and torch.allclose(both[1], x[1], atol=1e-5)
    assert draw_parameters(3, AugmentConfig(), generator()).mirrored is None
    share = draw_parameters(4000, AugmentConfig(flip=0.5), generator()).mirrored.float().mean()
    assert float(share) == pytest.approx(0.5, abs=0.03)


def test_impossible_ranges_are_refused():
    with pytest.raises(ConfigError, match="brightness"):
        build(AugmentConfig, {"brightness": [1.2, 0.8]}, "x.yaml")
    with pytest.raises(ConfigError, match="did you mean 'contrast'"):
        build(AugmentConfig, {"contrst": [1.0, 1.0]}, "x.yaml")
    assert dataclasses.asdict(build(AugmentConfig, {}, "x.yaml"))["hue"] == (-0.1, 0.1)


def test_a_batch_costs_little():
    import time

    x, augment, g = some_images(256), Augment(), generator()
    times = []
    for _ in range(4):
        start = time.process_time()
        augment(x, g)
        times.append(time.process_time() - start)
    assert np.min(times) < 0.25
