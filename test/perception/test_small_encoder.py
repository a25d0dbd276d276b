"""The online agents' encoders: shapes, ranges, units."""

import pytest
import torch

from priorrl_core.perception.small_encoder import SmallEncoder, SmallEncoderConfig, StateEncoder, grey_to_float


def test_9_10_uint8_and_float_images_give_the_same_bounded_features():
    images = torch.randint(0, 256, (4, 1, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    kept, encoder = images.clone(), SmallEncoder()
    features = encoder(images)
    assert features.shape == (4, encoder.width) and float(features.abs().max().detach()) <= 1.0
    assert torch.equal(features, encoder(grey_to_float(images))) and torch.equal(images, kept)
    assert grey_to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-0.5, 0.5]


def test_a_shift_of_one_pixel_is_seen():
    image = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    image[0, 0, 14:18, 14:18] = 255
    encoder = SmallEncoder()
    assert float((encoder(image) - encoder(image.roll(1, 3))).abs().max().detach()) > 1e-3


def test_state_encoder_scales_and_has_no_parameters():
    encoder = StateEncoder(2, (10.0, 0.5))
    assert encoder(torch.tensor([[0.1, 4.0]])).tolist() == [[1.0, 2.0]]
    assert not list(encoder.parameters()) and encoder.width == 2
    with pytest.raises(ValueError, match="2 entries"):
        StateEncoder(2, (1.0,))


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="three numbers"):
        SmallEncoderConfig(channels=(8, 8))  # type: ignore[arg-type]
