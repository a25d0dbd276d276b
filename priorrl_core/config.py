"""Strict typed configuration: one YAML file, one dataclass; an unknown key is an error (law 10)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from priorrl_core.errors import ConfigError, nearest

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent


def config_dir() -> Path:
    """The folder with the package's YAML files: the source tree's, or the installed share's."""
    source = ROOT / "config"
    if source.is_dir():
        return source
    import sysconfig

    candidates = [Path(sysconfig.get_path("data")) / "share" / "priorrl" / "config"]
    candidates += [p / "share" / "priorrl" / "config" for p in ROOT.parents]
    for path in candidates:
        if path.is_dir():
            return path
    raise ConfigError("the folder 'config' of priorrl is not installed; reinstall the package")


def load_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML mapping from ``path``; ConfigError if it is missing, not YAML, or not a mapping."""
    path = Path(path)
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"cannot read '{path}': {error.strerror}; check the path") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"'{path}'{line} is not valid YAML; correct it") from error
    if not isinstance(data, dict):
        raise ConfigError(f"'{path}' must hold keys and values, not {type(data).__name__}")
    return data


def load(cls: type[T], path: str | Path) -> T:
    """``cls`` (a dataclass) filled strictly from the YAML file at ``path``."""
    return build(cls, load_yaml(path), str(path))


def build(cls: type[T], data: dict[str, Any], where: str) -> T:
    """``cls`` (a dataclass) from ``data``; ConfigError names ``where``, the key and the nearest valid key."""
    if not isinstance(data, dict):
        raise ConfigError(f"'{where}' must hold keys and values, not {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise ConfigError(f"'{where}': unknown key '{key}'{nearest(str(key), fields)}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"'{where}': key '{name}' is missing; add it")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"'{where}': {error}") from error


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type, kind), value, where)
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"'{where}' must be a list, not {value!r}")
        items = args[0] if args else Any
        if origin is tuple and args and args[-1] is not Ellipsis and len(args) != len(value):
            raise ConfigError(f"'{where}' must have {len(args)} entries, has {len(value)}")
        return origin(_convert(items, v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"'{where}' must hold keys and values, not {value!r}")
        return {str(k): _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"'{where}' is {value!r}{nearest(str(value), map(str, args))}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (int, float, str, bool):
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise ConfigError(f"'{where}' must be {kind.__name__}, not {value!r}")
        if kind is float and value != value:
            raise ConfigError(f"'{where}' is not a number (NaN); give a finite value")
    return value


def config_hash(*configs: Any) -> str:
    """Twelve hex digits that change when any value of the given dataclasses changes (law 8)."""
    plain = [dataclasses.asdict(c) if dataclasses.is_dataclass(c) else c for c in configs]  # type: ignore[arg-type]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
