"""glTF files for tests, built piece by piece."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mpc.formats.build_rig import ReadPerson
from mpc.geometry.mesh import PosedMesh

COMPONENT = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
KIND = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
Json = dict[str, Any]

CORNERS = np.float32([[0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 0]])
INDICES = np.array([0, 1, 2, 0, 2, 3], np.uint16)


def png(colour: tuple[int, ...] = (200, 100, 50)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB" if len(colour) == 3 else "RGBA", (2, 2), colour).save(stream, "PNG")
    return stream.getvalue()


class Builder:
    """A glTF document and its buffer."""

    def __init__(self) -> None:
        self.data = b""
        self.doc: Json = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}]}

    def add(self, name: str, value: Json) -> int:
        self.doc.setdefault(name, []).append(value)
        return len(self.doc[name]) - 1

    def view(self, content: bytes, **extra: Any) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        start, self.data = len(self.data), self.data + content
        return self.add("bufferViews", {"buffer": 0, "byteOffset": start, "byteLength": len(content), **extra})

    def accessor(self, values: Any, kind: str = "f4", **extra: Any) -> int:
        array = np.asarray(values)
        array = array.reshape(len(array), -1).astype("<" + kind)
        entry = {"bufferView": self.view(array.tobytes()), "componentType": COMPONENT[kind], "count": len(array)}
        return self.add("accessors", {**entry, "type": KIND[array.shape[1]], **extra})

    def primitive(self, **attributes: Any) -> Json:
        """A unit-wide rectangle, two high."""
        given = {"POSITION": self.accessor(CORNERS), **attributes}
        return {"attributes": given, "indices": self.accessor(INDICES, "u2")}

    def picture(self, content: bytes) -> int:
        image = self.add("images", {"bufferView": self.view(content), "mimeType": "image/png"})
        return self.add("textures", {"source": image})

    def glb(self, folder: Path, name: str = "model.glb") -> Path:
        self.doc["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(self.doc).encode()
        text += b" " * (-len(text) % 4)
        data = self.data + b"\0" * (-len(self.data) % 4)
        body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
        path = folder / name
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)
        return path

    def gltf(self, folder: Path, uri: str | None = None) -> Path:
        uri = uri or "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
        self.doc["buffers"] = [{"byteLength": len(self.data), "uri": uri}]
        path = folder / "model.gltf"
        path.write_text(json.dumps(self.doc))
        return path


def static(**node: Any) -> Builder:
    build = Builder()
    build.add("meshes", {"primitives": [build.primitive()]})
    build.add("nodes", {"mesh": 0, **node})
    return build


def textured(**material: Any) -> Builder:
    """The rectangle with one material; texture coordinates run over the picture, v down."""
    build = Builder()
    uv = build.accessor([[0, 1], [1, 1], [1, 0], [0, 0]])
    primitive = {**build.primitive(TEXCOORD_0=uv), "material": 0}
    build.add("materials", material)
    build.add("meshes", {"primitives": [primitive]})
    build.add("nodes", {"mesh": 0})
    return build


def rigged(**changes: Any) -> Builder:
    """Two joints, the upper one turning about z by 90 degrees within a second, 5 keys; upper corners follow it."""
    build = Builder()
    weights = changes.get("weights", np.float32([[1, 0, 0, 0]] * 4))
    joints = changes.get("joints", [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    attributes = {
        "JOINTS_0": build.accessor(joints, "u1"),
        "WEIGHTS_0": build.accessor(weights, changes.get("kind", "f4"), normalized=changes.get("kind", "f4") != "f4"),
    }
    build.add("meshes", {"primitives": [build.primitive(**attributes)]})
    build.add("nodes", {"name": "mesh", "mesh": 0, "skin": 0, "translation": [9, 9, 9], "scale": [3, 3, 3]})
    build.add("nodes", {"name": "hips", "children": [2]})
    build.add("nodes", {"name": "chest", "translation": [0, 1, 0]})
    build.doc["scenes"] = [{"nodes": [0, 1]}]
    skin: Json = {"joints": [1, 2]}
    if changes.get("inverse", True):
        bind = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
        bind[1, 1, 3] = -1
        skin["inverseBindMatrices"] = build.accessor(bind.transpose(0, 2, 1).reshape(2, 16))
    build.add("skins", skin)
    angle = np.linspace(0, np.pi / 2, 5)
    zero = np.zeros(5)
    turn = np.stack([zero, zero, np.sin(angle / 2), np.cos(angle / 2)], axis=1)
    sampler = {"input": build.accessor(np.linspace(0.5, 0.7, 5)), "output": build.accessor(turn)}
    channel = {"sampler": 0, "target": {"node": 2, "path": "rotation"}}
    build.add("animations", {"samplers": [sampler], "channels": [channel]})
    return build


def material_of(read: ReadPerson) -> Any:
    return read.mesh.materials[0]


def uv_of(mesh: PosedMesh) -> npt.NDArray[np.float32]:
    assert mesh.uv is not None
    assert mesh.face_uv is not None
    return mesh.uv[mesh.face_uv]
