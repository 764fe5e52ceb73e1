"""Writes a small TensorFlow Lite file by hand: a FlatBuffer that holds a network of two convolutions.

Weights are stored in the three ways that the real networks use: float32, half precision, and sparse.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Table:
    """Fields by number. A value is bytes (stored in place), a Table, a list of Tables, an array, or a text."""

    fields: dict[int, object] = field(default_factory=dict)


def i32(value: int) -> bytes:
    return struct.pack("<i", value)


def i8(value: int) -> bytes:
    return struct.pack("<b", value)


def write_flatbuffer(root: Table, magic: bytes) -> bytes:
    """Bytes of a FlatBuffer; children lie behind their parents."""
    data = bytearray(struct.pack("<I", 0) + magic)
    place = _table(data, root)
    data[:4] = struct.pack("<I", place)
    return bytes(data)


def _align(data: bytearray, size: int = 4) -> None:
    data += bytes(-len(data) % size)


def _table(data: bytearray, table: Table) -> int:
    count = max(table.fields, default=-1) + 1
    _align(data)
    directory = len(data)
    data += bytes(4 + 2 * count)
    _align(data)
    place = len(data)
    data += struct.pack("<i", place - directory)
    slots = {}
    for number, value in table.fields.items():
        _align(data)
        slots[number] = len(data)
        data += value if isinstance(value, bytes) else bytes(4)
    _align(data)
    struct.pack_into("<HH", data, directory, 4 + 2 * count, len(data) - place)
    for number, slot in slots.items():
        struct.pack_into("<H", data, directory + 4 + 2 * number, slot - place)
    for number, value in table.fields.items():
        if not isinstance(value, bytes):
            target = _value(data, value)
            struct.pack_into("<I", data, slots[number], target - slots[number])
    return place


def _value(data: bytearray, value: object) -> int:
    if isinstance(value, Table):
        return _table(data, value)
    if isinstance(value, str):
        value = np.frombuffer(value.encode(), np.uint8)
    _align(data)
    place = len(data)
    data += struct.pack("<I", len(value))
    if isinstance(value, np.ndarray):
        data += value.tobytes()
        return place
    slots = [place + 4 + 4 * number for number in range(len(value))]
    data += bytes(4 * len(value))
    for slot, one in zip(slots, value, strict=True):
        struct.pack_into("<I", data, slot, _table(data, one) - slot)
    return place


def sparse_rows(weight: np.ndarray, block: int) -> tuple[np.ndarray, Table]:
    """Stored values and sparsity of (O, 1, 1, I): rows dense, blocks of inputs compressed, their inside dense.

    Written with loops, as the format is described.
    """
    outputs, _, _, inputs = weight.shape
    values, indices, segments = [], [], [0]
    for row in range(outputs):
        for start in range(0, inputs, block):
            part = weight[row, 0, 0, start : start + block]
            if part.any():
                indices.append(start // block)
                values.extend(part)
        segments.append(len(indices))
    one = Table({0: i8(0), 1: i32(1)})
    compressed = Table(
        {
            0: i8(1), 2: i8(1), 3: Table({0: np.array(segments, np.int32)}), 4: i8(3),
            5: Table({0: np.array(indices, np.uint8)}),
        }
    )  # fmt: skip
    levels = [Table({0: i8(0), 1: i32(outputs)}), one, one, compressed, Table({0: i8(0), 1: i32(block)})]
    order = np.array([0, 1, 2, 3, 4], np.int32)
    return np.array(values, weight.dtype), Table({0: order, 1: np.array([3], np.int32), 2: levels})


def small_network(seed: int = 0) -> tuple[bytes, list[np.ndarray]]:
    """A file with the network x (1, 9, 8, 3) -> 3x3 convolution, stride 2, SAME, relu6 -> 1x1 convolution.

    Returns:
        The bytes; kernel (4, 3, 3, 3) in half precision, its bias, sparse kernel (2, 1, 1, 4), its bias.
    """
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(4, 3, 3, 3)).astype(np.float16)
    second = rng.normal(size=(2, 1, 1, 4)).astype(np.float32)
    second[0, 0, 0, :2] = second[1, 0, 0, 2:] = 0
    biases = rng.normal(size=4).astype(np.float32), rng.normal(size=2).astype(np.float32)
    stored, sparsity = sparse_rows(second, 2)
    buffers = [np.zeros(0, np.uint8), *(a.view(np.uint8).ravel() for a in (first, biases[0], stored, biases[1]))]
    shapes = [
        (1, 9, 8, 3), (4, 3, 3, 3), (4,), (2, 1, 1, 4), (2,), (4, 3, 3, 3), (2, 1, 1, 4), (1, 5, 4, 4), (1, 5, 4, 2)
    ]  # fmt: skip
    stored_in = [0, 1, 2, 3, 4, 0, 0, 0, 0]
    tensors = [
        Table({0: np.array(shape, np.int32), 1: i8(int(n == 1)), 2: i32(stored_in[n]), 3: f"tensor {n}"})
        for n, shape in enumerate(shapes)
    ]
    tensors[3].fields[6] = sparsity

    def operator(code: int, inputs: list[int], output: int, options: dict[int, bytes] | None = None) -> Table:
        fields = {0: i32(code), 1: np.array(inputs, np.int32), 2: np.array([output], np.int32)}
        return Table(fields if options is None else {**fields, 4: Table(dict(options))})

    operators = [
        operator(0, [1], 5),
        operator(1, [3], 6),
        operator(2, [0, 5, 2], 7, {0: i8(0), 1: i32(2), 2: i32(2), 3: i8(3)}),
        operator(2, [7, 6, 4], 8, {0: i8(1), 1: i32(1), 2: i32(1)}),
    ]
    graph = Table({0: tensors, 1: np.array([0], np.int32), 2: np.array([8], np.int32), 3: operators})
    # dequantize, densify and conv; a small code stands in the older field as well.
    codes = [Table({0: i8(code), 3: i32(code)}) for code in (6, 124, 3)]
    model = Table(
        {0: i32(3), 1: codes, 2: [graph], 4: [Table({0: data}) if len(data) else Table() for data in buffers]}
    )
    return write_flatbuffer(model, b"TFL3"), [first, biases[0], second, biases[1]]
