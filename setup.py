"""`pip install .`: the learning code and the nodes, without the ROS interfaces (those need colcon).

Name, version, description and licence come from package.xml; requirements and entry points from setup.cfg.
"""

from __future__ import annotations

import configparser
import xml.etree.ElementTree as xml
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
SHARE = ("config", "launch", "urdf", "weights")


def manifest(tag: str) -> str:
    """Text of one element of package.xml; ValueError if it is missing."""
    text = xml.parse(ROOT / "package.xml").getroot().findtext(tag)
    if text is None:
        raise ValueError(f"package.xml has no <{tag}>; add it")
    return text.strip()


def data_files() -> list[tuple[str, list[str]]]:
    """The data folders, as (destination below the prefix, files)."""
    found: dict[str, list[str]] = {"share/priorrl": ["package.xml"]}
    for folder in SHARE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(ROOT)
                found.setdefault(f"share/priorrl/{relative.parent}", []).append(str(relative))
    return sorted(found.items())


def commands() -> list[str]:
    """Console scripts for pip: `priorrl` alone; the nodes of setup.cfg go to lib/priorrl by colcon."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].split("\n")
    return [line for line in lines if line.startswith("priorrl ")]


setup(
    name=manifest("name"),
    version=manifest("version"),
    description=manifest("description"),
    license=manifest("license"),
    packages=find_packages(include=["priorrl_core*", "priorrl_nodes*"]),
    data_files=data_files(),
    entry_points={"console_scripts": commands()},
    zip_safe=False,
)
