"""The split image representation of DAIB (thesis 10.4, equations 51 to 54) and its four ablations by flags.

z = (z_I, z_S): z_I is pushed to be the same in all domains by an adversarial domain classifier, z_S may
differ but is squeezed by a variational bottleneck. The five modes are one graph: two widths and two flags.

| mode         | z_I | z_S | adversary | KL | thesis table 8 |
| daib         | 32  | 32  | yes       | yes| 88 %           |
| dann         | 64  | 0   | yes       | -  | 71 %           |
| daib_lambda0 | 32  | 32  | yes       | no | 77 %           |
| vib          | 0   | 64  | no        | yes| 79 %           |
| erm          | 0   | 64  | no        | no | 76 %           |

Sizes, architecture and weights are not given in the thesis; the choices and their reasons are in
``config/methods/reward_daib.yaml``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import nn

Mode = Literal["daib", "dann", "vib", "erm", "daib_lambda0"]
MODES: tuple[Mode, ...] = ("daib", "dann", "vib", "erm", "daib_lambda0")
LOG_STD_LIMITS = (-6.0, 2.0)


class Flags(NamedTuple):
    """What a mode switches on: shares of the width for z_I, the adversary, the sampled bottleneck."""

    invariant_share: float
    adversary: bool
    bottleneck: bool


FLAGS: dict[Mode, Flags] = {
    "daib": Flags(0.5, True, True),
    "dann": Flags(1.0, True, False),
    "daib_lambda0": Flags(0.5, True, False),
    "vib": Flags(0.0, False, True),
    "erm": Flags(0.0, False, False),
}


@dataclass(frozen=True)
class EncoderConfig:
    """Architecture of the image encoder. ``invariant_bound`` keeps z_I bounded (none is the printed form)."""

    mode: Mode = "daib"
    channels: tuple[int, int, int] = (32, 32, 64)
    width: int = 64
    invariant_bound: Literal["layer_norm", "tanh", "none"] = "layer_norm"

    @property
    def flags(self) -> Flags:
        return FLAGS[self.mode]

    @property
    def invariant(self) -> int:
        """Width of z_I."""
        return round(self.width * self.flags.invariant_share)

    @property
    def specific(self) -> int:
        """Width of z_S."""
        return self.width - self.invariant


class Representation(NamedTuple):
    """z_i (B,I), mu (B,S), log_std (B,S or, without a bottleneck, B,0), z (B,I+S) = [z_i, sample or mu]."""

    z_i: torch.Tensor
    mu: torch.Tensor
    log_std: torch.Tensor
    z: torch.Tensor


class DAIBEncoder(nn.Module):
    """g_phi: images (B,3,48,48) in [-0.5,0.5] -> Representation. 0.25 M parameters.

    Strides 4, 1, 2 give a 6x6 map that is flattened, not pooled, so that positions stay readable to a
    fraction of a pixel; the stride of 4 first halves the cost of a step at the same measured accuracy.
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        a, b, c = self.config.channels
        self.trunk = nn.Sequential(
            nn.Conv2d(3, a, 6, 4, 1), nn.ReLU(),
            nn.Conv2d(a, b, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(b, c, 3, 2, 1), nn.ReLU(),
            nn.Flatten(),
        )  # fmt: skip
        heads = self.config.invariant + self.config.specific
        self.spread = self.config.specific if self.config.flags.bottleneck else 0
        self.project = nn.Linear(c * 36, heads + self.spread)

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None) -> Representation:
        """With a ``generator`` z_S is sampled (reparameterised); without one it is its mean (inference)."""
        out = self.project(self.trunk(x.contiguous(memory_format=torch.channels_last)))
        widths = [self.config.invariant, self.config.specific, self.spread]
        z_i, mu, log_std = torch.split(out, widths, dim=1)
        z_i = bound(z_i, self.config.invariant_bound)
        log_std = log_std.clamp(*LOG_STD_LIMITS)
        z_s = mu
        if self.spread and generator is not None:
            z_s = mu + log_std.exp() * torch.randn(mu.shape, generator=generator)
        return Representation(z_i, mu, log_std, torch.cat([z_i, z_s], 1))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Deterministic (B,64) = [z_I, mean of z_S], without gradient: what frozen networks read."""
        with torch.no_grad():
            return self.forward(x).z


class DomainHead(nn.Module):
    """F_psi: z_I (B,I) -> logits over the training domains (B,n_d)."""

    def __init__(self, invariant: int, n_domains: int, hidden: int = 64) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(invariant, hidden), nn.ReLU(), nn.Linear(hidden, n_domains))

    def forward(self, z_i: torch.Tensor) -> torch.Tensor:
        return self.net(z_i)


def bound(z_i: torch.Tensor, how: str) -> torch.Tensor:
    """z_I by parameter-free LayerNorm, tanh or none; unbounded, minus a cross entropy has no minimum."""
    if how == "tanh":
        return torch.tanh(z_i)
    if how == "layer_norm" and z_i.shape[1] > 0:
        return nn.functional.layer_norm(z_i, z_i.shape[1:])
    return z_i


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):  # type: ignore[no-untyped-def]
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return gradient * -ctx.weight, None


def grad_reverse(x: torch.Tensor, weight: float) -> torch.Tensor:
    """Identity forward; backward the gradient times ``-weight`` (gradient-reversal layer)."""
    return _Reverse.apply(x, weight)  # type: ignore[no-untyped-call]


def reward_bce(logit: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    """Equation 51, mean over the batch: -r log R - (1-r) log(1-R), R = sigmoid(logit); logit, r (B,)."""
    return nn.functional.binary_cross_entropy_with_logits(logit, r)


def domain_ce(logits: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    """Equation 52, mean over the batch: -log F(z_I)_d; logits (B,n_d), d (B,) int64."""
    return nn.functional.cross_entropy(logits, d)


def kl_standard_normal(mu: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    """KL(N(mu, diag exp(log_std)^2) || N(0, I)) in nats, (B,): 0.5 sum(mu^2 + s^2 - log s^2 - 1)."""
    return 0.5 * (mu.square() + (2.0 * log_std).exp() - 2.0 * log_std - 1.0).sum(1)


@dataclass(frozen=True)
class DAIBWeights:
    """Weights of L_DAIB. The printed adversarial weight is 1; the ramp and beta_IB are not given."""

    adversarial: float = 1.0
    ramp: float = 0.5
    beta_ib: float = 1e-3

    def adversarial_at(self, progress: float) -> float:
        """Linear from 0 to ``adversarial`` over the first ``ramp`` of training (progress in [0,1])."""
        return self.adversarial * (min(1.0, progress / self.ramp) if self.ramp > 0 else 1.0)


def daib_terms(
    rep: Representation, domain_logits: torch.Tensor | None, d: torch.Tensor | None, beta_ib: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(loss, cross entropy, KL): the DAIB part to add to a task loss (equations 53, 54, 58), without the BCE.

    ``domain_logits`` must come from ``head(grad_reverse(z_i, weight))``: one backward pass then descends the
    cross entropy in psi and ascends it, times the weight, in phi. Terms that a mode lacks are exactly zero.
    """
    zero = rep.z.new_zeros(())
    ce = zero if domain_logits is None or d is None else domain_ce(domain_logits, d)
    kl = kl_standard_normal(rep.mu, rep.log_std).mean() if rep.log_std.shape[1] else zero
    return ce + beta_ib * kl, ce, kl


def daib_objective(ce: torch.Tensor, kl: torch.Tensor, weight: float, beta_ib: float) -> torch.Tensor:
    """The value of L_DAIB as printed under equation 54: -weight * CE + beta_IB * KL (what phi descends)."""
    return -weight * ce + beta_ib * kl


def module_hash(*modules: nn.Module) -> str:
    """Twelve hex digits over names, shapes and values of all parameters and buffers (order of names)."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
