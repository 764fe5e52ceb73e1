"""Small good files of every format that readers know, for fuzz/readers.py to damage."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from mpc.formats.person_file import FORMAT, VERSION
from mpc.geometry.labels import GARMENTS, PARTS


def body() -> trimesh.Trimesh:
    """A capsule as tall as a person, y up."""
    mesh = trimesh.creation.capsule(height=1.4, radius=0.2, count=[6, 8])
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return mesh


def picture() -> bytes:
    """A small PNG."""
    stream = io.BytesIO()
    Image.fromarray((np.arange(8 * 8 * 3) % 251).reshape(8, 8, 3).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def good_obj() -> bytes:
    """Materials, quads, negative indices, vertex colours."""
    mesh = body()
    lines = ["# units: m", "mtllib mesh.mtl", "o body"]
    lines += [f"v {x:.5f} {y:.5f} {z:.5f} 0.5 0.25 1" for x, y, z in mesh.vertices]
    lines += [f"vt {(x + 1) / 2:.4f} {(y + 1) / 2:.4f}" for x, y, _ in mesh.vertices]
    lines += ["usemtl skin"] + [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in mesh.faces + 1]
    lines += ["usemtl other", "f -1 -2 -3 -4", "f 1//1 2//1 3//1", "l 1 2"]
    return "\n".join(lines).encode()


def good_mtl() -> bytes:
    """A texture with options, and a plain material."""
    return b"newmtl skin\nKd 1 1 1\nmap_Kd -s 2 2 2 -o 0.1 0 0 texture.png\nd 0.9\nnewmtl other\nKd 0.2 0.3 0.4\n"


def good_ply(form: str) -> bytes:
    """Vertex colours and lists, in one of the three encodings."""
    mesh = body()
    mesh.visual.vertex_colors = (np.arange(len(mesh.vertices) * 4) % 256).reshape(-1, 4).astype(np.uint8)
    content = mesh.export(file_type="ply", encoding="ascii" if form == "ascii" else "binary")
    if form == "big":
        return _swap_ply(content)
    return bytes(content)


def _swap_ply(content: bytes) -> bytes:
    head, _, tail = content.partition(b"end_header\n")
    count = len(body().vertices)
    row = np.dtype([("p", "<f4", 3), ("c", "u1", 4)])
    vertices = np.frombuffer(tail, row, count).astype(row.newbyteorder(">"))
    face = np.dtype([("n", "u1"), ("i", "<i4", 3)])
    faces = np.frombuffer(tail[count * row.itemsize :], face).astype(face.newbyteorder(">"))
    return head.replace(b"little", b"big") + b"end_header\n" + vertices.tobytes() + faces.tobytes()


def good_gltf() -> tuple[dict[str, Any], bytes]:
    """A skinned, animated, textured body of two joints: the document and its buffer."""
    mesh = body()
    points = mesh.vertices.astype("<f4")
    upper = (points[:, 1] > 0).astype("<f4")
    weights = np.stack([1 - upper, upper, 0 * upper, 0 * upper], axis=1).astype("<f4")
    joints = np.tile(np.array([0, 1, 0, 0], "u1"), (len(points), 1))
    turns = np.array([[0, 0, 0, 1], [0, 0, 0.38, 0.92]], "<f4")
    inverse = np.stack([np.eye(4), np.eye(4)]).astype("<f4")
    inverse[1, 3, 1] = -0.2
    arrays: list[tuple[Any, int, str]] = [
        (points, 5126, "VEC3"), (mesh.faces.astype("<u2").ravel(), 5123, "SCALAR"), (points[:, :2], 5126, "VEC2"),
        (joints, 5121, "VEC4"), (weights, 5126, "VEC4"), (inverse, 5126, "MAT4"),
        (np.array([0, 0.5], "<f4"), 5126, "SCALAR"), (turns, 5126, "VEC4"),
    ]  # fmt: skip
    blob, views, accessors = b"", [], []
    for array, component, shape in arrays:
        content = np.ascontiguousarray(array).tobytes()
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(content)})
        accessors.append({"bufferView": len(views) - 1, "componentType": component, "count": len(array), "type": shape})
        blob += content + b"\0" * (-len(content) % 4)
    png = picture()
    views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(png)})
    blob += png + b"\0" * (-len(png) % 4)
    accessors[4]["sparse"] = {
        "count": 1, "indices": {"bufferView": 1, "componentType": 5123}, "values": {"bufferView": 4},
    }  # fmt: skip
    attributes = {"POSITION": 0, "TEXCOORD_0": 2, "JOINTS_0": 3, "WEIGHTS_0": 4}
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 2]}],
        "nodes": [
            {"name": "hips", "children": [1]},
            {"name": "spine", "translation": [0, 0.2, 0], "rotation": [0, 0, 0, 1]},
            {"name": "skin", "mesh": 0, "skin": 0},
        ],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 1, "material": 0, "mode": 4}]}],
        "skins": [{"joints": [0, 1], "inverseBindMatrices": 5}],
        "animations": [
            {
                "name": "bend",
                "channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
                "samplers": [{"input": 6, "output": 7, "interpolation": "LINEAR"}],
            }
        ],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}, "alphaMode": "MASK"}],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{}],
        "images": [{"bufferView": len(views) - 1, "mimeType": "image/png"}],
        "buffers": [{"byteLength": len(blob)}],
        "bufferViews": views,
        "accessors": accessors,
    }, blob


def pack_glb(document: dict[str, Any], blob: bytes) -> bytes:
    """The container, its lengths right."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    return struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts


def pack_gltf(document: dict[str, Any], blob: bytes) -> bytes:
    """JSON with the buffer inside."""
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    return json.dumps(document).encode()


def good_bvh() -> bytes:
    """Three joints, two frames."""
    head = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT chest
  {
    OFFSET 0 5.2 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 2 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.033333
"""
    rows = [" ".join(f"{value / 7:.2f}" for value in range(first, first + 9)) for first in (0, 9)]
    return (head + "\n".join(rows) + "\n").encode()


def good_pickle() -> bytes:
    """Arrays as X-Humans has them."""
    mesh = body()
    return pickle.dumps(
        {
            "vertices": np.array(mesh.vertices, np.float32),
            "faces": np.array(mesh.faces),
            "uvs": np.zeros((len(mesh.vertices), 2), np.float32),
            "scale": np.float64(0.5),
        },
        4,
    )


def good_labels(*, rigged: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is known of the person of `good_obj`, or of `good_gltf`: the text "about", and the arrays beside it."""
    mesh = body()
    vertices, count = np.array(mesh.vertices, "<f4"), len(mesh.vertices)
    names = ["pelvis", "head", "left_toe"]
    about: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "parts": list(PARTS), "garments": list(GARMENTS), "joints": names,
        "person": {"height_m": 1.8, "age_years": 33.5, "sex": "female"},
    }  # fmt: skip
    arrays = {
        "vertices": vertices, "vertex_part": np.full(count, PARTS.index("torso"), "u1"),
        "vertex_garment": np.full(count, GARMENTS.index("shirt"), "u1"), "body_vertices": vertices * np.float32(0.9),
        "body_faces": np.array(mesh.faces, "<i4"), "joints": np.array([[0, 0, 0], [0, 0.7, 0], [np.nan] * 3]),
    }  # fmt: skip
    if rigged:
        about["bones"] = ["hips", "spine"]
        arrays |= {
            "joint_bones": np.array([0, 1, -1], "<i4"), "body_bones": np.tile(np.array([0, 1], "<i4"), (count, 1)),
            "body_weights": np.full((count, 2), 0.5, "<f4"),
        }  # fmt: skip
    return about, arrays


def pack_npy(array: Any) -> bytes:
    """An array as a .npy; Python objects as the pickle that such files hold."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def pack_npz(members: Mapping[str, bytes]) -> bytes:
    """An .npz of members that are .npy already, good or not."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def pack_labels(about: Any, arrays: Mapping[str, Any]) -> bytes:
    """The file that lies beside a mesh."""
    members = {"about": pack_npy(np.array(json.dumps(about)))}
    return pack_npz(members | {name: pack_npy(array) for name, array in arrays.items()})


def good_files() -> dict[str, bytes]:
    """A folder of subjects, a clip and a pickle, one of each, by name."""
    return {
        "obj/mesh.obj": good_obj(), "obj/mesh.mtl": good_mtl(), "obj/texture.png": picture(),
        "a/a.ply": good_ply("ascii"),
        "b/b.ply": good_ply("little"), "c/c.ply": good_ply("big"), "d/d.stl": bytes(body().export(file_type="stl")),
        "e/e.stl": body().export(file_type="stl_ascii").encode(), "f/f.glb": pack_glb(*good_gltf()),
        "g/g.gltf": pack_gltf(*good_gltf()), "h.bvh": good_bvh(), "i.pkl": good_pickle(),
        "obj/mesh.labels.npz": pack_labels(*good_labels(rigged=False)),
        "f/f.labels.npz": pack_labels(*good_labels(rigged=True)),
    }  # fmt: skip
