"""Writing a person: OBJ with MTL and PNG, or binary glTF 2.0 with a skin and animations."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..core.arrays import F32, F64, I32, U8
from .surface import vertex_normals


@dataclass(frozen=True, eq=False)
class Clip:
    """An animation of a rig.

    Attributes:
        name: unique in the rig. fps: frames per second.
        rotations: (N, B, 3, 3) local rotations. offsets: (N, 3) metres, added to the root's rest position.
    """

    name: str
    rotations: F64
    offsets: F64
    fps: float = 30.0


def png_bytes(image: U8) -> bytes:
    """An RGB picture as PNG; the same bytes for the same picture."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def weld_uv(uv: F64) -> tuple[F64, I32]:
    """Distinct texture coordinates (T, 2) and the corners' index (F, 3)."""
    rounded = np.round(uv.reshape(-1, 2), 6)
    unique, inverse = np.unique(rounded, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1, 3).astype(np.int32)


def write_obj(folder: Path, vertices: F64, faces: I32, uv: F64, texture: U8) -> None:
    """mesh.obj, mesh.mtl and texture.png in an existing folder; uv (F, 3, 2), lower left origin; metres."""
    points, face_uv = weld_uv(uv)
    lines = ["# clothed person; metres, y up, facing +z", "mtllib mesh.mtl"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices.tolist()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in points.tolist()]
    lines.append("usemtl person")
    lines += [
        f"f {a}/{ta} {b}/{tb} {c}/{tc}"
        for (a, b, c), (ta, tb, tc) in zip((faces + 1).tolist(), (face_uv + 1).tolist(), strict=True)
    ]
    (folder / "mesh.obj").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    (folder / "mesh.mtl").write_text(
        "newmtl person\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 1\nmap_Kd texture.png\n",
        encoding="utf-8",
        newline="\n",
    )
    (folder / "texture.png").write_bytes(png_bytes(texture))


class _Buffer:
    """The binary chunk of a GLB and the accessors into it."""

    def __init__(self) -> None:
        self.blob = bytearray()
        self.views: list[dict[str, object]] = []
        self.accessors: list[dict[str, object]] = []

    def view(self, data: bytes, target: int | None = None) -> int:
        while len(self.blob) % 4:
            self.blob.append(0)
        entry: dict[str, object] = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)}
        if target is not None:
            entry["target"] = target
        self.blob += data
        self.views.append(entry)
        return len(self.views) - 1

    def accessor(
        self, array: npt.NDArray[np.generic], kind: str, target: int | None = None, bounds: bool = False
    ) -> int:
        component = {"float32": 5126, "uint32": 5125, "uint16": 5123, "uint8": 5121}[array.dtype.name]
        entry: dict[str, object] = {
            "bufferView": self.view(np.ascontiguousarray(array).tobytes(), target),
            "componentType": component,
            "count": len(array),
            "type": kind,
        }
        if bounds:
            flat = array.reshape(len(array), -1)
            entry["min"], entry["max"] = flat.min(axis=0).tolist(), flat.max(axis=0).tolist()
        self.accessors.append(entry)
        return len(self.accessors) - 1


def four_weights(weights: F64) -> tuple[U8, F32]:
    """The four largest weights of each vertex: joints (V, 4) uint8 and weights (V, 4) float32, rows sum to 1."""
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    values = np.take_along_axis(weights, joints, axis=1)
    values = values / values.sum(axis=1, keepdims=True)
    joints = np.where(values > 0, joints, 0)
    return joints.astype(np.uint8), values.astype(np.float32)


def quaternions(rotations: F64) -> F32:
    """Rotation matrices (N, 3, 3) to unit quaternions (N, 4) x, y, z, w, each nearest to the one before."""
    from scipy.spatial.transform import Rotation

    values = Rotation.from_matrix(rotations).as_quat()
    for row in range(1, len(values)):
        if values[row] @ values[row - 1] < 0:
            values[row] = -values[row]
    return np.asarray(values, np.float32)


def write_glb(
    path: Path,
    *,
    vertices: F64,
    faces: I32,
    uv: F64,
    weights: F64,
    texture: U8,
    names: tuple[str, ...],
    parents: I32,
    heads: F64,
    clips: list[Clip],
) -> None:
    """A rigged person as one .glb: rest pose, skin, embedded texture and animations.

    Args:
        vertices: (V, 3) rest pose, metres. uv: (F, 3, 2), lower left origin. weights: (V, B).
        names, parents, heads: the bones; rest frames are the world's, so a node only translates.
    """
    corner_uv, face_uv = weld_uv(uv)
    pairs, inverse = np.unique(np.stack([faces.ravel(), face_uv.ravel()], axis=1), axis=0, return_inverse=True)
    normals = vertex_normals(vertices, faces)[pairs[:, 0]]
    normals[np.linalg.norm(normals, axis=1) < 0.5] = (0.0, 1.0, 0.0)
    joints, values = four_weights(weights[pairs[:, 0]])
    texcoords = np.stack([corner_uv[pairs[:, 1], 0], 1.0 - corner_uv[pairs[:, 1], 1]], axis=1)
    buffer = _Buffer()
    attributes = {
        "POSITION": buffer.accessor(vertices[pairs[:, 0]].astype(np.float32), "VEC3", 34962, bounds=True),
        "NORMAL": buffer.accessor(normals.astype(np.float32), "VEC3", 34962),
        "TEXCOORD_0": buffer.accessor(texcoords.astype(np.float32), "VEC2", 34962),
        "JOINTS_0": buffer.accessor(joints, "VEC4", 34962),
        "WEIGHTS_0": buffer.accessor(values, "VEC4", 34962),
    }
    indices = buffer.accessor(inverse.reshape(-1).astype(np.uint32), "SCALAR", 34963)
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(names), 1, 1))
    inverse_bind[:, :3, 3] = -heads
    bind = buffer.accessor(inverse_bind.transpose(0, 2, 1).reshape(-1, 16).astype(np.float32), "MAT4")
    nodes: list[dict[str, object]] = []
    for bone, name in enumerate(names):
        start = heads[bone] - (heads[parents[bone]] if parents[bone] >= 0 else 0.0)
        node: dict[str, object] = {"name": name, "translation": [float(np.float32(x)) for x in start]}
        children = [child for child in range(len(names)) if parents[child] == bone]
        if children:
            node["children"] = children
        nodes.append(node)
    nodes.append({"name": "person", "mesh": 0, "skin": 0})
    nodes.append({"name": "Armature", "children": [0, len(names)]})
    document = {
        "asset": {"version": "2.0", "generator": "mpc people"},
        "scene": 0,
        "scenes": [{"nodes": [len(names) + 1]}],
        "nodes": nodes,
        "meshes": [
            {"name": "person", "primitives": [{"attributes": attributes, "indices": indices, "material": 0, "mode": 4}]}
        ],
        "skins": [{"name": "skeleton", "skeleton": 0, "joints": list(range(len(names))), "inverseBindMatrices": bind}],
        "materials": [
            {
                "name": "person",
                "doubleSided": False,
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": 0},
                    "metallicFactor": 0.0,
                    "roughnessFactor": 0.9,
                },
            }
        ],
        "textures": [{"sampler": 0, "source": 0}],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
        "images": [{"name": "person", "mimeType": "image/png", "bufferView": buffer.view(png_bytes(texture))}],
        "animations": [_animation(buffer, clip, heads[0]) for clip in clips],
    }
    document["accessors"] = buffer.accessors
    document["bufferViews"] = buffer.views
    while len(buffer.blob) % 4:
        buffer.blob.append(0)
    document["buffers"] = [{"byteLength": len(buffer.blob)}]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(buffer.blob)
    path.write_bytes(
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(buffer.blob), b"BIN\0")
        + bytes(buffer.blob)
    )


def _animation(buffer: _Buffer, clip: Clip, root: F64) -> dict[str, object]:
    frames = len(clip.rotations)
    times = buffer.accessor((np.arange(frames) / clip.fps).astype(np.float32), "SCALAR", bounds=True)
    samplers: list[dict[str, object]] = []
    channels: list[dict[str, object]] = []

    def add(node: int, path: str, values: F32, kind: str) -> None:
        samplers.append({"input": times, "output": buffer.accessor(values, kind), "interpolation": "LINEAR"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    add(0, "translation", (clip.offsets + root).astype(np.float32), "VEC3")
    for bone in range(clip.rotations.shape[1]):
        local = clip.rotations[:, bone]
        if bone == 0 or np.abs(local - np.eye(3)).max() > 1e-6:
            add(bone, "rotation", quaternions(local), "VEC4")
    return {"name": clip.name, "samplers": samplers, "channels": channels}
