"""A figure of boxes that stands in for a person, and the same figure as a rig in a glTF file."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.geometry.mesh import PosedMesh
from mpc.subjects.find import Subject, find_subjects

F64 = npt.NDArray[np.float64]

HEAD, TORSO = ((-0.08, 1.5, -0.1), (0.08, 1.72, 0.1)), ((-0.2, 0.85, -0.12), (0.2, 1.45, 0.12))
STANDING = [
    HEAD,
    TORSO,
    *[((x - 0.07, 0.05, -0.07), (x + 0.07, 0.85, 0.07)) for x in (-0.1, 0.1)],
    *[((x - 0.05, 0.0, -0.07), (x + 0.05, 0.06, 0.19)) for x in (-0.1, 0.1)],
]
ARMS_DOWN = [((x - 0.05, 0.7, -0.05), (x + 0.05, 1.4, 0.05)) for x in (-0.27, 0.27)]
ARMS_WIDE = [((-0.95, 1.3, -0.05), (0.95, 1.4, 0.05))]
ARMS_FORWARD = [((x - 0.05, 1.3, 0.0), (x + 0.05, 1.4, 0.95)) for x in (-0.2, 0.2)]
ARMS_UP = [((x - 0.05, 1.3, -0.05), (x + 0.05, 2.15, 0.05)) for x in (-0.25, 0.25)]
SITTING = [
    ((-0.08, 0.68, -0.1), (0.08, 0.9, 0.1)),
    ((-0.2, 0.0, -0.12), (0.2, 0.62, 0.12)),
    *[((x - 0.07, 0.0, 0.1), (x + 0.07, 0.14, 0.95)) for x in (-0.1, 0.1)],
    *[((x - 0.05, 0.0, 0.95), (x + 0.05, 0.24, 1.02)) for x in (-0.1, 0.1)],
    *[((x - 0.05, 0.2, -0.05), (x + 0.05, 0.55, 0.05)) for x in (-0.27, 0.27)],
]
POSES = {
    "arms down": STANDING + ARMS_DOWN,
    "arms wide": STANDING + ARMS_WIDE,
    "arms forward": STANDING + ARMS_FORWARD,
    "arms up": STANDING + ARMS_UP,
    "sitting": SITTING,
}


def rounded(unit: F64, size: F64) -> F64:
    """Points of the unit cube, its cross-section pressed into a disc where the part is longer than 30 cm."""
    if size.max() < 0.3:
        return unit
    a, b = (axis for axis in range(3) if axis != int(np.argmax(size)))
    result, centred = unit.copy(), 2 * unit - 1
    result[:, a] = 0.5 + 0.5 * centred[:, a] * np.sqrt(1 - centred[:, b] ** 2 / 2)
    result[:, b] = 0.5 + 0.5 * centred[:, b] * np.sqrt(1 - centred[:, a] ** 2 / 2)
    return result


def boxes(parts: list[Any], cells: int = 12) -> PosedMesh:
    """Closed parts with a grid on each side: boxes, but for long ones, which are round along their length."""
    vertices: list[F64] = []
    faces: list[npt.NDArray[np.int64]] = []
    step = np.linspace(0, 1, cells + 1)
    for low, high in np.asarray(parts, float):
        for axis in range(3):
            for end in (0.0, 1.0):
                u, v = np.meshgrid(step, step, indexing="ij")
                grid = np.stack([np.full_like(u, end), u, v], axis=-1).reshape(-1, 3)
                points = rounded(np.roll(grid, axis, axis=1), high - low) * (high - low) + low
                i = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
                quads = np.stack([i, i + cells + 1, i + cells + 2, i, i + cells + 2, i + 1], axis=1).reshape(-1, 3)
                faces.append((quads if end else quads[:, ::-1]) + sum(map(len, vertices)))
                vertices.append(points)
    return PosedMesh(np.concatenate(vertices), np.concatenate(faces).astype(np.int32))


def rig_file(
    path: Path, *, scale: float = 1.0, backwards: bool = False, names: tuple[str, ...] = ("walk", "walk", "")
) -> Subject:
    """The standing figure on hips and two legs; animation i has 10 * (i + 1) frames and lifts the hips."""
    mesh = boxes(POSES["arms down"], cells=4)
    vertices = (mesh.vertices * scale * ([-1, 1, -1] if backwards else [1, 1, 1])).astype("<f4")
    side = np.sign(vertices[:, 0]) * (vertices[:, 1] < 0.8 * scale)
    joints = np.zeros((len(vertices), 4), np.uint8)
    left = -1 if backwards else 1
    joints[:, 0] = np.where(side == left, 1, np.where(side == -left, 2, 0))
    weights = np.zeros((len(vertices), 4), "<f4")
    weights[:, 0] = 1
    hips, leg = np.array([0, 0.9, 0.01]) * scale, np.array([0.1, -0.05, 0]) * scale * (-1 if backwards else 1)
    bind = np.tile(np.eye(4, dtype="<f4"), (3, 1, 1))
    bind[:, :3, 3] = -np.array([hips, hips + leg, hips + leg * [-1, 1, 1]])
    blobs: list[bytes] = []
    accessors: list[dict[str, Any]] = []
    views: list[dict[str, Any]] = []

    def add(array: npt.NDArray[Any], kind: str, component: int) -> int:
        content = np.ascontiguousarray(array).tobytes()
        views.append({"buffer": 0, "byteOffset": sum(map(len, blobs)), "byteLength": len(content)})
        blobs.append(content + b"\0" * (-len(content) % 4))
        accessors.append({"bufferView": len(views) - 1, "componentType": component, "count": len(array), "type": kind})
        return len(accessors) - 1

    attributes = {"POSITION": add(vertices, "VEC3", 5126), "JOINTS_0": add(joints, "VEC4", 5121)}
    attributes["WEIGHTS_0"] = add(weights, "VEC4", 5126)
    indices = add(mesh.faces.ravel().astype("<u4"), "SCALAR", 5125)
    inverse = add(bind.transpose(0, 2, 1).reshape(3, 16), "MAT4", 5126)
    animations = []
    for number, name in enumerate(names):
        count = 10 * (number + 1)
        times = add((np.arange(count) / 30).astype("<f4"), "SCALAR", 5126)
        height = hips + np.arange(count)[:, None] * [0, 0.01 * scale, 0]
        sampler = {"input": times, "output": add(height.astype("<f4"), "VEC3", 5126)}
        channel = {"sampler": 0, "target": {"node": 1, "path": "translation"}}
        animations.append({"name": name, "samplers": [sampler], "channels": [channel]})
    nodes = [
        {"mesh": 0, "skin": 0},
        {"name": "mixamorig:Hips", "translation": hips.tolist(), "children": [2, 3]},
        {"name": "mixamorig:LeftUpLeg", "translation": leg.tolist()},
        {"name": "mixamorig:RightUpLeg", "translation": (leg * [-1, 1, 1]).tolist()},
    ]
    data = b"".join(blobs)
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, 1]}], "nodes": nodes,
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices}]}],
        "skins": [{"joints": [1, 2, 3], "inverseBindMatrices": inverse}], "animations": animations,
        "accessors": accessors, "bufferViews": views,
        "buffers": [{"byteLength": len(data), "uri": "data:;base64," + base64.b64encode(data).decode()}],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return next(subject for subject in find_subjects(path.parent) if subject.path == path)
