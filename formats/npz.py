"""Arrays out of an .npz that somebody gives: no pickle is run, and no more is reserved than the file holds."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..core.arrays import Array
from ..core.errors import InputError
from .limits import read_bytes

MAX_BYTES = 1 << 30  # of all arrays that are read, unpacked
_MAX_MEMBERS = 1000


def read_npz(path: Path, names: Collection[str] | None = None, *, limit: int = MAX_BYTES) -> dict[str, Array]:
    """Read arrays of numbers and of text from an .npz.

    Args:
        path: the file.
        names: the arrays that are wanted, of which those that are missing are left out; None for all. Arrays of Python
            objects are left out, too.
        limit: bytes that the file, and the arrays that are wanted, may have together.

    Raises:
        InputError: the file is damaged, no .npz, or larger than that.
    """
    data = read_bytes(path, limit)
    found: dict[str, Array] = {}
    left = limit
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise ValueError(f"{len(members)} arrays")
            for member in members:
                name = member.filename.removesuffix(".npy")
                if names is not None and name not in names:
                    continue
                left -= member.file_size
                if left < 0:
                    raise ValueError(f"more than {limit} bytes when unpacked")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"{name} is compressed in a way that NumPy does not use")
                array = _read_array(archive.read(member))
                if array is not None:
                    found[name] = array
    except (OSError, ValueError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(path, f"does not read as an .npz ({error})") from error
    return found


def _read_array(data: bytes) -> Array | None:
    """One .npy; None where it holds Python objects.

    Raises:
        ValueError: it is none, or holds fewer bytes than its head says.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except Exception as error:  # a damaged head is evaluated as a literal, which raises anything
        raise ValueError(f"the head of an array does not read: {error}") from error
    if dtype.hasobject:
        return None
    count = math.prod(shape)
    if count * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"an array of {shape} is cut off")
    flat = np.frombuffer(data, dtype, count, stream.tell()) if count else np.zeros(0, dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
