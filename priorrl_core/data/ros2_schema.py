"""Message definitions as MCAP wants them (``ros2msg``): one text with everything that a message refers to."""

from __future__ import annotations

import functools
import re
import sysconfig
from pathlib import Path

from priorrl_core.config import ROOT
from priorrl_core.errors import DataError, nearest

_FOREIGN = {
    "builtin_interfaces/msg/Time": "int32 sec\nuint32 nanosec",
    "std_msgs/msg/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "sensor_msgs/msg/Image": "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\n"
                             "uint8 is_bigendian\nuint32 step\nuint8[] data",
    "sensor_msgs/msg/JointState": "std_msgs/Header header\nstring[] name\nfloat64[] position\n"
                                  "float64[] velocity\nfloat64[] effort",
    "geometry_msgs/msg/Point": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/msg/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w",
    "geometry_msgs/msg/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation",
    "geometry_msgs/msg/Vector3": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/msg/Wrench": "geometry_msgs/Vector3 force\ngeometry_msgs/Vector3 torque",
    "geometry_msgs/msg/WrenchStamped": "std_msgs/Header header\ngeometry_msgs/Wrench wrench",
}
_REFERENCE = re.compile(r"^\s*([a-z]\w*)/(?:msg/)?([A-Z]\w*)(?:\[[^\]]*\])?\s", re.MULTILINE)


def message_dir() -> Path:
    """The folder with priorrl's own ``.msg`` files: the source tree's, or the installed share's."""
    shares = [Path(sysconfig.get_path("data")), *ROOT.parents]
    for folder in (ROOT / "msg", *(p / "share" / "priorrl" / "msg" for p in shares)):
        if (folder / "Episode.msg").is_file():
            return folder
    raise DataError("the message definitions (msg/*.msg) of priorrl are not installed; reinstall the package")


def definition(kind: str) -> str:
    """Text of one message definition, for example of ``priorrl/msg/Episode``."""
    if kind in _FOREIGN:
        return _FOREIGN[kind]
    package, _, name = kind.partition("/msg/")
    path = message_dir() / f"{name}.msg"
    if package != "priorrl" or not path.is_file():
        known = [*_FOREIGN, *(f"priorrl/msg/{p.stem}" for p in message_dir().glob("*.msg"))]
        raise DataError(f"no definition of message type '{kind}' to record it with{nearest(kind, known)}")
    return path.read_text()


def starts_with_header(kind: str) -> bool:
    """Whether messages of ``kind`` begin with a std_msgs/Header, so that their first bytes are a stamp."""
    lines = (line.strip() for line in definition(kind).splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first.startswith("std_msgs/Header ")


@functools.cache
def schema_text(kind: str) -> str:
    """Definition of ``kind`` and, behind it, of every type that it refers to, each once."""
    done: dict[str, str] = {}
    wanted = [kind]
    while wanted:
        name = wanted.pop(0)
        if name not in done:
            done[name] = definition(name)
            wanted += [f"{package}/msg/{base}" for package, base in _REFERENCE.findall(done[name] + "\n")]
    parts = [done.pop(kind)]
    parts += [f"MSG: {name.replace('/msg/', '/')}\n{text}" for name, text in done.items()]
    return f"\n{'=' * 80}\n".join(parts)
