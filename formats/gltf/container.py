"""The glTF 2.0 container: JSON, buffers, accessors, images; every number in it is checked before it is used."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from ...core.arrays import F64, Array
from ...core.errors import InputError
from ..limits import file_size, read_bytes
from ..named_files import model_folder, resolve_inside

MAX_JSON_BYTES = 256 << 20
MAX_IMPLICIT_ELEMENTS = 1 << 22  # of an accessor that has no data of its own (all zeros by the specification)

Json = dict[str, Any]

_COMPONENT = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}

# Extensions that may be required without a change in what is read here.
_KNOWN = {"KHR_texture_transform", "KHR_mesh_quantization", "EXT_texture_webp", "KHR_lights_punctual"}
_KNOWN_PREFIX = ("KHR_materials_", "VRM", "KHR_animation_pointer", "KHR_xmp", "KHR_node_visibility")


@dataclass(eq=False)
class GltfFile:
    """An opened file; buffers are read when first needed.

    Attributes:
        path: the file.
        root: folder of the model, outside which no other file is opened.
        json: the parsed document; use `items` and `entry`, which check types and ranges.
        binary: the binary chunk of a GLB; None in a .gltf.
        notices: what was repaired or left out, in the order of reading.
    """

    path: Path
    root: Path
    json: Json
    binary: bytes | None
    notices: list[str] = field(default_factory=list)
    _buffers: dict[int, bytes] = field(default_factory=dict)

    def fail(self, reason: str) -> InputError:
        """An error about this file, to be raised."""
        return InputError(self.path, reason)

    def items(self, name: str, owner: Json | None = None) -> list[Json]:
        """A list of objects of the document (or of `owner`), empty when absent."""
        value = (self.json if owner is None else owner).get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fail(f'"{name}"{self.where(owner)} is not a list of objects')
        return value

    def where(self, owner: Json | None) -> str:
        """Which object of the document `owner` is, for messages: " of nodes 3" or " of meshes 0, primitives 1"."""
        path = _path_to(self.json, owner, 4)
        return f" of {', '.join(path)}" if path else ""

    def entry(self, name: str, index: Any) -> Json:
        """One object of a top-level list."""
        found = self.items(name)
        return found[self.index(index, len(found), name)]

    def index(self, value: Any, count: int, what: str) -> int:
        """`value` as an index below `count`."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
            raise self.fail(f"{value!r} is not one of the {count} {what}")
        return value

    def whole(self, owner: Json, name: str, default: int | None = None) -> int:
        """A non-negative integer property."""
        value = owner.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.fail(f'"{name}"{self.where(owner)} is {value!r}, expected a whole number')
        return value

    def numbers(self, owner: Json, name: str, default: list[float]) -> F64:
        """A property that is a list of numbers, as many as in `default`."""
        value = owner.get(name, default)
        good = isinstance(value, list) and len(value) == len(default)
        if not good or not all(isinstance(x, int | float) and not isinstance(x, bool) for x in value):
            raise self.fail(f'"{name}"{self.where(owner)} is not a list of {len(default)} numbers')
        try:
            array = np.array(value, np.float64)
        except OverflowError as error:
            raise self.fail(f'"{name}"{self.where(owner)} holds a number that is too large') from error
        if not np.isfinite(array).all():
            raise self.fail(f'"{name}"{self.where(owner)} holds numbers that are not finite')
        return array

    def extension(self, owner: Json, name: str) -> Json | None:
        """An extension object of `owner`."""
        extensions = owner.get("extensions", {})
        value = extensions.get(name) if isinstance(extensions, dict) else None
        return value if isinstance(value, dict) else None

    def buffer(self, index: int) -> bytes:
        """The bytes of a buffer: the GLB's own, a data URI's, or an external file's."""
        if index not in self._buffers:
            entry = self.entry("buffers", index)
            length = self.whole(entry, "byteLength")
            uri = entry.get("uri")
            if uri is None:
                if index != 0 or self.binary is None:
                    raise self.fail(f"buffer {index} has no data")
                content = self.binary
            else:
                content = self.uri_bytes(uri, f"buffer {index}")[0]
            if len(content) < length:
                raise self.fail(f"buffer {index} has {len(content)} bytes where {length} are announced")
            self._buffers[index] = content
        return self._buffers[index]

    def uri_bytes(self, uri: Any, what: str) -> tuple[bytes, Path]:
        """Bytes behind a data URI or a relative file name, and the path to name in errors."""
        if not isinstance(uri, str):
            raise self.fail(f"{what} has an unusable URI")
        if uri.startswith("data:"):
            head, _, payload = uri.partition(",")
            try:
                content = base64.b64decode(payload) if head.endswith(";base64") else unquote(payload).encode("latin-1")
            except (binascii.Error, ValueError) as error:
                raise self.fail(f"{what} has a damaged data URI") from error
            return content, self.path
        if "://" in uri:
            raise self.fail(f'{what}, "{uri[:80]}", is a network address: refused')
        path = resolve_inside(self.root, unquote(uri), self.path, what)
        return read_bytes(path), path

    def view(self, index: Any) -> tuple[memoryview, int]:
        """Bytes and stride (0: tightly packed) of a buffer view."""
        entry = self.entry("bufferViews", index)
        if self.extension(entry, "EXT_meshopt_compression") is not None:
            raise self.fail("compressed with meshopt (EXT_meshopt_compression), which is not read; export without it")
        content = self.buffer(self.index(entry.get("buffer"), len(self.items("buffers")), "buffers"))
        offset, length = self.whole(entry, "byteOffset", 0), self.whole(entry, "byteLength")
        if offset + length > len(content):
            raise self.fail(f"buffer view {index} reaches beyond its buffer ({offset} + {length} of {len(content)})")
        return memoryview(content)[offset : offset + length], self.whole(entry, "byteStride", 0)

    def accessor(self, index: Any, widths: tuple[int, ...], what: str) -> Array:
        """(count, width) values in their own dtype; fractions as float64, normalised integers thereby in [-1, 1].

        Args:
            widths: numbers an element may have.
            what: e.g. "POSITION", for errors.
        """
        entry = self.entry("accessors", index)
        dtype = _component(entry)
        width = _WIDTH.get(str(entry.get("type")), 0)
        count = self.whole(entry, "count")
        if dtype is None or width not in widths:
            raise self.fail(f"{what} (accessor {index}) has an unknown or unfit type")
        kind = np.dtype(dtype)
        if "bufferView" in entry:
            values = self._strided(entry["bufferView"], self.whole(entry, "byteOffset", 0), count, kind, width, what)
        elif count > MAX_IMPLICIT_ELEMENTS:
            raise self.fail(f"{what} (accessor {index}) announces {count} elements and has no data")
        else:
            values = np.zeros((count, width), kind)
        if "sparse" in entry:
            values = self._with_sparse(entry["sparse"], values, what)
        if entry.get("normalized") and kind.kind in "iu":
            top = float(np.iinfo(kind).max)
            values = np.maximum(values.astype(np.float64) / top, -1.0)
        if kind.kind == "f":
            with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one here, not in each caller
                values = values.astype(np.float64)
        return values

    def _strided(self, view: Any, offset: int, count: int, kind: np.dtype[Any], width: int, what: str) -> Array:
        data, stride = self.view(view)
        size = kind.itemsize * width
        stride = stride or size
        if count and offset + (count - 1) * stride + size > len(data):
            raise self.fail(f"{what} announces {count} elements, more than its {len(data)} bytes hold")
        if stride < size:
            raise self.fail(f"{what} has elements of {size} bytes every {stride} bytes")
        if not count:
            return np.zeros((0, width), kind)
        raw = np.ndarray((count, width), kind, buffer=data, offset=offset, strides=(stride, kind.itemsize))
        return raw.copy()

    def _with_sparse(self, sparse: Any, values: Array, what: str) -> Array:
        if not isinstance(sparse, dict):
            raise self.fail(f"{what} has a damaged sparse part")
        count = self.whole(sparse, "count")
        parts = {name: sparse.get(name) for name in ("indices", "values")}
        if not all(isinstance(part, dict) for part in parts.values()):
            raise self.fail(f"{what} has a damaged sparse part")
        indices, new = parts["indices"] or {}, parts["values"] or {}
        index_kind = _component(indices)
        if index_kind not in ("u1", "<u2", "<u4"):
            raise self.fail(f"{what} has a sparse part with an unfit index type")
        where = self._strided(
            indices.get("bufferView"), self.whole(indices, "byteOffset", 0), count, np.dtype(index_kind), 1, what
        )[:, 0].astype(np.int64)
        replacement = self._strided(
            new.get("bufferView"), self.whole(new, "byteOffset", 0), count, values.dtype, values.shape[1], what
        )
        if count and where.max() >= len(values):
            raise self.fail(f"{what} has a sparse entry {int(where.max())} of {len(values)}")
        values[where] = replacement
        return values

    def image_bytes(self, index: Any) -> tuple[bytes, Path]:
        """An image's encoded bytes and the path to name in errors."""
        entry = self.entry("images", index)
        if "bufferView" in entry:
            return bytes(self.view(entry["bufferView"])[0]), self.path
        return self.uri_bytes(entry.get("uri"), f"image {index}")


def _path_to(value: Any, wanted: Any, depth: int) -> list[str] | None:
    """The names and numbers that lead to an object of the document; None where it is not found."""
    if value is wanted and wanted is not None:
        return []
    if depth and isinstance(value, dict):
        for name, inner in value.items():
            rows = enumerate(inner) if isinstance(inner, list) else [("", inner)]
            for number, row in rows:
                found = _path_to(row, wanted, depth - 1) if isinstance(row, dict) else None
                if found is not None:
                    return [f"{name} {number}".strip(), *found]
    return None


def _component(owner: Json) -> str | None:
    """NumPy's name of a component type; None for an unknown one (any JSON value may stand there)."""
    value = owner.get("componentType")
    return _COMPONENT.get(value) if isinstance(value, int) else None


def open_gltf(path: Path, root: Path | None = None) -> GltfFile:
    """Open a .gltf or .glb and check that nothing in it needs an extension that is not read."""
    root = model_folder(path) if root is None else root
    content = read_bytes(path)
    binary: bytes | None = None
    if content[:4] == b"glTF":
        text, binary = _split_glb(path, content)
    else:
        text = content
    if len(text) > MAX_JSON_BYTES:
        raise InputError(path, f"a JSON part of {len(text)} bytes is more than is read")
    document = _parse(path, text)
    gltf = GltfFile(path, root, document, binary)
    asset = document.get("asset")
    version = str(asset.get("version", "")) if isinstance(asset, dict) else ""
    if not version.startswith("2."):
        raise gltf.fail(f"glTF version {version or 'unknown'} is not read; only 2.x is")
    required = document.get("extensionsRequired", [])
    for name in required if isinstance(required, list) else []:
        _check_extension(gltf, str(name))
    return gltf


def peek_json(path: Path, limit: int = 64 << 20) -> Json | None:
    """The document of a .gltf or .glb without its binary part; None when it cannot be had within `limit` bytes."""
    try:
        size = file_size(path)
        with path.open("rb") as stream:
            head = stream.read(20)
            if head[:4] == b"glTF":
                length = struct.unpack("<I", head[12:16])[0] if len(head) == 20 else size
                if length > min(size, limit):
                    return None
                text = stream.read(length)
            elif size > limit:
                return None
            else:
                text = head + stream.read(size)
        return _parse(path, text)
    except (InputError, OSError):
        return None


def _check_extension(gltf: GltfFile, name: str) -> None:
    if name == "KHR_draco_mesh_compression":
        raise gltf.fail("compressed with Draco (KHR_draco_mesh_compression), which is not read; export without it")
    if name == "EXT_meshopt_compression":
        raise gltf.fail("compressed with meshopt (EXT_meshopt_compression), which is not read; export without it")
    if name == "KHR_texture_basisu":
        raise gltf.fail("has Basis Universal textures (KHR_texture_basisu), which are not read; export PNG or JPEG")
    if name not in _KNOWN and not name.startswith(_KNOWN_PREFIX):
        raise gltf.fail(f"requires the glTF extension {name}, which is not read")


def _split_glb(path: Path, content: bytes) -> tuple[bytes, bytes | None]:
    if len(content) < 20:
        raise InputError(path, "the GLB header is cut off")
    _, version, _ = struct.unpack("<4sII", content[:12])
    if version != 2:
        raise InputError(path, f"GLB version {version} is not read; only 2 is")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(content):
        length, kind = struct.unpack("<I4s", content[at : at + 8])
        if at + 8 + length > len(content):
            name = kind.decode("ascii", "replace").strip("\0")
            raise InputError(
                path,
                f"the {name} chunk announces {length} bytes, {len(content) - at - 8} are there (damaged or cut off)",
            )
        chunks.setdefault(kind, content[at + 8 : at + 8 + length])
        at += 8 + length
    if b"JSON" not in chunks:
        raise InputError(path, "the GLB has no JSON chunk")
    return chunks[b"JSON"], chunks.get(b"BIN\0")


def _parse(path: Path, text: bytes) -> Json:
    try:
        document = json.loads(text.decode("utf-8-sig").rstrip("\0 \n"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"the JSON part cannot be read ({str(error)[:100]})") from error
    if not isinstance(document, dict):
        raise InputError(path, "the JSON part is not an object")
    return document
