"""Pickles that hold NumPy arrays and plain values alone; nothing in a file is ever called.

Unpickling runs what the file says. Here the file can only say "an array of this type and shape with these bytes": the
few names that NumPy's own pickles use stand for two small classes of ours, every other name is refused, opcodes that
build objects or that reserve as much memory as the file claims are taken out, and arrays are made from the bytes that
are really there.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..core.errors import InputError
from .limits import MAX_FILE_BYTES, read_bytes

MAX_DEPTH = 32
MAX_VALUES = 20_000
_OBJECT = re.compile(r"\|?O[48]?")
_DTYPE = re.compile(r"[<>|=]?(?:[iu][1248]|f[248]|b1|\?)")
# Not among them: INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT, sets, persistent ids and buffers from elsewhere.
_OPCODES = frozenset(b"\x80\x95.(012KMJIL\x8a\x8bFGNSTUBCVX\x8c\x8d\x8e\x88\x89]ael})dsu\x85\x86\x87thjrqpg\x94c\x93Rb")


# The reader in Python, since the one in C reserves as much memory as the file claims; its types are not published.
_InPython: Any = pickle._Unpickler


class Refused(pickle.UnpicklingError):
    """The pickle holds something that is not an array or a plain value."""


class _Dtype:
    """Stands for numpy.dtype."""

    def __init__(self, spec: Any, *_: Any) -> None:
        if not isinstance(spec, str) or not (_DTYPE.fullmatch(spec) or _OBJECT.fullmatch(spec)):
            raise Refused(f"arrays of type {spec!r:.40}")
        self.spec = spec

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order in ("<", ">"):
            self.spec = order + self.spec.lstrip("<>|=")

    def numpy(self) -> np.dtype[Any]:
        """The type itself; refused for objects, which have no bytes."""
        if _OBJECT.fullmatch(self.spec):
            raise Refused("arrays of objects")
        return np.dtype(self.spec)


class _Array:
    """Stands for an array until its bytes are there; or for the one object that `np.save` wraps into an array."""

    value: np.ndarray[Any, Any] | None = None
    wrapped: list[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("an array without its parts")
        _, shape, dtype, fortran, raw = state
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        if shape == () and isinstance(dtype, _Dtype) and _OBJECT.fullmatch(dtype.spec):
            if not isinstance(raw, list) or len(raw) != 1:
                raise Refused("an array of objects")
            self.wrapped = raw
            return
        sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
        if not sizes or not isinstance(dtype, _Dtype) or not isinstance(raw, bytes) or len(shape) > 8:
            raise Refused("an array whose parts are of another kind")
        kind = dtype.numpy()
        if math.prod(shape) * kind.itemsize != len(raw):
            raise Refused(f"an array of shape {shape} with {len(raw)} bytes")
        self.value = np.frombuffer(raw, kind).reshape(shape, order="F" if fortran else "C")


class _Names:
    """The names a pickle may use; functions of ours, never numpy's."""

    @staticmethod
    def reconstruct(*_: Any) -> _Array:
        return _Array()

    @staticmethod
    def scalar(dtype: Any, raw: Any = b"") -> Any:
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes) or len(raw) != dtype.numpy().itemsize:
            raise Refused("a number whose parts are of another kind")
        return np.frombuffer(raw, dtype.numpy())[0]

    @staticmethod
    def encode(text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "ascii"):
            raise Refused("text in an unknown code")
        return text.encode("latin1")

    @staticmethod
    def frombuffer(raw: Any, dtype: Any, shape: Any, order: Any = "C") -> _Array:
        array = _Array()
        array.__setstate__((1, shape, dtype, order == "F", raw))
        return array

    @staticmethod
    def empty(*values: Any) -> bytes:
        if values:
            raise Refused("bytes made by hand")
        return b""

    @staticmethod
    def refuse(*_: Any) -> None:
        raise Refused("an array made by hand")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Names.encode,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Names.refuse,  # only ever an argument of _reconstruct
    ("trimesh.caching", "TrackedArray"): _Names.refuse,  # what trimesh's vertices are pickled as; an array all the same
    ("__builtin__", "bytes"): _Names.empty,
    ("builtins", "bytes"): _Names.empty,
    **{
        (f"numpy.{core}.{name}", member): stand_in
        for core in ("core", "_core")
        for name, member, stand_in in (
            ("multiarray", "_reconstruct", _Names.reconstruct),
            ("multiarray", "scalar", _Names.scalar),
            ("numeric", "_frombuffer", _Names.frombuffer),
        )
    },
}


class _Reader(_InPython):  # type: ignore[misc]
    dispatch: ClassVar[dict[int, Any]] = {
        code: method for code, method in _InPython.dispatch.items() if code in _OPCODES
    }

    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module, name))
        if found is None:
            raise Refused(f"{module}.{name}")
        return found

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, _Array | _Dtype):
            raise Refused("an object with a state of its own")
        target.__setstate__(state)

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytes(self.read(min(size, MAX_FILE_BYTES))))

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def read_arrays(path: Path, limit: int = MAX_FILE_BYTES) -> Any:
    """Read a pickle of arrays, numbers, texts, lists, tuples and dictionaries.

    Args:
        path: the file.
        limit: bytes; a larger file is refused.

    Returns:
        The content; tuples have become lists, and dictionaries keep the entries whose key is a text or an int.

    Raises:
        InputError: it holds anything else, or is damaged; names the file and what was found in it.
    """
    return _unpickle(path, read_bytes(path, limit))


def read_saved_object(path: Path, limit: int = MAX_FILE_BYTES) -> Any:
    """Read a .npy into which `np.save` pickled one object, such as a dictionary of arrays.

    Args:
        path: the file.
        limit: bytes; a larger file is refused.

    Returns:
        The object, as `read_arrays` gives it.

    Raises:
        InputError: it is another kind of file, holds anything else, or is damaged.
    """
    stream = io.BytesIO(read_bytes(path, limit))
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
    except Exception as error:  # a damaged header is evaluated as a literal, which raises anything
        raise InputError(path, f"is not a .npy file ({type(error).__name__})") from error
    if shape != () or dtype != np.dtype(object):
        raise InputError(path, f"holds {dtype} of shape {shape}, expected one pickled object")
    return _unpickle(path, stream.read())


def _unpickle(path: Path, content: bytes) -> Any:
    try:
        return _Plain().of(_Reader(io.BytesIO(content), encoding="latin1").load(), 0)
    except Refused as error:
        raise InputError(path, f"the pickle holds more than arrays ({error}); it is not opened") from error
    # A damaged pickle may leave anything on the stack of the machine that reads it.
    except Exception as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise InputError(path, f"the pickle is damaged ({reason})") from error


class _Plain:
    """Turns stand-ins into arrays.

    Depth and number of values are bounded, since a few bytes can name one list again and again, or a list in itself.
    """

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def of(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if depth > MAX_DEPTH or self.left < 0:
            raise Refused("values nested too deep, or too many")
        if isinstance(value, _Array):
            if value.wrapped is not None:
                return self.of(value.wrapped[0], depth + 1)
            if value.value is None:
                raise Refused("an array without its parts")
            return value.value
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items() if isinstance(key, str | int)}
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
            return value
        raise Refused(f"a {type(value).__name__.strip('_').lower()}")
