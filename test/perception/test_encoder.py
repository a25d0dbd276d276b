"""DAIB's representation: equations against closed forms, gradients to where they belong, five modes."""

import math
import time

import pytest
import torch

from priorrl_core.perception.encoder import (
    MODES,
    DAIBEncoder,
    DAIBWeights,
    DomainHead,
    EncoderConfig,
    daib_objective,
    daib_terms,
    domain_ce,
    grad_reverse,
    kl_standard_normal,
    module_hash,
    reward_bce,
)


def made(mode="daib", seed=0, **kwargs):
    torch.manual_seed(seed)
    return DAIBEncoder(EncoderConfig(mode=mode, **kwargs))


def images(n=6, seed=0):
    return torch.rand(n, 3, 48, 48, generator=torch.Generator().manual_seed(seed)) - 0.5


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_10_04_reward_bce_values_and_gradient():
    logit = torch.tensor([0.0, math.log(3.0)], requires_grad=True)
    r = torch.tensor([1.0, 0.0])
    loss = reward_bce(logit, r)
    assert loss.item() == pytest.approx(0.5 * (math.log(2.0) + math.log(4.0)), rel=1e-6)
    loss.backward()
    assert logit.grad.tolist() == pytest.approx([(0.5 - 1.0) / 2, 0.75 / 2], rel=1e-6)


def test_10_05_domain_loss_never_reaches_z_s():
    encoder, head = made(), DomainHead(32, 4)
    rep = encoder(images(), generator())
    domain_ce(head(rep.z_i), torch.tensor([0, 1, 2, 3, 0, 1])).backward()
    gradient = encoder.project.weight.grad
    assert float(gradient[:32].abs().sum()) > 0
    assert float(gradient[32:].abs().sum()) == 0.0


def test_10_05_reward_sees_both_parts():
    encoder = made()
    rep = encoder(images(), generator())
    assert rep.z.shape == (6, 64) and torch.equal(rep.z[:, :32], rep.z_i)
    rep.z.sum(0)[32:].sum().backward()
    assert float(encoder.project.weight.grad[32:64].abs().sum()) > 0


def test_10_06_reversal_equals_minus_the_gradient_and_the_alternating_version():
    d = torch.tensor([0, 1, 2, 3, 0, 1])
    weight = 0.7
    encoder, head = made(), DomainHead(32, 4)
    domain_ce(head(grad_reverse(encoder(images()).z_i, weight)), d).backward()
    reversed_encoder = encoder.project.weight.grad.clone()
    reversed_head = head.net[0].weight.grad.clone()

    encoder.zero_grad()
    head.zero_grad()
    domain_ce(head(encoder(images()).z_i.detach()), d).backward()  # step 4: psi alone
    assert torch.allclose(head.net[0].weight.grad, reversed_head, atol=1e-7)
    head.requires_grad_(False)
    (-weight * domain_ce(head(encoder(images()).z_i), d)).backward()  # step 5: phi, psi frozen
    assert torch.allclose(encoder.project.weight.grad, reversed_encoder, atol=1e-7)
    assert float(reversed_encoder.abs().sum()) > 0


def test_10_07_kl_closed_form_and_zero_at_the_prior():
    mu, log_std = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, math.log(2.0)]])
    expected = 0.5 * (1 + 1 - 0 - 1) + 0.5 * (4 + 4 - 2 * math.log(2) - 1)
    assert float(kl_standard_normal(mu, log_std)) == pytest.approx(expected, rel=1e-6)
    assert float(kl_standard_normal(torch.zeros(1, 3), torch.zeros(1, 3))) == 0.0


def test_10_07_kl_agrees_with_a_monte_carlo_estimate():
    mu, log_std = torch.tensor([[0.5, -1.0]]), torch.tensor([[-0.3, 0.2]])
    p, q = torch.distributions.Normal(mu, log_std.exp()), torch.distributions.Normal(0.0, 1.0)
    torch.manual_seed(0)
    x = p.sample((200000,))
    estimate = (p.log_prob(x) - q.log_prob(x)).sum(-1).mean()
    assert float(kl_standard_normal(mu, log_std)) == pytest.approx(float(estimate), abs=0.02)


def test_10_07_sampled_in_training_mean_at_inference():
    encoder, x = made(), images()
    sampled = encoder(x, generator(3))
    expected = sampled.mu + sampled.log_std.exp() * torch.randn(6, 32, generator=generator(3))
    assert torch.equal(sampled.z[:, 32:], expected)
    first, second = encoder.features(x), encoder.features(x)
    assert torch.equal(first, second) and torch.equal(first[:, 32:], encoder(x).mu)
    assert not first.requires_grad


def test_10_08_objective_is_the_sum_of_its_terms_and_l_daib_has_no_bce():
    encoder, head, d = made(), DomainHead(32, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    rep = encoder(images(), generator())
    beta, weight = 0.05, 0.6
    terms = daib_terms(rep, head(grad_reverse(rep.z_i, weight)), d, beta)
    loss, ce, kl = (t.detach() for t in terms)
    assert float(ce) == pytest.approx(domain_ce(head(rep.z_i), d).item(), rel=1e-6)
    assert float(kl) == pytest.approx(kl_standard_normal(rep.mu, rep.log_std).mean().item(), rel=1e-6)
    assert float(loss) == pytest.approx(float(ce) + beta * float(kl), rel=1e-6)
    printed = -weight * float(ce) + beta * float(kl)
    assert float(daib_objective(ce, kl, weight, beta)) == pytest.approx(printed)


def test_10_08_gradient_of_phi_is_that_of_the_printed_objective():
    encoder, head, d = made(), DomainHead(32, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    rep = encoder(images(), generator(1))
    daib_terms(rep, head(grad_reverse(rep.z_i, 0.6)), d, 0.05)[0].backward()
    one_pass = encoder.project.weight.grad.clone()
    encoder.zero_grad()
    rep = encoder(images(), generator(1))
    _, ce, kl = daib_terms(rep, head(rep.z_i), d, 0.05)
    daib_objective(ce, kl, 0.6, 0.05).backward()
    assert torch.allclose(encoder.project.weight.grad, one_pass, atol=1e-6)


def test_10_09_z_i_is_bounded_unless_switched_off():
    x = 100.0 * images()
    assert float(made()(x).z_i.norm(dim=1).max()) <= math.sqrt(32) + 1e-3
    assert float(made(invariant_bound="tanh")(x).z_i.abs().max()) <= 1.0
    assert float(made(invariant_bound="none")(x).z_i.norm(dim=1).max()) > math.sqrt(32)


def test_10_09_adversarial_weight_ramps_over_the_first_half():
    weights = DAIBWeights(adversarial=2.0, ramp=0.5)
    assert [weights.adversarial_at(p) for p in (0.0, 0.25, 0.5, 1.0)] == [0.0, 1.0, 2.0, 2.0]
    assert DAIBWeights(ramp=0.0).adversarial_at(0.0) == 1.0


@pytest.mark.parametrize("mode", MODES)
def test_10_11_flags_give_the_right_graph(mode):
    invariant, specific, log_std = {
        "daib": (32, 32, 32), "dann": (64, 0, 0), "daib_lambda0": (32, 32, 0),
        "vib": (0, 64, 64), "erm": (0, 64, 0),
    }[mode]  # fmt: skip
    encoder = made(mode)
    rep = encoder(images(), generator())
    assert (rep.z_i.shape[1], rep.mu.shape[1], rep.log_std.shape[1]) == (invariant, specific, log_std)
    assert encoder.features(images()).shape == (6, 64)
    assert encoder.project.weight.shape == (invariant + specific + log_std, 2304)
    head = DomainHead(invariant, 3) if encoder.config.flags.adversary else None
    d = torch.tensor([0, 1, 2, 0, 1, 2])
    terms = daib_terms(rep, head(rep.z_i) if head else None, d, 1.0)
    loss, ce, kl = (t.detach() for t in terms)
    assert (float(ce) > 0) == (mode in ("daib", "dann", "daib_lambda0"))
    assert (float(kl) > 0) == (mode in ("daib", "vib"))
    deterministic = torch.equal(rep.z, encoder(images()).z)
    assert deterministic == (mode not in ("daib", "vib"))
    assert (float(loss) == 0.0) == (mode == "erm")


def test_features_of_one_image_do_not_depend_on_the_batch():
    encoder, x = made(), images(32)
    assert torch.allclose(encoder.features(x)[3], encoder.features(x[3:4])[0], atol=1e-5)


def test_hash_sees_every_weight_and_survives_a_copy():
    a, b = made(), made()
    assert module_hash(a) == module_hash(b)
    with torch.no_grad():
        b.project.bias[0] += 1e-6
    assert module_hash(a) != module_hash(b)


def test_one_image_is_encoded_in_about_a_millisecond():
    encoder, x = made(), images(1)
    times = []
    for _ in range(20):
        start = time.process_time()
        encoder.features(x)
        times.append(time.process_time() - start)
    assert min(times) < 0.005
