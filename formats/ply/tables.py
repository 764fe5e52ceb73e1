"""The PLY container: header and tables of numbers; no memory is reserved for what the header alone claims."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64, I64, U8, Array
from ...core.errors import InputError

MAX_HEADER_BYTES = 1 << 16
MAX_LIST = 4096  # corners of one polygon
MAX_STRIP = 1 << 28  # corners of a strip of triangles
_NEWLINE = r"\r\n|\n|\r"

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip


@dataclass(frozen=True)
class PlyProperty:
    """A column of a table.

    Attributes:
        name: as in the header.
        kind: NumPy's code of its numbers.
        count_kind: code of the lengths of a list; None for a scalar.
    """

    name: str
    kind: str
    count_kind: str | None


@dataclass(eq=False)
class PlyElement:
    """A table as the header announces it.

    Attributes:
        name: as in the header.
        count: rows.
        properties: columns.
    """

    name: str
    count: int
    properties: list[PlyProperty] = field(default_factory=list)


@dataclass(eq=False)
class PlyTable:
    """The values of a table.

    Attributes:
        scalars: (N,) by column.
        lists: by column, the values of all rows one after the other, and the (N,) length of each row's list.
    """

    scalars: dict[str, Array]
    lists: dict[str, tuple[Array, I64]]


def read_header(path: Path, content: bytes) -> tuple[str, list[PlyElement], list[str], int]:
    """Read the header: byte order, tables, names of texture files, and where the data begin."""
    if not content.startswith(b"ply"):
        raise InputError(path, "is not a PLY (it does not begin with 'ply')")
    end = re.search(rb"(?m)^end_header[ \t]*(\r\n|\n|\r)", content[:MAX_HEADER_BYTES])
    if end is None:
        raise InputError(path, "the PLY header has no end")
    order, elements, textures = "", [], []
    for number, line in enumerate(re.split(_NEWLINE, content[: end.start()].decode("latin-1"))[1:], 2):
        words = line.split()
        if not words or words[0] == "obj_info":
            continue
        if words[0] == "comment":
            match = re.match(r"comment\s+texturefile\s+(.+)", line, re.IGNORECASE)
            if match:
                textures.append(match[1].strip())
        elif words[0] == "format" and len(words) >= 2:
            order = words[1]
        elif words[0] == "element" and len(words) == 3 and words[2].isascii() and words[2].isdigit():
            elements.append(PlyElement(words[1], int(words[2][:18])))
        elif words[0] == "property" and elements and _property(words) is not None:
            found = _property(words)
            assert found is not None
            elements[-1].properties.append(found)
        else:
            raise InputError(path, f"line {number} of the PLY header is not understood: {line[:60]!r}")
    if order not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise InputError(path, f"unknown PLY format {order!r}")
    for element in elements:
        names = [item.name for item in element.properties]
        if len(set(names)) != len(names):
            raise InputError(path, f"the PLY element {element.name!r} has two properties of one name")
    return order, elements, textures, end.end()


def _property(words: list[str]) -> PlyProperty | None:
    if len(words) == 3 and words[1] in _TYPES:
        return PlyProperty(words[2], _TYPES[words[1]], None)
    if len(words) == 5 and words[1] == "list" and words[2] in _TYPES and words[3] in _TYPES:
        return PlyProperty(words[4], _TYPES[words[3]], _TYPES[words[2]])
    return None


def whole_numbers(path: Path, values: Array, what: str) -> I64:
    """Indices as int64; ASCII tables and odd writers hold them as floats.

    Raises:
        InputError: `what` (for the message) holds a number that is none.
    """
    if values.dtype.kind == "f":
        bad = ~((np.abs(values) < 2**31) & (values == np.rint(values)))
        if bad.any():
            raise InputError(path, f"{what} hold indices that are not whole numbers, such as {values[bad][0]:g}")
    return values.astype(np.int64)


def _too_short(path: Path, element: PlyElement) -> InputError:
    return InputError(path, f"the header announces {element.count} {element.name} entries, more than the file holds")


def read_binary(path: Path, content: bytes, at: int, elements: list[PlyElement], order: str) -> dict[str, PlyTable]:
    """The tables of a binary file whose data begin at `at`; `order` is "<" or ">"."""
    tables: dict[str, PlyTable] = {}
    for element in elements:
        least = sum(np.dtype(item.count_kind or item.kind).itemsize for item in element.properties)
        if element.count * max(least, 1) > len(content) - at:
            raise _too_short(path, element)
        if not element.count or not element.properties:
            continue
        table, at = _uniform(content, at, element, order) or _ragged(path, content, at, element, order)
        tables[element.name] = table
    return tables


def _uniform(content: bytes, at: int, element: PlyElement, order: str) -> tuple[PlyTable, int] | None:
    """The element as one array, when every list is as long as in its first entry; None otherwise."""
    fields: list[Any] = []
    cursor = at
    lengths: dict[str, int] = {}
    for item in element.properties:
        kind = np.dtype(order + item.kind)
        if item.count_kind is None:
            fields.append((item.name, kind))
            cursor += kind.itemsize
            continue
        count_kind = np.dtype(order + item.count_kind)
        if cursor + count_kind.itemsize > len(content):
            return None
        length = int(np.frombuffer(content, count_kind, 1, cursor)[0])
        if not 0 <= length <= _longest_list(element):
            return None
        lengths[item.name] = length
        fields += [(f"{item.name}\0count", count_kind), (item.name, kind, (length,))]
        cursor += count_kind.itemsize + length * kind.itemsize
    dtype = np.dtype(fields)
    if at + dtype.itemsize * element.count > len(content):
        return None
    rows = np.frombuffer(content, dtype, element.count, at)
    if any((rows[f"{name}\0count"] != length).any() for name, length in lengths.items()):
        return None
    scalars = {item.name: rows[item.name] for item in element.properties if item.count_kind is None}
    lists = {
        name: (rows[name].reshape(-1), np.full(element.count, length, np.int64)) for name, length in lengths.items()
    }
    return PlyTable(scalars, lists), at + dtype.itemsize * element.count


def _ragged(path: Path, content: bytes, at: int, element: PlyElement, order: str) -> tuple[PlyTable, int]:
    """Read a table row by row, for lists of differing length."""
    kinds = [
        (item, np.dtype(order + item.kind), None if item.count_kind is None else np.dtype(order + item.count_kind))
        for item in element.properties
    ]
    offsets: dict[str, list[int]] = {item.name: [] for item in element.properties}
    sizes: dict[str, list[int]] = {item.name: [] for item in element.properties}
    end, longest = len(content), _longest_list(element)
    for row in range(element.count):
        for item, kind, count_kind in kinds:
            length = 1
            if count_kind is not None:
                if at + count_kind.itemsize > end:
                    raise _too_short(path, element)
                length = int(np.frombuffer(content, count_kind, 1, at)[0])
                at += count_kind.itemsize
                if not 0 <= length <= longest:
                    raise InputError(path, f"a list of {length} entries in row {row} of element {element.name!r}")
            offsets[item.name].append(at)
            sizes[item.name].append(length)
            at += length * kind.itemsize
        if at > end:
            raise _too_short(path, element)
    data = np.frombuffer(content, np.uint8)
    scalars: dict[str, Array] = {}
    lists: dict[str, tuple[Array, I64]] = {}
    for item, kind, count_kind in kinds:
        size = np.array(sizes[item.name], np.int64)
        flat = _gather(data, np.array(offsets[item.name], np.int64), size, kind)
        if count_kind is None:
            scalars[item.name] = flat
        else:
            lists[item.name] = (flat, size)
    return PlyTable(scalars, lists), at


def _gather(data: U8, offsets: I64, sizes: I64, kind: np.dtype[Any]) -> Array:
    within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    start = np.repeat(offsets, sizes) + within * kind.itemsize
    flat: Array = data[start[:, None] + np.arange(kind.itemsize)].reshape(-1).view(kind)
    return flat


def _longest_list(element: PlyElement) -> int:
    """How many entries a list of an element may have: a strip holds the whole surface, a face is one polygon."""
    return MAX_STRIP if element.name == "tristrips" else MAX_LIST


def read_ascii(path: Path, content: bytes, start: int, elements: list[PlyElement]) -> dict[str, PlyTable]:
    """The tables of an ASCII file whose data begin at `start`, all as float64."""
    text = content[start:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            flat: F64 = np.fromstring(text.decode("ascii"), np.float64, sep=" ") if text.strip() else np.zeros(0)
        except (ValueError, DeprecationWarning) as error:
            odd = _first_odd(text, len(re.findall(_NEWLINE.encode(), content[:start])) + 1)
            raise InputError(path, f"the data hold something that is not a number{odd}") from error
    tables: dict[str, PlyTable] = {}
    at = 0
    for element in elements:
        if element.count * max(len(element.properties), 1) > len(flat) - at:
            raise _too_short(path, element)
        if element.count and element.properties:
            tables[element.name], at = _ascii_element(path, flat, at, element)
    return tables


def _first_odd(text: bytes, first: int) -> str:
    """The first word that is no number and its line, for the end of a message; the text begins in line `first`."""
    for number, line in enumerate(re.split(_NEWLINE.encode(), text), first):
        for word in line.split():
            try:
                float(word)
            except ValueError:
                return f": {word[:40].decode('latin-1')!r} (line {number})"
    return ""


def _ascii_element(path: Path, flat: F64, at: int, element: PlyElement) -> tuple[PlyTable, int]:
    """One element; entries are walked only where lists differ in length."""
    offsets: dict[str, list[int]] = {item.name: [] for item in element.properties}
    sizes: dict[str, list[int]] = {item.name: [] for item in element.properties}
    rows = element.count
    cursor = at
    for row in range(rows):
        begin = cursor
        for item in element.properties:
            length = 1
            if item.count_kind is not None:
                if cursor >= len(flat):
                    raise _too_short(path, element)
                number = flat[cursor]
                cursor += 1
                if not 0 <= number <= _longest_list(element) or number != int(number):
                    raise InputError(path, f"a list of {number:g} entries in row {row} of element {element.name!r}")
                length = int(number)
            offsets[item.name].append(cursor)
            sizes[item.name].append(length)
            cursor += length
        if cursor > len(flat):
            raise _too_short(path, element)
        if row == 0 and _same_lists(flat, at, element, cursor - begin, offsets):
            stride = np.arange(rows, dtype=np.int64) * (cursor - begin)
            fast_offsets = {name: stride + value[0] for name, value in offsets.items()}
            fast_sizes = {name: np.full(rows, value[0], np.int64) for name, value in sizes.items()}
            return _ascii_table(flat, element, fast_offsets, fast_sizes), at + rows * (cursor - begin)
    arrays = {name: np.array(value, np.int64) for name, value in offsets.items()}
    return _ascii_table(flat, element, arrays, {k: np.array(v, np.int64) for k, v in sizes.items()}), cursor


def _same_lists(flat: F64, at: int, element: PlyElement, width: int, offsets: dict[str, list[int]]) -> bool:
    """Whether every entry is laid out as the first, `width` numbers long."""
    if at + element.count * width > len(flat):
        return False
    block = flat[at : at + element.count * width].reshape(element.count, width)
    lists = [item.name for item in element.properties if item.count_kind is not None]
    columns = [offsets[name][0] - at - 1 for name in lists]
    return all(bool((block[:, column] == block[0, column]).all()) for column in columns)


def _ascii_table(flat: F64, element: PlyElement, offsets: dict[str, I64], sizes: dict[str, I64]) -> PlyTable:
    scalars: dict[str, Array] = {}
    lists: dict[str, tuple[Array, I64]] = {}
    for item in element.properties:
        size = sizes[item.name]
        if item.count_kind is None:
            scalars[item.name] = flat[offsets[item.name]]
        else:
            within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
            lists[item.name] = (flat[np.repeat(offsets[item.name], size) + within], size)
    return PlyTable(scalars, lists)
