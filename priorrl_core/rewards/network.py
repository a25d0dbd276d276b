"""The network R(g_phi(x)) and the training of one of it by equation 54, for all five modes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from priorrl_core.perception.augment import Augment
from priorrl_core.perception.encoder import (
    DAIBEncoder,
    DomainHead,
    Representation,
    daib_terms,
    grad_reverse,
    reward_bce,
)
from priorrl_core.perception.preprocess import to_tensor
from priorrl_core.rewards.config import RewardConfig
from priorrl_core.rewards.health import Health, alarms
from priorrl_core.rewards.sampling import BalancedSampler

Progress = Callable[[Health], None]


class RewardNet(nn.Module):
    """Encoder and head R: images (B,3,48,48) -> logit of success (B,) and the representation."""

    def __init__(self, config: RewardConfig) -> None:
        super().__init__()
        self.encoder = DAIBEncoder(config.encoder)
        h = config.head_hidden
        self.head = nn.Sequential(nn.Linear(config.encoder.width, h), nn.ReLU(), nn.Linear(h, 1))

    def forward(
        self, x: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, Representation]:
        rep = self.encoder(x, generator)
        return self.head(rep.z).squeeze(1), rep

    def logits(self, images: NDArray[np.uint8], batch: int = 512) -> NDArray[np.float32]:
        """Deterministic logits (M,) of uint8 images (M,48,48,3), the mean of z_S, no gradient."""
        with torch.no_grad():
            parts = [self(to_tensor(images[i : i + batch]))[0] for i in range(0, len(images), batch)]
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)


def build_networks(
    config: RewardConfig, n_domains: int, seed: int
) -> tuple[RewardNet, DomainHead | None]:
    """Fresh networks from ``seed``, without touching torch's global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = RewardNet(config)
        adversary = config.encoder.flags.adversary
        head = DomainHead(config.encoder.invariant, n_domains, config.domain_hidden) if adversary else None
    return net, head


class RewardTrainer:
    """One training run; ``step`` is one gradient step of phi, R and psi in a single backward pass."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        domains: NDArray[np.int64],
        config: RewardConfig,
        seed: int,
    ) -> None:
        self.config, self.images = config, images
        names, self.index = np.unique(domains, return_inverse=True)
        self.n_domains = len(names)
        self.labels = torch.from_numpy(labels.astype(np.float32))
        self.domains = torch.from_numpy(self.index.astype(np.int64))
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.sampler = BalancedSampler(labels, self.index, self.rng, config.hard_negatives)
        self.augment = Augment(config.augment)
        self.net, self.head = build_networks(config, self.n_domains, seed)
        self.average = copy.deepcopy(self.net)
        self.parameters = [*self.net.parameters(), *(self.head.parameters() if self.head else [])]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.iteration = 0

    def step(self) -> dict[str, torch.Tensor]:
        """Equation 54 on one balanced batch; returns scalar tensors (no synchronisation)."""
        c = self.config
        progress = self.iteration / c.iterations
        index = self.sampler.batch(c.batch_size)
        x = to_tensor(self.images[index])
        if c.augmentation:
            x = self.augment(x, self.generator)
        r, d = self.labels[index], self.domains[index]
        logit, rep = self.net(x, self.generator)
        weight = c.daib.adversarial_at(progress)
        domain_logits = self.head(grad_reverse(rep.z_i, weight)) if self.head else None
        penalty, ce, kl = daib_terms(rep, domain_logits, d, c.daib.beta_ib)
        bce = reward_bce(logit, r)
        for group in self.optimizer.param_groups:
            group["lr"] = c.learning_rate * min(1.0, 4.0 * (1.0 - progress))  # down in the last quarter
        self.optimizer.zero_grad(set_to_none=True)
        (bce + penalty).backward()
        nn.utils.clip_grad_norm_(self.parameters, c.gradient_clip)
        self.optimizer.step()
        self._average()
        self.sampler.hardness[index] = logit.detach().numpy()
        self.iteration += 1
        right = ((logit > 0) == (r > 0.5)).float().mean()
        found = right.new_zeros(())
        if domain_logits is not None:
            found = (domain_logits.argmax(1) == d).float().mean()
        return {"reward_loss": bce.detach(), "reward_accuracy": right, "domain_loss": ce.detach(),
                "domain_accuracy": found, "kl_nats": kl.detach()}  # fmt: skip

    def _average(self) -> None:
        """Exponential moving average of the weights, with the bias of the first steps removed."""
        decay = min(self.config.average_decay, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1.0 - decay)

    def health(self, sums: dict[str, float]) -> Health:
        chance = 1.0 / self.n_domains
        done = self.iteration / self.config.iterations
        found = alarms(self.config.mode, {**sums, "domain_chance": chance}, done)
        weight = self.config.daib.adversarial_at(done) if self.head else 0.0
        return Health(iteration=self.iteration, domain_chance=chance, adversarial_weight=weight,
                      alarms=found, **sums)  # fmt: skip


def train_network(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    domains: NDArray[np.int64],
    config: RewardConfig,
    seed: int,
    progress: Progress | None = None,
) -> tuple[RewardNet, list[Health]]:
    """The weight-averaged network after ``config.iterations`` steps, and its health reports."""
    trainer = RewardTrainer(images, labels, domains, config, seed)
    history: list[Health] = []
    window: list[dict[str, torch.Tensor]] = []
    while trainer.iteration < config.iterations:
        window.append(trainer.step())
        if trainer.iteration % config.report_every == 0 or trainer.iteration == config.iterations:
            means: dict[str, Any] = {k: float(torch.stack([w[k] for w in window]).mean()) for k in window[0]}
            history.append(trainer.health(means))
            window = []
            if progress:
                progress(history[-1])
    return trainer.average.eval().requires_grad_(False), history
