"""safetensors with the same bytes for the same content: the library writes its header's text in any order."""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from priorrl_core.errors import DataError


def canonical(data: bytes) -> bytes:
    """The same safetensors file with its header sorted by key."""
    return b"".join(_canonical_parts(data))


def _canonical_parts(data: bytes) -> tuple[bytes, memoryview]:
    """The sorted header and, without a copy, what follows it."""
    size = int.from_bytes(data[:8], "little")
    text = json.dumps(json.loads(data[8:8 + size]), sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, memoryview(data)[8 + size:]


def write_tensors(path: str | Path, kind: str, tensors: dict[str, Tensor], meta: dict[str, str]) -> None:
    """One safetensors file, whole or not at all; DataError if the disk does not take it."""
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, *_canonical_parts(save(whole, {"kind": kind, **meta})))


def write_text(path: str | Path, text: str) -> None:
    """A text file, whole or not at all; DataError if the disk does not take it."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, *parts: bytes | memoryview) -> None:
    """A file of these parts, whole or not at all: written beside ``path`` and moved there; DataError if the disk does
    not take it."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot write '{path}' ({error}); check the path and the free disk space") from error


def read_tensors(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file of that ``kind``; DataError if anything is wrong."""
    try:
        with safe_open(str(path), "pt") as file:
            meta = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"'{path}' is missing or not a whole safetensors file ({error}); "
                        "train it again or copy it again") from error
    if meta.get("kind") != kind:
        raise DataError(f"'{path}' holds '{meta.get('kind')}', not '{kind}'; give the right file")
    return tensors, meta
