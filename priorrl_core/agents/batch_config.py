"""Settings that BCQ and BEAR share: learning from a fixed batch with a model of its actions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchRLConfig:
    """The public BCQ code's values (facts/peers_algorithms.md 1.5)."""

    hidden: tuple[int, ...] = (400, 300)
    """Of critics and actor; for BEAR ng."""
    vae_hidden: tuple[int, ...] = (750, 750)
    """Of the model of the behaviour's encoder and decoder."""
    latent_per_action: int = 2
    """Size of the latent by the number of action entries."""
    lam: float = 0.75
    """Of the lower critic in the target."""
    target_samples: int = 10
    """Actions of which the target takes the best."""
    act_samples: int = 10
    """Actions of which the best is carried out."""
    discount: float = 0.99
    """gamma."""
    learning_rate: float = 1e-3
    """Of all networks."""
    target_rate: float = 0.005
    """Polyak's."""

    def __post_init__(self) -> None:
        if not self.hidden or not self.vae_hidden or min(*self.hidden, *self.vae_hidden) < 1:
            raise ValueError("hidden and vae_hidden must name at least one layer, each of at least 1 unit")
        if min(self.latent_per_action, self.target_samples, self.act_samples) < 1:
            raise ValueError("latent_per_action, target_samples and act_samples must be at least 1")
        if not 0.0 <= self.lam <= 1.0:
            raise ValueError("lam must lie in [0, 1]")
        if not 0.0 <= self.discount < 1.0 or not 0.0 < self.target_rate <= 1.0:
            raise ValueError("discount must lie in [0, 1), target_rate in (0, 1]")
        if self.learning_rate <= 0.0:
            raise ValueError("learning_rate must be above 0")
