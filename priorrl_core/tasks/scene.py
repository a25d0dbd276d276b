"""Writes the URDF files of one bench: the arm with its plug, and the socket in its clamp."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import ConvexHull

from priorrl_core.tasks.connectors import ConnectorSpec, Rgb
from priorrl_core.tasks.shapes import Box, Cylinder, Prism, Solid, plug, socket

PLUG_JOINT = "plug_joint"
PLUG_LINK = "plug"


def paints(spec: ConnectorSpec) -> dict[str, Rgb]:
    look = spec.look
    return {"plug": look.plug_rgb, "contact": look.contact_rgb, "socket": look.socket_rgb, "hole": look.hole_rgb}


def write_arm(folder: Path, robot_urdf: Path, tip_frame: str, tip_rotation: np.ndarray, spec: ConnectorSpec,
              mass_kg: float) -> Path:
    """The arm's URDF with the plug fixed to ``tip_frame``, its axes along the base's when the hand is at
    ``tip_rotation`` (3, 3)."""
    tree = ET.parse(robot_urdf)
    root = tree.getroot()
    link = _link(root, PLUG_LINK, plug(spec), paints(spec), folder)
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz="0 0 -0.01")
    ET.SubElement(inertial, "mass", value=str(mass_kg))
    moment = str(mass_kg * 1e-4)
    ET.SubElement(inertial, "inertia", ixx=moment, iyy=moment, izz=moment, ixy="0", ixz="0", iyz="0")
    joint = ET.SubElement(root, "joint", name=PLUG_JOINT, type="fixed")
    ET.SubElement(joint, "parent", link=tip_frame)
    ET.SubElement(joint, "child", link=PLUG_LINK)
    turned = tip_rotation.T @ _turn(spec.keyed_angle_deg)
    ET.SubElement(joint, "origin", xyz="0 0 0", rpy=_text(_rpy(turned)))
    path = folder / "arm.urdf"
    _save(tree, path)
    return path


def write_socket(folder: Path, spec: ConnectorSpec) -> Path:
    """The socket's URDF, face at z = 0."""
    root = ET.Element("robot", name="socket")
    _link(root, "socket", socket(spec), paints(spec), folder)
    path = folder / "socket.urdf"
    _save(ET.ElementTree(root), path)
    return path


def write_bench(folder: Path, spec: ConnectorSpec, depth_m: float) -> Path:
    """Table top and clutter, as pictures only: nothing here touches the plug before the socket does. It ends
    before the camera: TinyRenderer drops whole faces that reach behind the eye."""
    root = ET.Element("robot", name="bench")
    rng = np.random.default_rng(zlib.crc32(spec.name.encode()))
    top = -depth_m - 0.006
    solids: list[Solid] = [Box((-0.14, 0.0, top - 0.01), (0.42, 0.4, 0.02), (0.0, 0.0, 0.0), "background")]
    colours: dict[str, Rgb] = {"background": spec.look.background_rgb}
    for i in range(spec.look.clutter):
        angle, radius = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.025, 0.05)
        size = rng.uniform(0.008, 0.025, 2)
        centre = (radius * math.cos(angle), radius * math.sin(angle), top + 0.001)
        yaw = float(rng.uniform(0.0, math.pi))
        solids.append(Box(centre, (float(size[0]), float(size[1]), 0.002), (0.0, 0.0, yaw), f"clutter{i}"))
        red, green, blue = (float(c) for c in rng.uniform(0.05, 0.95, 3))
        colours[f"clutter{i}"] = (red, green, blue)
    _link(root, "bench", solids, colours, folder, collide=False)
    path = folder / "bench.urdf"
    _save(ET.ElementTree(root), path)
    return path


def _save(tree: Any, path: Path) -> None:
    ET.indent(tree)  # PyBullet reads line by line and cuts long ones
    tree.write(path)


def _link(root: ET.Element, name: str, solids: list[Solid], colours: dict[str, Rgb], folder: Path,
          collide: bool = True) -> ET.Element:
    link = ET.SubElement(root, "link", name=name)
    if name != PLUG_LINK:
        inertial = ET.SubElement(link, "inertial")
        ET.SubElement(inertial, "mass", value="0")
        ET.SubElement(inertial, "inertia", ixx="0", iyy="0", izz="0", ixy="0", ixz="0", iyz="0")
    for i, solid in enumerate(solids):
        for kind in ("visual", "collision") if collide else ("visual",):
            element = ET.SubElement(link, kind)
            _geometry(element, solid, folder / f"{name}_{i}.obj")
            if kind == "visual":
                material = ET.SubElement(element, "material", name=f"{name}_{solid.paint}")
                rgba = " ".join(f"{c:.3f}" for c in (*colours[solid.paint], 1.0))
                ET.SubElement(material, "color", rgba=rgba)
    return link


def _geometry(element: ET.Element, solid: Solid, mesh_path: Path) -> None:
    geometry = ET.Element("geometry")
    if isinstance(solid, Box):
        ET.SubElement(element, "origin", xyz=_text(solid.centre), rpy=_text(solid.rpy))
        ET.SubElement(geometry, "box", size=_text(solid.size))
    elif isinstance(solid, Cylinder):
        ET.SubElement(element, "origin", xyz=_text(solid.centre))
        ET.SubElement(geometry, "cylinder", radius=f"{solid.radius:.6f}", length=f"{solid.height:.6f}")
    else:
        ET.SubElement(element, "origin", xyz="0 0 0")
        _write_obj(mesh_path, solid)
        ET.SubElement(geometry, "mesh", filename=str(mesh_path))
    element.append(geometry)


def _write_obj(path: Path, prism: Prism) -> None:
    points = np.array([(x, y, z) for z in (prism.bottom, prism.top) for x, y in prism.outline])
    hull = ConvexHull(points)
    centre = points.mean(0)
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points]
    for a, b, c in hull.simplices:
        normal = np.cross(points[b] - points[a], points[c] - points[a])
        if normal @ (points[a] - centre) < 0:
            b, c = c, b
        lines.append(f"f {a + 1} {b + 1} {c + 1}")
    path.write_text("\n".join(lines) + "\n")


def _turn(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _rpy(rotation: np.ndarray) -> tuple[float, float, float]:
    """Roll, pitch, yaw (fixed axes) of a rotation (3, 3); at |pitch| = 90 degrees the yaw is 0."""
    pitch = math.asin(float(np.clip(-rotation[2, 0], -1.0, 1.0)))
    if abs(math.cos(pitch)) < 1e-9:
        return math.atan2(-float(rotation[1, 2]), float(rotation[1, 1])), pitch, 0.0
    return (math.atan2(float(rotation[2, 1]), float(rotation[2, 2])), pitch,
            math.atan2(float(rotation[1, 0]), float(rotation[0, 0])))


def _text(values: tuple[float, ...]) -> str:
    return " ".join(f"{v:.9g}" for v in values)
