"""Limits on what a reader opens and how much it reserves: a hostile file must cost no more than its own size."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ..core.errors import InputError

MAX_FILE_BYTES = 4 << 30
MAX_TEXT_BYTES = 16 << 20  # material libraries and headers
MAX_TEXTURE_PIXELS = 16384 * 16384
MAX_VERTICES = 50_000_000
MAX_FACES = 100_000_000

_noted: ContextVar[set[Path] | None] = ContextVar("_noted", default=None)


@contextmanager
def note_files() -> Iterator[set[Path]]:
    """Collect the files that readers open or look for while the block runs (in its thread), missing ones included."""
    opened: set[Path] = set()
    token = _noted.set(opened)
    try:
        yield opened
    finally:
        _noted.reset(token)


def note_file(path: Path) -> None:
    """Add a file to those that `note_files` collects."""
    opened = _noted.get()
    if opened is not None:
        opened.add(path)


def file_size(path: Path) -> int:
    """Size in bytes of a regular file; raise InputError for anything else, since a pipe would hang the reader."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be opened ({os_reason(error)})") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(path, "is not a regular file")
    return status.st_size


def read_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Read a regular file that is neither empty nor larger than `limit` bytes; raise InputError for any other."""
    note_file(path)
    size = file_size(path)
    if size == 0:
        raise InputError(path, "the file is empty")
    if size > limit:
        raise InputError(path, f"the file has {size} bytes, more than the {limit} that are read")
    try:
        with path.open("rb") as stream:
            return stream.read(size)  # not `limit`: a buffer of that size would be reserved
    except OSError as error:
        raise InputError(path, f"cannot be read ({os_reason(error)})") from error


def os_reason(error: Exception) -> str:
    """The system's own words for an error."""
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
