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


def test_9_10_grey_images_of_32_pixels_have_the_encoder_of_the_residual_controllers():
    """Two strides of 2, an 8 x 8 map of 32 channels, the weights of one seed in this order."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layers = [torch.nn.Conv2d(1, 16, 4, 2, 1), torch.nn.Conv2d(16, 32, 4, 2, 1), torch.nn.Conv2d(32, 32, 3, 1, 1),
                  torch.nn.Linear(2048, 64)]
    own = [p for p in SmallEncoder(seed=3).layers.parameters()]
    wanted = [p for layer in layers for p in layer.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(own, wanted, strict=False)) and len(own) == len(wanted) + 2


@pytest.mark.parametrize(("shape", "pixels"), [((1, 16, 16), 16), ((3, 32, 32), 64), ((3, 48, 48), 144),
                                               ((3, 64, 64), 64), ((3, 84, 84), 121), ((3, 96, 96), 144),
                                               ((1, 128, 128), 256), ((1, 17, 45), 44), ((3, 64, 48), 48),
                                               ((12, 32, 32), 64)])
def test_other_sizes_have_a_map_of_at_most_16_by_16(shape, pixels):
    encoder = SmallEncoder(SmallEncoderConfig((4, 4, 4), 8), 0, shape)
    images = torch.randint(0, 256, (2, *shape), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert encoder(images).shape == (2, 8) and encoder.layers[7].in_features == 4 * pixels
    with pytest.raises(ValueError, match="images are"):
        encoder(images[:, :, :-1])


@pytest.mark.parametrize("shape", [(0, 32, 32), (13, 32, 32), (3, 15, 32), (3, 32, 129)])
def test_wrong_sizes_are_refused(shape):
    with pytest.raises(ValueError, match="16 to 128 pixels"):
        SmallEncoder(shape=shape)


def test_wrong_channels_are_refused():
    with pytest.raises(ValueError, match="three numbers"):
        SmallEncoderConfig(channels=(8, 8))  # type: ignore[arg-type]
