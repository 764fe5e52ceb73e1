"""Coloured meshes to files: GLB, PLY, OBJ; world metres, y up."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..core.arrays import F64, I32, U8, Array
from ..core.errors import SettingsError
from ..core.files import write_bytes
from ..geometry.mesh import PosedMesh, TexturedMesh

FORMATS = ("glb", "ply", "obj")
_FLOAT, _UNSIGNED_INT, _UNSIGNED_SHORT = 5126, 5125, 5123
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963


def write_mesh(
    path: Path, vertices: F64, faces: I32, colours: U8 | None = None, textured: TexturedMesh | None = None
) -> None:
    """Write a mesh, whole or not at all; the suffix names the format.

    Args:
        path: ends in .glb, .ply or .obj.
        vertices: (V, 3) world metres.
        faces: (F, 3), counter-clockwise seen from outside.
        colours: (V, 3) uint8 display (sRGB) values; None: without colours.
        textured: the same mesh with a texture, which GLB holds and OBJ names (NAME.mtl and NAME_texture.png beside
            it); PLY, which knows none, gets the colours.

    Raises:
        SettingsError: another suffix.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise SettingsError(f"{path}: meshes are written as {', '.join('.' + name for name in FORMATS)}")
    if textured is None or kind == "ply":
        content = {"glb": glb_bytes, "ply": ply_bytes, "obj": obj_bytes}[kind](vertices, faces, colours)
    elif kind == "glb":
        content = glb_bytes(textured.vertices, textured.faces, None, textured)
    else:
        write_bytes(path.with_name(f"{path.stem}_texture.png"), png_bytes(textured.texture))
        # As Blender and MeshLab read it: light is in the texture already, so it shines by itself, too.
        material = f"newmtl person\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 0\nmap_Kd {path.stem}_texture.png\n"
        write_bytes(path.with_suffix(".mtl"), material.encode())
        content = textured_obj_bytes(textured, f"{path.stem}.mtl")
    write_bytes(path, content)


def png_bytes(picture: U8) -> bytes:
    """(H, W, 3) uint8 as PNG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def glb_bytes(vertices: F64, faces: I32, colours: U8 | None = None, textured: TexturedMesh | None = None) -> bytes:
    """Binary glTF 2.0; colours become linear, as the format wants them, and unlit, since light is in them already.

    With `textured` (of these vertices and faces), its texture instead of colours.
    """
    positions = np.ascontiguousarray(vertices, "<f4")
    chunks: list[bytes] = []
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []

    def view(content: bytes, **more: object) -> int:
        views.append({"buffer": 0, "byteOffset": sum(map(len, chunks)), "byteLength": len(content), **more})
        chunks.append(content + b"\0" * (-len(content) % 4))
        return len(views) - 1

    def add(data: Array, kind: int, shape: str, target: int, **bounds: object) -> int:
        place, count = view(data.tobytes(), target=target), data.size // _COMPONENTS[shape]
        accessors.append({"bufferView": place, "componentType": kind, "count": count, "type": shape, **bounds})
        return len(accessors) - 1

    low, high = positions.min(axis=0).tolist(), positions.max(axis=0).tolist()
    attributes = {"POSITION": add(positions, _FLOAT, "VEC3", _ARRAY_BUFFER, min=low, max=high)}
    if textured is not None:
        attributes["TEXCOORD_0"] = add(textured.uv.astype("<f4"), _FLOAT, "VEC2", _ARRAY_BUFFER)
    elif colours is not None:
        linear = np.full((len(colours), 4), 65535, "<u2")
        linear[:, :3] = np.rint(_to_linear(colours / 255.0) * 65535)
        attributes["COLOR_0"] = add(linear, _UNSIGNED_SHORT, "VEC4", _ARRAY_BUFFER, normalized=True)
    else:
        attributes["NORMAL"] = add(
            PosedMesh(vertices, faces).vertex_normals.astype("<f4"), _FLOAT, "VEC3", _ARRAY_BUFFER
        )
    index = add(np.ascontiguousarray(faces, "<u4").reshape(-1), _UNSIGNED_INT, "SCALAR", _ELEMENT_BUFFER)
    material: dict[str, Any] = {"name": "person", "pbrMetallicRoughness": {"metallicFactor": 0.0}}
    if textured is not None:
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    if unlit := colours is not None or textured is not None:
        material["extensions"] = {"KHR_materials_unlit": {}}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "mpc"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "person"}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": index, "material": 0}]}],
        "materials": [material], "accessors": accessors, "bufferViews": views,
        "buffers": [{"byteLength": sum(map(len, chunks))}],
    }  # fmt: skip
    if textured is not None:
        document |= {
            "images": [{"bufferView": view(png_bytes(textured.texture)), "mimeType": "image/png"}],
            "textures": [{"source": 0, "sampler": 0}],
            "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
            "buffers": [{"byteLength": sum(map(len, chunks))}],
        }
    if unlit:
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


def textured_obj_bytes(mesh: TexturedMesh, library: str) -> bytes:
    """Wavefront OBJ with texture coordinates, whose second counts from the bottom."""
    lines = ["# metres, y up", f"mtllib {library}", "usemtl person"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"vt {u:.6f} {1 - v:.6f}" for u, v in mesh.uv.tolist()]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in (mesh.faces.astype(np.int64) + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def _to_linear(display: F64) -> F64:
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
