"""A checkpoint folder: models, their configuration and hashes, in files without pickle.

``manifest.json`` {schema, command, seed, method, config_hash, architecture, connectors, families_out,
files {name: sha256}}, ``config.json`` (the method), ``agent.safetensors``, ``offline_cache.safetensors``,
and, where they were trained, ``reward.safetensors``, ``vqvae.safetensors``, ``localize.safetensors``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from priorrl_core.agents.iql_agent import IQLAgent
from priorrl_core.config import build, config_hash
from priorrl_core.data.replay import FeatureCache
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.training.method import MethodConfig
from priorrl_core.training.online import OnlineLearner

SCHEMA = 1
AGENT, CACHE, REWARD = "agent.safetensors", "offline_cache.safetensors", "reward.safetensors"
VQVAE, LOCALIZE, CONFIG, MANIFEST = ("vqvae.safetensors", "localize.safetensors", "config.json",
                                     "manifest.json")
NEEDED = (AGENT, CACHE, CONFIG)


def save_cache(path: str | Path, cache: FeatureCache, encoder_hash: str) -> None:
    write_tensors(path, "offline_cache", cache.tensors(), {"encoder_hash": encoder_hash})


def load_cache(path: str | Path, encoder_hash: str = "") -> FeatureCache:
    """DataError if truncated, or made by another encoder than ``encoder_hash`` (if given)."""
    tensors, meta = read_tensors(path, "offline_cache")
    if encoder_hash and meta.get("encoder_hash") != encoder_hash:
        raise DataError(f"'{path}' holds features of encoder {meta.get('encoder_hash')}, the agent's is "
                        f"{encoder_hash}; make the checkpoint again")
    try:
        return FeatureCache(**tensors)
    except TypeError as error:
        raise DataError(f"'{path}' lacks a tensor ({error}); make the checkpoint again") from error


def write_checkpoint(folder: str | Path, agent: IQLAgent, cache: FeatureCache, method: MethodConfig,
                     seed: int, command: str = "", connectors: tuple[str, ...] = (),
                     families_out: tuple[str, ...] = ()) -> Path:
    """Agent, cache, configuration and the manifest over every model file that lies in ``folder``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    agent.save(folder / AGENT)
    save_cache(folder / CACHE, cache, agent.encoder_hash())
    (folder / CONFIG).write_text(json.dumps(dataclasses.asdict(method), indent=1))
    return write_manifest(folder, agent, method, seed, command, connectors, families_out)


def write_manifest(folder: str | Path, agent: IQLAgent, method: MethodConfig, seed: int, command: str = "",
                   connectors: tuple[str, ...] = (), families_out: tuple[str, ...] = ()) -> Path:
    """(Re)writes ``manifest.json``; call it again after adding a model file."""
    folder = Path(folder)
    names = [n for n in (AGENT, CACHE, REWARD, VQVAE, LOCALIZE, CONFIG) if (folder / n).exists()]
    names += sorted(p.name for p in folder.glob("*.json") if p.name not in (CONFIG, MANIFEST))
    manifest = {"schema": SCHEMA, "command": command, "seed": seed, "method": method.name,
                "config_hash": config_hash(method), "architecture": agent.architecture,
                "encoder_hash": agent.encoder_hash(), "connectors": list(connectors),
                "families_out": list(families_out), "files": {n: _sha256(folder / n) for n in names}}
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest, indent=1))
    return path


def verify_checkpoint(folder: str | Path) -> dict[str, Any]:
    """The manifest, after every file has proved whole; DataError names what is missing or truncated."""
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"'{folder}' is not a checkpoint (no {MANIFEST}); run 'priorrl train' first")
    try:
        manifest = json.loads(path.read_text())
        files = dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' is damaged ({error}); copy the checkpoint again") from error
    if manifest.get("schema") != SCHEMA:
        raise DataError(f"'{path}' has schema {manifest.get('schema')}, this version reads {SCHEMA}; "
                        "train it again")
    for name in (*NEEDED, *files):
        if name not in files or not (folder / name).is_file():
            raise DataError(f"checkpoint '{folder}' lacks '{name}'; copy it again or train it again")
        if _sha256(folder / name) != files[name]:
            raise DataError(f"'{folder / name}' is truncated or changed (its checksum differs from the "
                            "manifest); copy it again or train it again")
    return manifest


def load_agent(folder: str | Path, verify: bool = True) -> IQLAgent:
    """The agent of a checkpoint; DataError if anything is wrong with it."""
    folder = Path(folder)
    manifest = verify_checkpoint(folder) if verify else {}
    agent = IQLAgent.load(folder / AGENT)
    if manifest and manifest["architecture"] != agent.architecture:
        raise DataError(f"'{folder / AGENT}' is of another architecture than the manifest says; "
                        "train it again")
    return agent.eval()


def load_config(folder: str | Path) -> MethodConfig:
    """The method that a checkpoint was trained with."""
    path = Path(folder) / CONFIG
    try:
        return build(MethodConfig, json.loads(path.read_text()), str(path))
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' is missing or damaged ({error}); copy the checkpoint again") from error


def load_learner(folder: str | Path, seed: int, method: MethodConfig | None = None,
                 horizon: int = 20) -> OnlineLearner:
    """A learner ready to practise from a checkpoint; ``method`` overrides the stored online settings.

    ConfigError if ``method`` has another agent than the checkpoint holds.
    """
    folder = Path(folder)
    agent, stored = load_agent(folder), load_config(folder)
    if method is not None:
        _check_agent(method, stored, folder)
    cache = load_cache(folder / CACHE, agent.encoder_hash())
    return OnlineLearner(agent, cache, (method or stored).online, seed, horizon)


def _check_agent(method: MethodConfig, stored: MethodConfig, folder: Path) -> None:
    wanted, held = dataclasses.asdict(method.agent), dataclasses.asdict(stored.agent)
    other = [name for name, value in wanted.items() if value != held[name]]
    if other:
        raise ConfigError(f"method '{method.name}' has another agent ({', '.join(other)}) than '{folder}' was trained "
                          f"with; practise with a method that differs in 'online' alone, or train one with 'priorrl "
                          f"train --method {method.name}'")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
