"""Reads a TensorFlow Lite file: its operators and its constants, made dense and float32.

Only `mpc fetch` needs it, to convert three known files. A file is a FlatBuffer (https://flatbuffers.dev/internals),
whose tables are described in TensorFlow's `lite/schema/schema.fbs`; the numbers of fields below are from there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import Array, Ints
from ...core.errors import InputError

MAGIC = b"TFL3"
_TYPES: dict[int, Any] = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64}
_INDEX_TYPES: dict[int, Any] = {1: np.int32, 2: np.uint16, 3: np.uint8}
_ACTIVATIONS = {0: "none", 1: "relu", 3: "relu6"}
_CUSTOM = 32
_POOL = {"padding": 0, "stride_w": 1, "stride_h": 2, "window_w": 3, "window_h": 4, "activation": 5}
# Code of an operator: its name, and the fields of its table of options.
_OPERATORS: dict[int, tuple[str, dict[str, int]]] = {
    0: ("add", {"activation": 0}),
    1: ("average_pool", _POOL),
    2: ("concatenate", {"axis": 0, "activation": 1}),
    3: (
        "conv",
        {"padding": 0, "stride_w": 1, "stride_h": 2, "activation": 3, "dilation_w": 4, "dilation_h": 5},
    ),
    4: (
        "depthwise_conv",
        {
            "padding": 0, "stride_w": 1, "stride_h": 2, "multiplier": 3, "activation": 4, "dilation_w": 5,
            "dilation_h": 6,
        },
    ),
    5: ("depth_to_space", {"block": 0}),
    6: ("dequantize", {}),
    14: ("sigmoid", {}),
    17: ("max_pool", _POOL),
    18: ("multiply", {"activation": 0}),
    19: ("relu", {}),
    22: ("reshape", {}),
    23: ("resize_bilinear", {"align_corners": 2, "half_pixel_centers": 3}),
    34: ("pad", {}),
    117: ("hard_swish", {}),
    124: ("densify", {}),
}  # fmt: skip
_DEFAULTS = {"dilation_w": 1, "dilation_h": 1}
# A sparse tensor states its size; a damaged file must not make us allocate more values than this.
_MOST_VALUES = 1 << 26
_BYTES = ("padding", "activation", "align_corners", "half_pixel_centers")


@dataclass(frozen=True)
class Operator:
    """One operation of a network.

    Attributes:
        kind: such as "conv", see `_OPERATORS`; a custom operation has the name in the file.
        inputs: numbers of the tensors that it reads; -1: an optional one that is not given.
        outputs: numbers of the tensors that it writes.
        options: by name; "padding" is 0 for SAME and 1 for VALID, "activation" a word.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class TfliteModel:
    """A network as a TensorFlow Lite file holds it.

    Attributes:
        names: of the tensors, by number.
        shapes: of the tensors, by number; pictures are (1, height, width, channels).
        constants: the tensors that hold weights, by number; half-precision ones as float32.
        inputs: numbers of the tensors that the network takes.
        outputs: numbers of the tensors that it returns.
        operators: in an order in which they can be computed; those that only unpack constants are left out.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    constants: dict[int, Array]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


class _Table:
    """One table of a FlatBuffer: fields by number, each of which may be absent."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place
        self._fields = place - int(struct.unpack_from("<i", data, place)[0])
        self._size = int(struct.unpack_from("<H", data, self._fields)[0])

    def at(self, field: int) -> int:
        """Place of a field's bytes; 0 where the field is absent."""
        entry = 4 + 2 * field
        shift = int(struct.unpack_from("<H", self.data, self._fields + entry)[0]) if entry < self._size else 0
        return self.place + shift if shift else 0

    def number(self, field: int, kind: str = "i", default: int = 0) -> int:
        """A number; `kind` is a letter of `struct`."""
        place = self.at(field)
        return int(struct.unpack_from(f"<{kind}", self.data, place)[0]) if place else default

    def table(self, field: int) -> _Table | None:
        """A table that a field points to."""
        place = self.at(field)
        return _Table(self.data, self._follow(place)) if place else None

    def vector(self, field: int, dtype: Any) -> Array:
        """A vector of numbers; empty where it is absent."""
        place = self.at(field)
        if not place:
            return np.zeros(0, dtype)
        start = self._follow(place)
        count = int(struct.unpack_from("<I", self.data, start)[0])
        return np.frombuffer(self.data, np.dtype(dtype).newbyteorder("<"), count, start + 4)

    def tables(self, field: int) -> list[_Table]:
        """A vector of tables."""
        place = self.at(field)
        if not place:
            return []
        start = self._follow(place)
        count = int(struct.unpack_from("<I", self.data, start)[0])
        return [_Table(self.data, self._follow(start + 4 + 4 * number)) for number in range(count)]

    def text(self, field: int) -> str:
        """A text; empty where it is absent."""
        return self.vector(field, np.uint8).tobytes().decode()

    def _follow(self, place: int) -> int:
        return place + int(struct.unpack_from("<I", self.data, place)[0])


def read_tflite(data: bytes, path: Path | str = "network") -> TfliteModel:
    """Read a network.

    Args:
        data: content of a .tflite file.
        path: where it comes from, for messages.

    Raises:
        InputError: it is no whole TensorFlow Lite file, or has an operator or a type that the three networks of
            `mpc fetch` do not have.
    """
    if data[4:8] != MAGIC:
        raise InputError(path, "is no TensorFlow Lite file")
    try:
        return _read_model(_Table(data, int(struct.unpack_from("<I", data, 0)[0])))
    except (struct.error, ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise InputError(path, f"not readable as a TensorFlow Lite file ({type(error).__name__}: {error})") from error


def _read_model(model: _Table) -> TfliteModel:
    (graph,) = model.tables(2)
    buffers = model.tables(4)
    tensors = graph.tables(0)
    shapes = tuple(tuple(int(n) for n in tensor.vector(0, np.int32)) for tensor in tensors)
    constants = {}
    for number, tensor in enumerate(tensors):
        values = buffers[tensor.number(2, "I")].vector(0, np.uint8)
        if len(values):
            typed = values.view(np.dtype(_TYPES[tensor.number(1, "b")]).newbyteorder("<"))
            sparsity = tensor.table(6)
            shape = shapes[number]
            constants[number] = (
                typed.reshape(shape) if sparsity is None else make_dense(typed, shape, *_read_levels(sparsity))
            )
    codes = [(code.number(3) or code.number(0, "b"), code.text(1)) for code in model.tables(1)]
    operators = []
    for entry in graph.tables(3):
        operator = _read_operator(entry, *codes[entry.number(0, "I")])
        source = operator.inputs[0]
        if operator.kind in ("dequantize", "densify") and source in constants:
            constants[operator.outputs[0]] = constants[source]
        else:
            operators.append(operator)
    return TfliteModel(
        names=tuple(tensor.text(3) for tensor in tensors),
        shapes=shapes,
        constants={n: c.astype(np.float32) if c.dtype.kind == "f" else c for n, c in constants.items()},
        inputs=tuple(int(n) for n in graph.vector(1, np.int32)),
        outputs=tuple(int(n) for n in graph.vector(2, np.int32)),
        operators=tuple(operators),
    )


def _read_operator(entry: _Table, code: int, custom: str) -> Operator:
    inputs, outputs = (tuple(int(n) for n in entry.vector(field, np.int32)) for field in (1, 2))
    if code == _CUSTOM:
        # The one custom operation that occurs, Convolution2DTransposeBias, stores three integers.
        padding, stride_w, stride_h = struct.unpack_from("<3i", entry.vector(5, np.uint8).tobytes())
        return Operator(custom, inputs, outputs, {"padding": padding, "stride_w": stride_w, "stride_h": stride_h})
    if code not in _OPERATORS:
        raise ValueError(f"operator {code} is not known here")
    kind, fields = _OPERATORS[code]
    options: dict[str, Any] = {}
    table = entry.table(4)
    for name, field in fields.items():
        default = _DEFAULTS.get(name, 0)
        options[name] = default if table is None else table.number(field, "b" if name in _BYTES else "i", default)
    if "activation" in options:
        options["activation"] = _ACTIVATIONS[options["activation"]]
    return Operator(kind, inputs, outputs, options)


@dataclass(frozen=True)
class Level:
    """One level of a sparse tensor.

    Attributes:
        size: number of entries below each entry of the level above, for a dense level; 0 for a sparse one.
        segments: for a sparse level, where the entries of each entry above begin in `indices`; one more at the end.
        indices: for a sparse level, the coordinates of its entries.
    """

    size: int
    segments: Ints
    indices: Ints


def _read_levels(sparsity: _Table) -> tuple[list[int], list[int], list[Level]]:
    """Traversal order, block map and levels of a sparse tensor."""

    def indices(metadata: _Table, kind_field: int) -> Ints:
        kind, table = metadata.number(kind_field, "B"), metadata.table(kind_field + 1)
        return np.zeros(0, np.int64) if table is None else table.vector(0, _INDEX_TYPES[kind]).astype(np.int64)

    levels = [
        Level(one.number(1) if not one.number(0, "b") else 0, indices(one, 2), indices(one, 4))
        for one in sparsity.tables(2)
    ]
    return sparsity.vector(0, np.int32).tolist(), sparsity.vector(1, np.int32).tolist(), levels


def make_dense(
    values: Array, shape: Sequence[int], order: Sequence[int], blocks: Sequence[int], levels: Sequence[Level]
) -> Array:
    """Make a sparse tensor dense.

    The format is that of TACO (Kjolstad et al., "The Tensor Algebra Compiler", OOPSLA 2017), with blocks: coordinates
    are stored level by level, and a level is dense (every coordinate) or compressed (segments and indices).

    Args:
        values: (N,) the stored values, in the order of the last level.
        shape: of the tensor, D axes.
        order: the axis of each level; an entry D + k stands for the inside of block k.
        blocks: the axis of each block.
        levels: one for each entry of `order`.

    Returns:
        The tensor, 0 where nothing is stored.

    Raises:
        ValueError: the levels do not fit the values.
    """
    positions = np.zeros(1, np.int64)
    coordinates: list[Ints] = []
    if math.prod(shape) > _MOST_VALUES:
        raise ValueError(f"a sparse tensor of {shape} is larger than any known network's")
    for level in levels:
        if level.size:
            if len(positions) * level.size > _MOST_VALUES:
                raise ValueError("a sparse tensor has more entries than any known network's")
            parents = np.repeat(np.arange(len(positions)), level.size)
            inside = np.tile(np.arange(level.size), len(positions))
            positions = positions[parents] * level.size + inside
        else:
            counts = (level.segments[1:] - level.segments[:-1])[positions]
            parents = np.repeat(np.arange(len(positions)), counts)
            firsts = np.cumsum(counts) - counts
            positions = level.segments[positions][parents] + np.arange(len(parents)) - firsts[parents]
            inside = level.indices[positions]
        coordinates = [*(one[parents] for one in coordinates), inside]
    if len(positions) != len(values):
        raise ValueError(f"{len(values)} sparse values, expected {len(positions)}")
    place = [np.zeros(len(positions), np.int64) for _ in shape]
    # The coordinate of a blocked axis is that of the block times its size, plus that inside the block.
    edges = {axis: levels[list(order).index(len(shape) + block)].size for block, axis in enumerate(blocks)}
    for entry, coordinate in zip(order, coordinates, strict=True):
        axis = entry if entry < len(shape) else blocks[entry - len(shape)]
        place[axis] += coordinate * (edges.get(axis, 1) if entry < len(shape) else 1)
    dense = np.zeros(tuple(shape), values.dtype)
    dense[tuple(place)] = values[positions]
    return dense
