"""IQL with a DAIB encoder for each of policy, Q and V (thesis section 10.5, equations 55 to 58).

Departures and gaps settled here: the text wants the DAIB term on all three networks though only (58) prints
it; each has its own domain head; the target critics share the critic's encoder; Vbar(s') reads the
deterministic features of the next image; one reversed gradient replaces the alternating adversary.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as save_bytes
from torch import Tensor, nn

from priorrl_core.agents.heads import LOSSES, HeadsConfig, IQLHeads, total_loss
from priorrl_core.config import build, config_hash
from priorrl_core.data.batch import FeatureBatch, ImageBatch
from priorrl_core.data.tensor_files import canonical, read_tensors, write_tensors
from priorrl_core.errors import DataError
from priorrl_core.perception.encoder import (
    DAIBEncoder,
    DAIBWeights,
    DomainHead,
    EncoderConfig,
    Mode,
    Representation,
    daib_terms,
    grad_reverse,
    module_hash,
)
from priorrl_core.perception.preprocess import to_tensor

NETWORKS = ("policy", "critic", "value")


@dataclass(frozen=True)
class AgentConfig:
    """Networks and losses. ``policy_mode`` etc. choose the representation: ``erm`` is without DAIB."""

    heads: HeadsConfig = field(default_factory=HeadsConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Sizes; its ``mode`` is replaced by the network's own."""
    daib: DAIBWeights = field(default_factory=DAIBWeights)
    policy_mode: Mode = "daib"
    critic_mode: Mode = "daib"
    value_mode: Mode = "daib"
    shared_encoder: bool = False
    """One encoder for all three (the thesis found it worse); its mode is ``policy_mode``."""

    def mode(self, network: str) -> Mode:
        return self.policy_mode if self.shared_encoder else getattr(self, f"{network}_mode")


class IQLAgent(nn.Module):
    """Three encoders with their domain heads, and the heads that act and judge on their features."""

    def __init__(self, config: AgentConfig, domains: int, seed: int = 0) -> None:
        super().__init__()
        self.config, self.domains = config, domains
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            names = NETWORKS[:1] if config.shared_encoder else NETWORKS
            shapes = {n: self._encoder_config(n) for n in names}
            self.encoders = nn.ModuleDict({n: DAIBEncoder(c) for n, c in shapes.items()})
            self.domain_heads = nn.ModuleDict({n: DomainHead(c.invariant, domains) for n, c in shapes.items()
                                               if c.flags.adversary})
            generator = torch.Generator().manual_seed(seed)
            self.heads = IQLHeads(config.heads, config.encoder.width, generator)

    def _encoder_config(self, network: str) -> EncoderConfig:
        return dataclasses.replace(self.config.encoder, mode=self.config.mode(network))

    def encoder(self, network: str) -> DAIBEncoder:
        """The encoder of ``policy``, ``critic`` or ``value``."""
        return self.encoders["policy" if self.config.shared_encoder else network]  # type: ignore[return-value]

    @property
    def architecture(self) -> str:
        """Changes when a checkpoint of one agent cannot be loaded into another."""
        shape = {"encoder": dataclasses.asdict(self.config.encoder), "hidden": self.config.heads.hidden,
                 "modes": [self.config.mode(n) for n in NETWORKS], "shared": self.config.shared_encoder}
        return "iql-" + config_hash(shape)

    def encoder_hash(self) -> str:
        """Of all frozen representations; unchanged by practice on the job (row 10.19)."""
        return module_hash(*self.encoders.values())

    # ---- losses --------------------------------------------------------------------------------------

    def losses(self, batch: ImageBatch, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Equations 55 to 58; ``progress`` in [0, 1] sets the adversary's ramp, ``generator`` samples z_S."""
        seen = {n: e(batch.image, generator) for n, e in self.encoders.items()}
        rep = {n: seen["policy" if self.config.shared_encoder else n] for n in NETWORKS}
        next_value = self.encoder("value").features(batch.next_image)
        out = self.heads.losses(FeatureBatch(
            rep["policy"].z, rep["critic"].z, rep["value"].z, next_value, batch.proprio, batch.next_proprio,
            batch.action, batch.reward, batch.terminated))
        weight = self.config.daib.adversarial_at(progress)
        out["daib"] = torch.zeros(())
        for name, value in seen.items():
            term, ce, kl = self._daib(name, value, batch.domain, weight)
            out["daib"] = out["daib"] + term
            out[f"{name}_domain_ce"], out[f"{name}_kl"] = ce.detach(), kl.detach()
        return out

    def _daib(self, name: str, rep: Representation, domain: Tensor,
              weight: float) -> tuple[Tensor, Tensor, Tensor]:
        logits = None
        if name in self.domain_heads:
            logits = self.domain_heads[name](grad_reverse(rep.z_i, weight))
        return daib_terms(rep, logits, domain, self.config.daib.beta_ib)

    # ---- acting --------------------------------------------------------------------------------------

    @torch.no_grad()
    def features(self, images: np.ndarray | Tensor, network: str = "policy", chunk: int = 512) -> Tensor:
        """Deterministic features (B, F) of uint8 images (B, 48, 48, 3)."""
        encoder = self.encoder(network)
        parts = [encoder.features(to_tensor(images[i:i + chunk])) for i in range(0, len(images), chunk)]
        return torch.cat(parts)

    @torch.no_grad()
    def all_features(self, images: Tensor) -> Tensor:
        """Features (B, 3 F) of float images (B, 3, 48, 48): policy's, critic's, value's side by side."""
        return torch.cat([self.encoder(n).features(images) for n in NETWORKS], 1)

    def policy_head_bytes(self, version: int, exploration: tuple[float, float] = (0.0, 0.0),
                          settings: str = "", encoder_hash: str = "") -> bytes:
        """The policy's MLP as safetensors for ``control.policy_head.PolicyHead`` (no torch needed there).

        ``exploration``: standard deviation and correlation of the noise for practice (control.exploration).
        Pass ``encoder_hash`` where the representation is known not to have changed; it costs milliseconds.
        """
        heads, tensors = self.heads, {}
        for i, (w, b) in enumerate(zip(heads.policy.weights, heads.policy.biases, strict=True)):
            tensors[f"w{i}"] = np.ascontiguousarray(w.detach()[0].numpy())
            tensors[f"b{i}"] = np.ascontiguousarray(b.detach()[0, 0].numpy())
        tensors["log_std"] = heads.clamped_log_std().detach().numpy().copy()
        tensors["proprio_scale"] = heads.scale.numpy().copy()
        return canonical(save_bytes(tensors, {
            "architecture": self.architecture, "encoder_hash": encoder_hash or self.encoder_hash(),
            "config_hash": settings or config_hash(self.config), "version": str(version),
            "exploration_std": repr(float(exploration[0])),
            "exploration_correlation": repr(float(exploration[1]))}))

    # ---- files ---------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """One safetensors file; the configuration travels in its header."""
        write_tensors(path, "iql_agent", self.state_dict(), {
            "architecture": self.architecture, "domains": str(self.domains),
            "config": json.dumps(dataclasses.asdict(self.config))})

    @classmethod
    def load(cls, path: str | Path) -> IQLAgent:
        """DataError if the file is missing, truncated, or of another kind or architecture."""
        tensors, meta = read_tensors(path, "iql_agent")
        agent = cls(build(AgentConfig, json.loads(meta["config"]), str(path)), int(meta["domains"]))
        if meta["architecture"] != agent.architecture:
            raise DataError(f"'{path}' is of architecture {meta['architecture']}, this version makes "
                            f"{agent.architecture}; train it again")
        load_strict(agent, tensors, path)
        return agent


def load_strict(module: nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Loads every tensor of ``module``; DataError names the first that is missing, foreign or misshapen."""
    state = module.state_dict()
    for name in sorted(set(state) ^ set(tensors)):
        which = "lacks" if name in state else "has an unknown"
        raise DataError(f"'{path}' {which} tensor '{name}': another architecture; train it again")
    for name, tensor in state.items():
        if tensors[name].shape != tensor.shape:
            raise DataError(f"'{path}': tensor '{name}' has shape {tuple(tensors[name].shape)}, expected "
                            f"{tuple(tensor.shape)}: another architecture; train it again")
    module.load_state_dict(tensors)


class OfflineTrainer:
    """One Adam over encoders, domain heads and heads; the actor's rate follows a cosine (appendix E)."""

    def __init__(self, agent: IQLAgent, learning_rate: float, grad_clip: float, seed: int) -> None:
        self.agent, self.grad_clip = agent, grad_clip
        self.generator = torch.Generator().manual_seed(seed)
        self.parameters = [p for p in agent.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=learning_rate, fused=True)

    def update(self, batch: ImageBatch, progress: float) -> dict[str, Tensor]:
        """One gradient step on all networks; detached losses."""
        losses = self.agent.losses(batch, progress, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        total_loss(losses, (*LOSSES, "daib")).backward()
        nn.utils.clip_grad_norm_(self.parameters, self.grad_clip, foreach=True)
        self.optimizer.step()
        self.agent.heads.move_targets()
        return losses
