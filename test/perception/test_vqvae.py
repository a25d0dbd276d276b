"""VQ-VAE of Table 25: shapes, codebook, straight-through gradient, training, resume, broken files."""

import dataclasses

import numpy as np
import pytest
import torch
from synthetic import draw

from priorrl_core.errors import DataError
from priorrl_core.perception.preprocess import to_tensor
from priorrl_core.perception.train_vqvae import train_vqvae
from priorrl_core.perception.vqvae import VQVAE, VQVAEConfig, load_vqvae_config, perplexity, vq_loss

SMALL = VQVAEConfig(hidden=16, residual_layers=1, residual_hidden=8, batch_size=16, steps=300,
                    restart_every=20, report_every=40, learning_rate=2e-3)  # fmt: skip


@pytest.fixture
def images():
    return draw(6, 40, 0).images


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VQVAE(SMALL)


def test_shapes_are_those_of_table_25(model, images):
    codes, embedding = model.encode(images[:3])
    assert codes.shape == (3, 12, 12) and codes.dtype == np.uint16
    assert embedding.shape == (3, 12, 12, 5) and embedding[0].size == 720
    assert model.codebook.shape == (512, 5)
    assert model.decode(codes).shape == (3, 48, 48, 3)
    full = VQVAEConfig()
    assert (full.hidden, full.residual_layers, full.residual_hidden, full.commitment) == (128, 3, 64, 0.25)


def test_every_vector_is_the_nearest_row_and_quantising_twice_changes_nothing(model, images):
    z_e = model.encoder(to_tensor(images[:2]))
    first = model.quantise(z_e)
    rows = model.codebook[first.codes].permute(0, 3, 1, 2)
    assert torch.allclose(first.embedding, rows, atol=1e-6)
    assert torch.equal(model.quantise(rows).codes, first.codes)
    brute = torch.cdist(z_e.permute(0, 2, 3, 1).reshape(-1, 5), model.codebook).argmin(1)
    assert torch.equal(first.codes.reshape(-1), brute)


def test_gradients_go_straight_through_and_to_the_codebook_by_its_own_term(model, images):
    x = to_tensor(images[:4])
    out, q = model(x)
    vq_loss(x, out, q, 0.25).backward()
    assert float(model.encoder[0].weight.grad.abs().sum()) > 0
    assert float(model.codebook.grad.abs().sum()) > 0
    model.zero_grad()
    out, q = model(x)
    (out.square().mean() + q.commitment_loss).backward()
    assert model.codebook.grad is None


def test_commitment_enters_linearly(model, images):
    x = to_tensor(images[:4])
    out, q = model(x)
    at = [vq_loss(x, out, q, c).item() for c in (0.0, 0.25, 0.5)]
    assert at[2] - at[1] == pytest.approx(at[1] - at[0], abs=1e-6) and at[1] > at[0]


def test_training_beats_the_mean_image_and_uses_many_codes(images):
    reports = []
    model = train_vqvae(images, SMALL, 0, reports.append)
    x = to_tensor(images)
    mean_image = float((x - x.mean(0)).square().mean())
    assert reports[-1].mse < 0.5 * mean_image
    assert reports[-1].perplexity > 20
    codes, _ = model.encode(images[:20])
    assert perplexity(torch.from_numpy(codes.astype(np.int64)), 512) > 10
    assert float(np.abs(model.decode(codes).astype(float) - images[:20]).mean()) < 40


def test_perplexity_of_one_code_is_one_and_of_all_is_all():
    assert perplexity(torch.zeros(50, dtype=torch.int64), 8) == pytest.approx(1.0)
    assert perplexity(torch.arange(8), 8) == pytest.approx(8.0)


def test_resume_is_bit_exact(images, tmp_path):
    config = dataclasses.replace(SMALL, steps=60, report_every=20)
    whole = train_vqvae(images, config, 3)

    class Stop(Exception):
        pass

    def stop_at_40(report):
        if report.step == 40:
            raise Stop

    state = tmp_path / "state.safetensors"
    with pytest.raises(Stop):
        train_vqvae(images, config, 3, stop_at_40, state)
    resumed = train_vqvae(images, config, 3, resume=state)
    assert resumed.hash() == whole.hash()
    with pytest.raises(DataError, match="other data, seed or settings"):
        train_vqvae(images, config, 4, resume=state)


def test_save_load_and_broken_files(model, images, tmp_path):
    path = tmp_path / "vqvae.safetensors"
    model.save(path)
    again = VQVAE.load(path)
    assert again.hash() == model.hash()
    assert np.array_equal(again.encode(images[:2])[0], model.encode(images[:2])[0])
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="truncated"):
        VQVAE.load(tmp_path / "cut.safetensors")
    with pytest.raises(DataError, match="there is no VQ-VAE"):
        VQVAE.load(tmp_path / "none.safetensors")


def test_codes_outside_the_book_are_refused(model):
    with pytest.raises(DataError, match="below 512"):
        model.decode(np.full((1, 12, 12), 512, np.uint16))


def test_the_yaml_file_keeps_table_25_where_it_can():
    c = load_vqvae_config()
    assert (c.dimension, c.codes, c.commitment, c.residual_layers) == (5, 512, 0.25, 3)
