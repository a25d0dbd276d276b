"""The solid of a connector: plug and socket as boxes, cylinders and convex hulls, in metres.

Frame: x, y across, z up; origin at the centre of the socket's face. A hole is a convex polygon; its
walls are boxes that each fill one half-space outside an edge, so that they never reach into the hole and
their faces are exact (Bullet keeps a box's collision margin inside the box).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from priorrl_core.tasks.connectors import ConnectorSpec

MM = 1e-3
MARGIN_M = 2e-4
"""Collision margin of boxes and cylinders; it rounds their edges."""
HULL_MARGIN_M = 1e-3
"""Bullet's URDF importer grows a convex hull by this; hulls are drawn smaller by it."""
Polygon = np.ndarray
Rect = tuple[float, float, float, float]
FLAT = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Box:
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    rpy: tuple[float, float, float]
    paint: str


@dataclass(frozen=True)
class Cylinder:
    centre: tuple[float, float, float]
    radius: float
    height: float
    paint: str


@dataclass(frozen=True)
class Prism:
    """A convex polygon (K, 2) drawn out between two heights."""

    outline: tuple[tuple[float, float], ...]
    bottom: float
    top: float
    paint: str


Solid = Box | Cylinder | Prism


@dataclass(frozen=True)
class Part:
    """One contact part: a convex polygon (K, 2) [m], counter-clockwise, about a centre."""

    outline: Polygon
    round_radius: float = 0.0
    box: tuple[float, float, float, float] | None = None
    """x, y, width, length where the part is an upright rectangle."""


def regular(n: int, radius: float, centre: tuple[float, float] = (0.0, 0.0)) -> Polygon:
    """Regular polygon (n, 2) whose edges touch the circle of the radius given."""
    angles = (np.arange(n) + 0.5) * 2.0 * math.pi / n
    corner = radius / math.cos(math.pi / n)
    return np.stack([centre[0] + corner * np.cos(angles), centre[1] + corner * np.sin(angles)], axis=1)


def rectangle(width: float, length: float, centre: tuple[float, float] = (0.0, 0.0)) -> Polygon:
    x, y, w, h = centre[0], centre[1], width / 2, length / 2
    return np.array([[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h]])


def _round_part(diameter: float, centre: tuple[float, float] = (0.0, 0.0), sides: int = 12) -> Part:
    """A round pin; its hole has ``sides`` flat walls that touch the pin's circle plus clearance."""
    return Part(regular(sides, diameter / 2, centre), round_radius=diameter / 2)


def _box_part(width: float, length: float, centre: tuple[float, float] = (0.0, 0.0)) -> Part:
    return Part(rectangle(width, length, centre), box=(centre[0], centre[1], width, length))


def _grid(rows: int, columns: int, pitch: float) -> list[tuple[float, float]]:
    xs = (np.arange(columns) - (columns - 1) / 2) * pitch
    ys = (np.arange(rows) - (rows - 1) / 2) * pitch
    return [(float(x), float(y)) for y in ys for x in xs]


def turned(outline: Polygon, angle: float) -> Polygon:
    """Polygon (K, 2) turned about the origin [rad]."""
    c, s = math.cos(angle), math.sin(angle)
    return outline @ np.array([[c, s], [-s, c]])


def stadium(width: float, length: float, sides: int = 6) -> Polygon:
    """Two half circles of ``sides`` edges each, joined along x: (2 sides + 2, 2)."""
    angles = np.linspace(-math.pi / 2, math.pi / 2, sides + 1)
    half = length / 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shift = np.array([(width - length) / 2, 0.0])
    return np.concatenate([half + shift, -half - shift])


def _ring(n: int, radius: float) -> list[tuple[float, float]]:
    angles = [math.pi / 2 + 2.0 * math.pi * i / n for i in range(n)]
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


def parts(spec: ConnectorSpec) -> list[Part]:
    """The parts of the plug that go in, nominal size [m]; the hand holds the plug in the middle of them."""
    placed = _parts(spec)
    points = np.concatenate([p.outline for p in placed])
    middle = (points.min(0) + points.max(0)) / 2
    return [Part(p.outline - middle, p.round_radius, p.box and (p.box[0] - float(middle[0]),
                 p.box[1] - float(middle[1]), p.box[2], p.box[3])) for p in placed]


def _parts(spec: ConnectorSpec) -> list[Part]:
    d = spec.dimensions
    w, length, pitch = d.width_mm * MM, (d.length_mm or d.width_mm) * MM, d.pitch_mm * MM
    if spec.family in ("round", "coaxial"):
        return [_round_part(w)]
    if spec.family == "rectangular":
        return [_box_part(w, length)]
    if spec.family == "hex":
        return [Part(regular(6, w / 2))]
    if spec.family == "d_shaped":
        slope = 0.18 * w
        return [Part(np.array([[-w / 2 + slope, -length / 2], [w / 2 - slope, -length / 2],
                               [w / 2, length / 2], [-w / 2, length / 2]]))]
    if spec.family == "keyed":
        cut = 0.3 * min(w, length)
        return [Part(np.array([[-w / 2 + cut, -length / 2], [w / 2 - cut, -length / 2], [w / 2, -length / 2 + cut],
                               [w / 2, length / 2], [-w / 2, length / 2], [-w / 2, -length / 2 + cut]]))]
    if spec.family in ("multi_pin", "studs"):
        sides = 12 if d.rows * d.columns == 1 else 8 if d.rows * d.columns == 2 else 4
        return [_round_part(w, c, sides) for c in _grid(d.rows, d.columns, pitch)]
    if spec.family == "square_pegs":
        return [_box_part(w, length, c) for c in _grid(d.rows, d.columns, pitch)]
    if spec.family in ("din", "tri_pin"):
        return [_round_part(w, c, 6) for c in _ring(3 if spec.family == "tri_pin" else d.columns, pitch / 2)]
    if spec.family == "two_pin":
        return [_round_part(w, (-pitch / 2, 0.0), 8), _round_part(w, (pitch / 2, 0.0), 8)]
    if spec.family == "oval":
        return [Part(stadium(w, length))]
    if spec.family == "three_blades":
        feet = [_box_part(length, w, (x, -pitch / 2)) for x in (-pitch / 2, pitch / 2)]
        return [*feet, _box_part(w, 1.25 * length, (0.0, pitch / 2))]
    if spec.family == "angled_blades":
        tilted = [Part(turned(rectangle(w, length), a) + [x, pitch / 3])
                  for x, a in ((-pitch / 2, -math.pi / 6), (pitch / 2, math.pi / 6))]
        return [*tilted, _box_part(w, length, (0.0, -pitch / 2))]
    if spec.family == "offset_pins":
        return [_round_part(w, c, 8) for c in ((-pitch / 2, 0.0), (0.0, -0.27 * pitch), (pitch / 2, 0.0))]
    if spec.family == "pin_blade":
        return [_round_part(w, (-pitch / 2, 0.0), 8), _box_part(0.7 * w, length, (pitch / 2, 0.0))]
    blades = [_box_part(w, length, (-pitch / 2, 0.0)), _box_part(w, length, (pitch / 2, 0.0))]
    if d.rows > 1:
        blades.append(_round_part(min(4.8 * MM, 0.6 * pitch), (0.0, -1.05 * pitch), 8))
    return blades


def footprint(spec: ConnectorSpec) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) around all parts [m]."""
    points = np.concatenate([p.outline for p in parts(spec)])
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def body_height_m(spec: ConnectorSpec) -> float:
    """From the tip frame of the gripper down to the plug's shoulder."""
    return spec.look.body_mm[2] * MM


def goal_height_m(spec: ConnectorSpec) -> float:
    """Height of the gripper's tip above the socket's face when the plug is fully in."""
    return body_height_m(spec) + spec.fit.shoulder_gap_mm * MM


def plug(spec: ConnectorSpec) -> list[Solid]:
    """The plug below the gripper's tip: origin at the tip, z UP (so that everything has z < 0)."""
    x0, y0, x1, y1 = footprint(spec)
    height = body_height_m(spec)
    width = spec.look.body_mm[0] * MM or (x1 - x0) + 6 * MM
    length = spec.look.body_mm[1] * MM or (y1 - y0) + 6 * MM
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    solids: list[Solid] = []
    if spec.look.body_round:
        radius = max(width, length) / 2
        solids.append(Cylinder((*centre, -height / 2), radius, height, "plug"))
    else:
        solids.append(Box((*centre, -height / 2), (width, length, height), (0.0, 0.0, 0.0), "plug"))
    reach = (spec.fit.depth_mm + spec.fit.shoulder_gap_mm) * MM
    for part in parts(spec):
        solids.append(_contact(part, -height - reach, -height + 1 * MM))
    return solids


def _contact(part: Part, bottom: float, top: float) -> Solid:
    middle, height = (bottom + top) / 2, top - bottom
    if part.round_radius:
        x, y = part.outline.mean(0)
        return Cylinder((float(x), float(y), middle), part.round_radius, height, "contact")
    if part.box:
        x, y, w, length = part.box
        return Box((x, y, middle), (w, length, height), (0.0, 0.0, 0.0), "contact")
    inner = offset(part.outline, -HULL_MARGIN_M)
    outline = tuple((float(a), float(b)) for a, b in inner)
    return Prism(outline, bottom + HULL_MARGIN_M, top, "contact")


def offset(outline: Polygon, distance: float) -> Polygon:
    """The convex polygon (K, 2) with every edge moved outward by ``distance`` [m]."""
    a, b = outline, np.roll(outline, -1, axis=0)
    edge = (b - a) / np.linalg.norm(b - a, axis=1, keepdims=True)
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    level = np.sum(normal * a, axis=1) + distance
    previous_normal, previous_level = np.roll(normal, 1, axis=0), np.roll(level, 1)
    return np.stack([np.linalg.solve(np.stack([n0, n1]), np.array([c0, c1]))
                     for n0, n1, c0, c1 in zip(previous_normal, normal, previous_level, level, strict=True)])


def socket(spec: ConnectorSpec) -> list[Solid]:
    """The socket, face at z = 0: walls and chamfers of every hole, the rim around them, the floor."""
    fit = spec.fit
    holes = [offset(p.outline, fit.clearance_mm * MM) for p in parts(spec)]
    depth, chamfer = fit.depth_mm * MM, fit.chamfer_mm * MM
    mouths = [offset(h, chamfer) for h in holes]
    inner, outer = _rim(spec)
    solids = _frame(inner, outer, depth)
    for i, hole in enumerate(holes):
        others = mouths[:i] + mouths[i + 1:]
        for a, b in zip(hole, np.roll(hole, -1, axis=0), strict=True):
            solids += _wall(a, b, hole, others, outer, depth, chamfer)
    floor_height = 6 * MM
    centre = ((outer[0] + outer[2]) / 2, (outer[1] + outer[3]) / 2, -depth - floor_height / 2)
    size = (outer[2] - outer[0], outer[3] - outer[1], floor_height)
    solids.append(Box(centre, size, FLAT, "hole"))
    return solids


def _rim(spec: ConnectorSpec) -> tuple[Rect, Rect]:
    x0, y0, x1, y1 = footprint(spec)
    grow = (spec.fit.clearance_mm + spec.fit.chamfer_mm) * MM
    far = grow + spec.look.socket_margin_mm * MM
    return (x0 - grow, y0 - grow, x1 + grow, y1 + grow), (x0 - far, y0 - far, x1 + far, y1 + far)


def _wall(a: np.ndarray, b: np.ndarray, hole: Polygon, others: list[Polygon], outer: Rect, depth: float,
          chamfer: float) -> list[Solid]:
    """Wall, face and chamfer along the edge a-b of a hole, as thick as its surroundings allow."""
    along = (b - a) / np.linalg.norm(b - a)
    normal = np.array([along[1], -along[0]])
    length = float(np.linalg.norm(b - a))
    thickness, extra = _room(a, b, along, normal, hole, others, outer)
    yaw = math.atan2(along[1], along[0])
    middle = (a + b) / 2 + normal * thickness / 2
    height = depth - chamfer
    wall = Box((float(middle[0]), float(middle[1]), -chamfer - height / 2), (length + extra, thickness, height),
               (0.0, 0.0, yaw), "socket")
    if chamfer <= 0.0:
        return [wall]
    walls: list[Solid] = [wall]
    if thickness > chamfer + 0.2 * MM:
        land, at = thickness - chamfer, (a + b) / 2 + normal * (thickness + chamfer) / 2
        walls.append(Box((float(at[0]), float(at[1]), -chamfer / 2), (length + extra, land, chamfer),
                         (0.0, 0.0, yaw), "socket"))
    return [*walls, _chamfer((a + b) / 2, normal, yaw, length + min(extra, chamfer), chamfer, thickness)]


def _room(a: np.ndarray, b: np.ndarray, along: np.ndarray, normal: np.ndarray, hole: Polygon,
          others: list[Polygon], outer: Rect) -> tuple[float, float]:
    """(thickness, extra length) of the largest wall that stays inside the rim and out of other holes [m]."""
    corner = math.tan(math.pi / len(hole)) * 2.0
    for thickness in np.linspace(12 * MM, 0.5 * MM, 24):
        extra = corner * float(thickness)
        side = along * extra / 2
        box = np.array([a - side, b + side, b + side + normal * thickness, a - side + normal * thickness])
        inside = (box.min(0) >= np.array(outer[:2]) - 1e-9).all() and (box.max(0) <= np.array(outer[2:]) + 1e-9).all()
        if inside and not any(overlap(box, other) for other in others):
            return float(thickness), extra
    return 0.5 * MM, 0.0


def overlap(first: Polygon, second: Polygon) -> bool:
    """Whether two convex polygons share area (separating axes)."""
    for outline in (first, second):
        edges = np.roll(outline, -1, axis=0) - outline
        for normal in np.stack([edges[:, 1], -edges[:, 0]], axis=1):
            one, two = first @ normal, second @ normal
            if one.max() <= two.min() + 1e-12 or two.max() <= one.min() + 1e-12:
                return False
    return True


def _chamfer(edge: np.ndarray, normal: np.ndarray, yaw: float, length: float, chamfer: float,
             thickness: float) -> Box:
    """A 45 degree slab whose upper face runs from the hole's edge at -chamfer out to the face at 0."""
    slab = min(1.5 * MM, thickness)
    run = chamfer * math.sqrt(2.0)
    outward = np.array([normal[0], normal[1], 1.0]) / math.sqrt(2.0)
    below = np.array([normal[0], normal[1], -1.0]) / math.sqrt(2.0)
    centre = np.array([edge[0], edge[1], -chamfer]) + outward * run / 2 + below * slab / 2
    # local y points into the hole; rolling by -45 degrees lowers the inner side
    return Box((float(centre[0]), float(centre[1]), float(centre[2])), (length, run, slab),
               (-math.pi / 4, 0.0, yaw), "socket")


def _frame(inner: Rect, outer: Rect, depth: float) -> list[Solid]:
    """Four boxes between two upright rectangles, from the face down to the floor."""
    (a0, b0, a1, b1), (c0, d0, c1, d1) = inner, outer
    z = -depth / 2
    return [
        Box(((c0 + a0) / 2, (d0 + d1) / 2, z), (a0 - c0, d1 - d0, depth), FLAT, "socket"),
        Box(((a1 + c1) / 2, (d0 + d1) / 2, z), (c1 - a1, d1 - d0, depth), FLAT, "socket"),
        Box(((a0 + a1) / 2, (d0 + b0) / 2, z), (a1 - a0, b0 - d0, depth), FLAT, "socket"),
        Box(((a0 + a1) / 2, (b1 + d1) / 2, z), (a1 - a0, d1 - b1, depth), FLAT, "socket"),
    ]
