"""One animated GLB of many static ones: a node a frame, of which the animation shows one after the other.

A node that is not shown has the scale 0, which every viewer of glTF draws as nothing. The scale of each node is
animated with STEP interpolation (glTF 2.0, appendix C.2), so it jumps from 0 to 1 when its frame begins, and back when
the next one begins. At rest, the first frame is shown.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...core.arrays import F32
from ...core.errors import InputError
from ...core.files import replacing
from .binary import GlbBuffer
from .container import GltfFile, open_gltf

Json = dict[str, Any]
# The header of a GLB counts its bytes with 32 bits (glTF 2.0, section 4.4.2).
MOST_BYTES = (1 << 32) - 1
CLIP = "film"


@dataclass(frozen=True)
class GlbFrame:
    """One frame of a sequence.

    Attributes:
        path: a .glb with one static mesh, as `write_glb` writes it.
        seconds: when the frame begins.
    """

    path: Path
    seconds: float


def write_sequence_glb(path: Path, frames: Sequence[GlbFrame], duration: float) -> None:
    """Join static GLB files into an animated one; no number of theirs is changed.

    Args:
        path: the .glb to write; it appears whole or not at all.
        frames: at least one, by rising time from 0 on; each is shown until the next one begins.
        duration: when the last frame ends, seconds.

    Raises:
        InputError: a frame cannot be read or is no static mesh; or the whole is larger than a GLB can be.
        ValueError: times that do not rise.
        OSError: of the disk; names the file.
    """
    times = np.array([*(frame.seconds for frame in frames), duration], np.float32)
    if not len(frames) or times[0] != 0 or (np.diff(times) <= 0).any():
        raise ValueError(f"the times of a sequence begin at 0 and rise, not {times[:5].tolist()}")
    joined = _Joined()
    joined.add_animation(times)
    for frame in frames:
        joined.add_frame(open_gltf(frame.path))
    text, size = joined.document()
    total = 12 + 8 + len(text) + 8 + size
    if total > MOST_BYTES:
        raise InputError(
            path, f"{len(frames)} frames would take {total / 2**30:.1f} GiB, and a GLB can have 4: take fewer frames "
            "(--every) or smaller meshes (--resolution 129)",
        )  # fmt: skip
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", size, b"BIN\0"))
        _write_aligned(file, joined.animation.content)
        for frame in frames:
            _write_aligned(file, open_gltf(frame.path).buffer(0))


def _write_aligned(file: BinaryIO, content: bytes) -> None:
    file.write(content)
    file.write(bytes(-len(content) % 4))


@dataclass(eq=False)
class _Joined:
    """The document of the animated file while it grows.

    Attributes:
        animation: key times and scales, the first bytes of the binary part.
        lists: of the document, by name.
        used: names of the extensions that the frames use.
        size: bytes of the binary part so far.
    """

    animation: GlbBuffer = field(default_factory=GlbBuffer)
    lists: dict[str, list[Json]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    size: int = 0
    _known: dict[str, int] = field(default_factory=dict)

    def add_animation(self, times: F32) -> None:
        """Let node k be shown from time k to time k + 1, (N + 1,) seconds."""
        buffer, count = self.animation, len(times) - 1
        shown: dict[tuple[int, ...], int] = {}
        samplers: list[Json] = []
        channels: list[Json] = []
        for number in range(count):
            first, last = number == 0, number == count - 1
            keys = [*([] if first else [0.0]), times[number], times[number + 1]]
            values = (*([] if first else [0]), 1, 1 if last else 0)
            if values not in shown:
                scales = np.repeat(np.array(values, np.float32)[:, None], 3, axis=1)
                shown[values] = buffer.add_array(scales, "VEC3")
            samplers.append({
                "input": buffer.add_array(np.array(keys, np.float32), "SCALAR", bounds=True),
                "output": shown[values], "interpolation": "STEP",
            })  # fmt: skip
            channels.append({"sampler": number, "target": {"node": number, "path": "scale"}})
        self.lists = {
            "animations": [{"name": CLIP, "samplers": samplers, "channels": channels}],
            "accessors": list(buffer.accessors), "bufferViews": list(buffer.views),
        }  # fmt: skip
        self.size = _aligned(len(buffer.content))

    def add_frame(self, gltf: GltfFile) -> None:
        """Append the mesh of a file, and a node that shows it."""
        if len(gltf.items("nodes")) != 1 or len(gltf.items("meshes")) != 1 or len(gltf.items("buffers")) != 1:
            raise gltf.fail("is not one static mesh in one buffer, as a frame of a sequence is")
        views, accessors = (len(self.lists[name]) for name in ("bufferViews", "accessors"))
        for view in gltf.items("bufferViews"):
            self._append("bufferViews", view | {"byteOffset": view.get("byteOffset", 0) + self.size})
        for accessor in gltf.items("accessors"):
            self._append("accessors", accessor | {"bufferView": accessor["bufferView"] + views})
        images = [
            self._append("images", image | {"bufferView": image["bufferView"] + views})
            for image in gltf.items("images")
        ]
        samplers = [self._share("samplers", sampler) for sampler in gltf.items("samplers")]
        textures = [
            self._append("textures", {"sampler": samplers[one["sampler"]], "source": images[one["source"]]})
            for one in gltf.items("textures")
        ]
        materials = [self._share("materials", _with_texture(one, textures)) for one in gltf.items("materials")]
        (mesh,) = gltf.items("meshes")
        primitives = [
            one | {
                "attributes": {name: index + accessors for name, index in one["attributes"].items()},
                "indices": one["indices"] + accessors, "material": materials[one["material"]],
            }
            for one in gltf.items("primitives", mesh)
        ]  # fmt: skip
        number = self._append("meshes", {"name": gltf.path.stem, "primitives": primitives})
        self._append("nodes", {"name": gltf.path.stem, "mesh": number, "scale": [0.0 if number else 1.0] * 3})
        self.used.update(gltf.json.get("extensionsUsed", []))
        self.size += _aligned(len(gltf.buffer(0)))

    def document(self) -> tuple[bytes, int]:
        """The JSON part, padded, and the number of bytes of the binary part."""
        whole: Json = {
            "asset": {"version": "2.0", "generator": "mpc"}, "scene": 0,
            "scenes": [{"nodes": list(range(len(self.lists["nodes"])))}], **self.lists,
            "buffers": [{"byteLength": self.size}],
        }  # fmt: skip
        if self.used:
            whole["extensionsUsed"] = sorted(self.used)
        text = json.dumps(whole, separators=(",", ":")).encode()
        return text + b" " * (-len(text) % 4), self.size

    def _append(self, name: str, entry: Json) -> int:
        entries = self.lists.setdefault(name, [])
        entries.append(entry)
        return len(entries) - 1

    def _share(self, name: str, entry: Json) -> int:
        """The number of an entry; one that is there already is used again, so that viewers have one of a kind."""
        key = name + json.dumps(entry, sort_keys=True)
        if key not in self._known:
            self._known[key] = self._append(name, entry)
        return self._known[key]


def _with_texture(material: Json, textures: Sequence[int]) -> Json:
    """A material whose texture is numbered as in the joined file."""
    surface = material.get("pbrMetallicRoughness", {})
    if "baseColorTexture" not in surface:
        return material
    texture = surface["baseColorTexture"] | {"index": textures[surface["baseColorTexture"]["index"]]}
    return material | {"pbrMetallicRoughness": surface | {"baseColorTexture": texture}}


def _aligned(size: int) -> int:
    return size + -size % 4
