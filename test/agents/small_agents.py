"""Agents of a few units, batches, and networks with weights that one can compute with by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from priorrl_core.agents.awac import AWAC, AWACConfig
from priorrl_core.agents.bc import BC, BCConfig
from priorrl_core.agents.bcq import BCQ, BCQConfig
from priorrl_core.agents.bear import BEAR, BEARConfig
from priorrl_core.agents.ddpg import DDPG, DDPGConfig
from priorrl_core.agents.iql_ablations import IQLAblation, IQLAblationConfig
from priorrl_core.agents.iql_state import IQL, IQLConfig
from priorrl_core.agents.kl_bear import KLBEAR, KLBEARConfig
from priorrl_core.agents.mpo import MPO, MPOConfig
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.sac import SAC, SACConfig
from priorrl_core.agents.sacfd import SACfD, SACfDConfig
from priorrl_core.agents.svg import SVG, SVGConfig
from priorrl_core.agents.td3 import TD3, TD3Config
from priorrl_core.data.snippets import SnippetBatch
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import SmallEncoder, SmallEncoderConfig, StateEncoder

FAST = {"hidden": (32, 32), "discount": 0.9, "target_rate": 0.02}
TINY_ENCODER = SmallEncoderConfig((8, 16, 16), 32)


def td3(seed: int = 0, images: bool = False, size: int = 2, **config) -> TD3:
    encoder = SmallEncoder(TINY_ENCODER, seed) if images else StateEncoder(size)
    return TD3(TD3Config(**{**FAST, **config}), encoder, 2, seed)


def sac(seed: int = 0, images: bool = False, size: int = 2, **config) -> SAC:
    encoder = SmallEncoder(TINY_ENCODER, seed) if images else StateEncoder(size)
    return SAC(SACConfig(**{**FAST, "alpha_init": 0.2, **config}), encoder, 2, seed)


def bc(seed: int = 0, size: int = 2, **config) -> BC:
    return BC(BCConfig(**{"hidden": (32, 32), "learning_rate": 3e-3, **config}), StateEncoder(size), 2, seed)


def awac(seed: int = 0, size: int = 2, **config) -> AWAC:
    quick = {**FAST, "actor_rate": 3e-3, "critic_rate": 3e-3, **config}
    return AWAC(AWACConfig(**quick), StateEncoder(size), 2, seed)


def iql(seed: int = 0, size: int = 2, **config) -> IQL:
    quick = {**FAST, "actor_rate": 3e-3, "critic_rate": 3e-3, **config}
    return IQL(IQLConfig(**quick), StateEncoder(size), 2, seed)


def iql_ablation(seed: int = 0, size: int = 2, **config) -> IQLAblation:
    quick = {**FAST, "actor_rate": 3e-3, "critic_rate": 3e-3, **config}
    return IQLAblation(IQLAblationConfig(**quick), StateEncoder(size), 2, seed)


def sacfd(seed: int = 0, size: int = 2, **config) -> SACfD:
    return SACfD(SACfDConfig(**{**FAST, "alpha_init": 0.2, **config}), StateEncoder(size), 2, seed)


def ddpg(seed: int = 0, size: int = 2, **config) -> DDPG:
    quick = {**FAST, "actor_rate": 3e-3, "critic_rate": 3e-3, **config}
    return DDPG(DDPGConfig(**quick), StateEncoder(size), 2, seed)


BATCH_FAST = {**FAST, "vae_hidden": (32, 32), "learning_rate": 3e-3}


def bcq(seed: int = 0, size: int = 2, **config) -> BCQ:
    return BCQ(BCQConfig(**{**BATCH_FAST, **config}), StateEncoder(size), 2, seed)


def bear(seed: int = 0, size: int = 2, **config) -> BEAR:
    quick = {**BATCH_FAST, "alpha_rate": 3e-3, "warm_updates": 0, **config}
    return BEAR(BEARConfig(**quick), StateEncoder(size), 2, seed)


PRIOR_FAST = {"discount": 0.9, "learning_rate": 5e-3, "target_period": 20, "action_samples": 10}


def layers(hidden: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"policy_trunk": hidden[:1], "policy_head": hidden[1:], "critic_trunk": hidden[:1],
            "critic_head": hidden[1:]}


def mpo(seed: int = 0, size: int = 2, hidden: tuple[int, ...] = (32, 32), **config) -> MPO:
    return MPO(MPOConfig(**{**PRIOR_FAST, **layers(hidden), **config}), StateEncoder(size), 2, seed)


def svg(seed: int = 0, size: int = 2, hidden: tuple[int, ...] = (32, 32), **config) -> SVG:
    return SVG(SVGConfig(**{**PRIOR_FAST, **layers(hidden), **config}), StateEncoder(size), 2, seed)


def kl_bear(seed: int = 0, size: int = 2, hidden: tuple[int, ...] = (32, 32), **config) -> KLBEAR:
    return KLBEAR(KLBEARConfig(**{**PRIOR_FAST, **layers(hidden), **config}), StateEncoder(size), 2, seed)


def snippets(rows: int = 6, length: int = 3, seed: int = 0, tasks: int = 1) -> SnippetBatch:
    """Random snippets; those of odd number lack their last step."""
    g = torch.Generator().manual_seed(seed)
    valid = torch.ones(rows, length)
    valid[1::2, -1] = 0.0
    return SnippetBatch(torch.randn(rows, length, 2, generator=g), torch.rand(rows, length, 2, generator=g) * 2 - 1,
                        torch.randn(rows, length, generator=g), torch.randn(rows, length, 2, generator=g),
                        (torch.rand(rows, length, generator=g) < 0.2).float(), valid,
                        torch.randint(tasks, (rows,), generator=g))


def batch(rows: int = 8, seed: int = 0, demos: int = 0, images: bool = False) -> TransitionBatch:
    g = torch.Generator().manual_seed(seed)

    def seen() -> Tensor:
        if images:
            return torch.randint(0, 256, (rows, 1, 32, 32), generator=g).to(torch.uint8)
        return torch.randn(rows, 2, generator=g)

    ends = (torch.rand(rows, generator=g) < 0.3).float()
    return TransitionBatch(seen(), torch.rand(rows, 2, generator=g) * 2 - 1, torch.randn(rows, generator=g),
                           seen(), ends, demos)


@torch.no_grad()
def make_linear(network: EnsembleMLP, slopes: Tensor, offsets: Tensor) -> None:
    """Member i becomes ``x @ slopes[i] + offsets[i]`` for |x| < 50: slopes (n, in), offsets (n,)."""
    for tensor in [*network.weights, *network.biases]:
        tensor.zero_()
    network.weights[0][:, :, 0] = slopes
    network.biases[0][:, 0, 0] = 500.0
    for weight in network.weights[1:]:
        weight[:, 0, 0] = 1.0
    network.biases[-1][:, 0, 0] = offsets - 500.0


def copies(tensors) -> list[Tensor]:
    return [t.detach().clone() for t in tensors]


def moved(before: list[Tensor], after) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
