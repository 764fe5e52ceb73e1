"""Coloured meshes to files: GLB, PLY, OBJ; world metres, y up."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.errors import SettingsError
from ..geometry.mesh import PosedMesh

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

FORMATS = ("glb", "ply", "obj")
_FLOAT, _UNSIGNED_INT, _UNSIGNED_SHORT = 5126, 5125, 5123
_COMPONENTS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963


def write_mesh(path: Path, vertices: F64, faces: I32, colours: U8 | None = None) -> None:
    """Write a mesh, whole or not at all; the suffix names the format.

    Args:
        path: ends in .glb, .ply or .obj.
        vertices: (V, 3) world metres.
        faces: (F, 3), counter-clockwise seen from outside.
        colours: (V, 3) uint8 display (sRGB) values; None: without colours.

    Raises:
        SettingsError: another suffix.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise SettingsError(f"{path}: meshes are written as {', '.join('.' + name for name in FORMATS)}")
    content = {"glb": glb_bytes, "ply": ply_bytes, "obj": obj_bytes}[kind](vertices, faces, colours)
    write_whole(path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Under a temporary name, then renamed: a file with the final name is whole."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def glb_bytes(vertices: F64, faces: I32, colours: U8 | None = None) -> bytes:
    """Binary glTF 2.0; colours become linear, as the format wants them, and unlit, since light is in them already."""
    positions = np.ascontiguousarray(vertices, "<f4")
    chunks: list[bytes] = []
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []

    def add(data: npt.NDArray[Any], kind: int, shape: str, target: int, **bounds: object) -> int:
        content = data.tobytes()
        offset = sum(map(len, chunks))
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(content), "target": target})
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": kind, "count": data.size // _COMPONENTS[shape],
             "type": shape, **bounds}
        )  # fmt: skip
        chunks.append(content + b"\0" * (-len(content) % 4))
        return len(accessors) - 1

    low, high = positions.min(axis=0).tolist(), positions.max(axis=0).tolist()
    attributes = {"POSITION": add(positions, _FLOAT, "VEC3", _ARRAY_BUFFER, min=low, max=high)}
    if colours is not None:
        linear = np.full((len(colours), 4), 65535, "<u2")
        linear[:, :3] = np.rint(_to_linear(colours / 255.0) * 65535)
        attributes["COLOR_0"] = add(linear, _UNSIGNED_SHORT, "VEC4", _ARRAY_BUFFER, normalized=True)
    else:
        attributes["NORMAL"] = add(
            PosedMesh(vertices, faces).vertex_normals.astype("<f4"), _FLOAT, "VEC3", _ARRAY_BUFFER
        )
    index = add(np.ascontiguousarray(faces, "<u4").reshape(-1), _UNSIGNED_INT, "SCALAR", _ELEMENT_BUFFER)
    material: dict[str, Any] = {"name": "person", "pbrMetallicRoughness": {"metallicFactor": 0.0}}
    if colours is not None:
        material["extensions"] = {"KHR_materials_unlit": {}}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "mpc"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "person"}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": index, "material": 0}]}],
        "materials": [material], "accessors": accessors, "bufferViews": views,
        "buffers": [{"byteLength": sum(map(len, chunks))}],
    }  # fmt: skip
    if colours is not None:
        document["extensionsUsed"] = ["KHR_materials_unlit"]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(chunks)
    head = struct.pack("<III", 0x46546C67, 2, 12 + 8 + len(text) + 8 + len(binary))
    return (
        head + struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    )


def ply_bytes(vertices: F64, faces: I32, colours: U8 | None = None) -> bytes:
    """Binary little-endian PLY, float32 positions."""
    fields: list[tuple[str, str]] = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    names = ["property float x", "property float y", "property float z"]
    if colours is not None:
        fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
        names += ["property uchar red", "property uchar green", "property uchar blue"]
    points = np.zeros(len(vertices), fields)
    for axis, name in enumerate("xyz"):
        points[name] = vertices[:, axis]
    if colours is not None:
        for channel, name in enumerate(("red", "green", "blue")):
            points[name] = colours[:, channel]
    triangles = np.zeros(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, faces
    lines = [
        "ply", "format binary_little_endian 1.0", "comment metres, y up", f"element vertex {len(points)}", *names,
        f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", "",
    ]  # fmt: skip
    return "\n".join(lines).encode() + points.tobytes() + triangles.tobytes()


def obj_bytes(vertices: F64, faces: I32, colours: U8 | None = None) -> bytes:
    """Wavefront OBJ; colours follow the position, as MeshLab and Blender read them."""
    lines = ["# metres, y up"]
    if colours is None:
        lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices.tolist()]
    else:
        rows = np.column_stack([vertices, colours / 255.0]).tolist()
        lines += [f"v {x:.6f} {y:.6f} {z:.6f} {r:.4f} {g:.4f} {b:.4f}" for x, y, z, r, g, b in rows]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces.astype(np.int64) + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def _to_linear(display: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
