"""One way from camera to network: wrong images are named, right ones come through unchanged."""

import numpy as np
import pytest
import torch

from priorrl_core.errors import DataError
from priorrl_core.perception.preprocess import check_batch, check_image, to_images, to_tensor


def test_s_05_the_same_array_offline_and_in_the_node():
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    message_bytes = image.tobytes()  # what a sensor_msgs/Image carries
    received = np.frombuffer(message_bytes, np.uint8).reshape(48, 48, 3)
    assert torch.equal(to_tensor(check_image(received)[None]), to_tensor(check_batch(image[None])))


def test_tensor_has_range_order_and_round_trip():
    image = np.zeros((1, 48, 48, 3), np.uint8)
    image[0, 5, 7] = (255, 51, 0)
    x = to_tensor(image)
    assert x.shape == (1, 3, 48, 48) and x.dtype == torch.float32
    assert x[0, :, 5, 7].tolist() == pytest.approx([0.5, -0.3, -0.5])
    assert np.array_equal(to_images(x), image)


@pytest.mark.parametrize(
    ("image", "encoding", "words"),
    [
        (np.zeros((48, 48, 3), np.uint8), "bgr8", "encoding is 'bgr8'"),
        (np.zeros((64, 48, 3), np.uint8), "rgb8", r"\(64, 48, 3\)"),
        (np.zeros((48, 48, 3), np.float32), "rgb8", "float32"),
    ],
)
def test_wrong_images_are_named(image, encoding, words):
    with pytest.raises(DataError, match=words):
        check_image(image, encoding)


def test_wrong_batches_are_named():
    with pytest.raises(DataError, match="48, 48, 3"):
        check_batch(np.zeros((2, 3, 48, 48), np.uint8))
