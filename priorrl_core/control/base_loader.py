"""From YAML to a base controller: one of ours by its kind, or a user's own class as ``module:Class``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from priorrl_core.config import build
from priorrl_core.control.base_controllers import (
    BaseController,
    FrozenPolicyBase,
    ImpedanceBase,
    ProportionalBase,
    Vec3,
    ZeroBase,
)
from priorrl_core.control.base_kit import check_base
from priorrl_core.control.frozen_mlp import FrozenMLP
from priorrl_core.errors import ConfigError, nearest


@dataclass(frozen=True)
class BaseSpec:
    """Which base controller, and its parameters."""

    kind: str = "p"
    """``p``, ``impedance``, ``zero``, ``frozen``, or a user's own class as ``module:Class``."""
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FrozenParams:
    """A policy exported as safetensors (see ``FrozenMLP``)."""

    file: str
    limit_m: Vec3
    """What an action of 1 means, per axis."""


OURS: dict[str, type] = {"p": ProportionalBase, "impedance": ImpedanceBase, "zero": ZeroBase,
                         "frozen": FrozenParams}


def load_base(spec: BaseSpec, where: str = "base") -> BaseController:
    """The controller of ``spec``; ConfigError names ``where`` and the fix. A user's class is checked here."""
    if ":" in spec.kind:
        made = _own(spec, where)
        check_base(made, where)
        return made
    if spec.kind not in OURS:
        raise ConfigError(f"'{where}': unknown base controller '{spec.kind}'{nearest(spec.kind, OURS)} "
                          "(or give your own class as 'module:Class')")
    made = build(OURS[spec.kind], spec.params, where)
    if isinstance(made, FrozenParams):
        return FrozenPolicyBase(FrozenMLP.from_file(made.file), made.limit_m)
    return made


def _own(spec: BaseSpec, where: str) -> Any:
    """An instance of a user's class."""
    make = _named(spec.kind, where)
    try:
        return make(**spec.params)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"'{where}': {spec.kind} cannot be made of the params {sorted(spec.params)}: {error}; "
                          "give the keyword arguments of its constructor") from error


def _named(kind: str, where: str) -> Callable[..., Any]:
    """The class ``module:Class`` names."""
    module_name, _, name = kind.partition(":")
    if not module_name or not name.isidentifier():
        raise ConfigError(f"'{where}': '{kind}' is not of the form 'module:Class'; write, say, 'my_cell.control:Mine'")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"'{where}': there is no module '{error.name}'; install it or put its folder on "
                          "PYTHONPATH") from error
    except Exception as error:
        raise ConfigError(f"'{where}': importing '{module_name}' failed with {type(error).__name__}: {error}; "
                          "mend the module") from error
    made = getattr(module, name, None)
    if made is None:
        classes = [n for n, v in vars(module).items() if isinstance(v, type)]
        raise ConfigError(f"'{where}': module '{module_name}' has no class '{name}'{nearest(name, classes)}")
    if not callable(made):
        raise ConfigError(f"'{where}': '{kind}' is a {type(made).__name__}, not a class; name a class")
    return made
