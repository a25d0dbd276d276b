"""DrQ's random shift: moves by hand, the edge repeated, every move as often as any other."""

import pytest
import torch
from torch.nn.functional import pad

from priorrl_core.perception.random_shift import random_shift, shifted


def test_pixels_move_and_the_edge_is_repeated():
    image = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3)
    one, none = torch.tensor([[1]]), torch.tensor([[0]])
    assert shifted(image, one, none)[0, 0].tolist() == [[3, 4, 5], [6, 7, 8], [6, 7, 8]]
    assert shifted(image, none, -one)[0, 0].tolist() == [[0, 0, 1], [3, 3, 4], [6, 6, 7]]


def test_it_is_a_crop_of_the_image_padded_by_its_edge():
    """Against torch's replicate padding, for images of two channels and other moves each."""
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (25, 2, 6, 8), generator=g).to(torch.uint8)
    down, right = (m.reshape(-1, 1) for m in torch.meshgrid(torch.arange(-2, 3), torch.arange(-2, 3), indexing="ij"))
    padded = pad(images.float(), (2, 2, 2, 2), mode="replicate").to(torch.uint8)
    out = shifted(images, down, right)
    for i, (y, x) in enumerate(zip(down.flatten().tolist(), right.flatten().tolist(), strict=True)):
        assert torch.equal(out[i], padded[i, :, 2 + y:8 + y, 2 + x:10 + x])


@pytest.mark.parametrize("shape", [(6000, 1, 9, 9), (2000, 3, 1, 9, 9)])
def test_all_moves_are_equally_likely_along_and_across(shape):
    """A dot in the middle lands on each of 3 x 3 pixels."""
    images = torch.zeros(shape, dtype=torch.uint8)
    images[..., 4, 4] = 1
    out = random_shift(images, 1, torch.Generator().manual_seed(0))
    share = out.flatten(0, -3).double().mean(0)
    assert out.shape == images.shape and out.dtype == torch.uint8 and float(share.sum()) == pytest.approx(1.0)
    assert float((share[3:6, 3:6] - 1.0 / 9.0).abs().max()) < 0.015


def test_it_is_of_its_generator_alone():
    images = torch.randint(0, 256, (8, 1, 9, 9), generator=torch.Generator().manual_seed(0))
    first, second = (random_shift(images, 2, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(first, images)
