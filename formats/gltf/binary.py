"""The container of a GLB as it is written: arrays in one binary chunk, and the JSON that describes them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import numpy as np

from ...core.arrays import Array

ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963
"""What a buffer view is used for: vertex attributes, indices (glTF 2.0, section 5.11.5)."""

# Component types of glTF 2.0, section 3.6.2.2.
_COMPONENT = {"float32": 5126, "uint32": 5125, "uint16": 5123, "uint8": 5121}


class GlbBuffer:
    """The binary chunk of a GLB while it grows.

    Attributes:
        views: JSON of the buffer views so far.
        accessors: JSON of the accessors so far.
    """

    def __init__(self) -> None:
        self.views: list[dict[str, object]] = []
        self.accessors: list[dict[str, object]] = []
        self._bytes = bytearray()

    @property
    def content(self) -> bytes:
        """The bytes so far."""
        return bytes(self._bytes)

    def add_view(self, data: bytes, target: int | None = None) -> int:
        """Append bytes, aligned to four, and return the number of their view."""
        self._align()
        view: dict[str, object] = {"buffer": 0, "byteOffset": len(self._bytes), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._bytes += data
        self.views.append(view)
        return len(self.views) - 1

    def add_array(
        self,
        array: Array,
        kind: str,
        target: int | None = None,
        *,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Append an array and return the number of its accessor.

        Args:
            array: (N,) or (N, C); float32, uint32, uint16 or uint8.
            kind: "SCALAR", "VEC2", "VEC3", "VEC4" or "MAT4".
            target: ARRAY_BUFFER or ELEMENT_BUFFER; None for other data.
            bounds: write the least and greatest values, which positions and key times must have.
            normalized: integers stand for fractions of their greatest value.
        """
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        accessor: dict[str, object] = {
            "bufferView": self.add_view(little.tobytes(), target),
            "componentType": _COMPONENT[array.dtype.name],
            "count": len(array),
            "type": kind,
        }
        if bounds:
            flat = array.reshape(len(array), -1)
            accessor["min"], accessor["max"] = flat.min(axis=0).tolist(), flat.max(axis=0).tolist()
        if normalized:
            accessor["normalized"] = True
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def pack(self, document: Mapping[str, object]) -> bytes:
        """The bytes of a GLB: the document, completed by this buffer, and the binary chunk (glTF 2.0, section 4.4)."""
        self._align()
        whole = {
            **document,
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": len(self._bytes)}],
        }
        text = json.dumps(whole, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self._bytes)
        return b"".join(
            (
                struct.pack("<4sII", b"glTF", 2, total),
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", len(self._bytes), b"BIN\0"),
                self._bytes,
            )
        )

    def _align(self) -> None:
        self._bytes += bytes(-len(self._bytes) % 4)
