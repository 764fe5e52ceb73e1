"""Write files so that they are whole or absent: under a temporary name, flushed, then renamed.

A full disk is reported early, with the name of the file: HDF5 may crash the process when it meets one.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import platform
import shutil
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of linux/falloc.h: blocks are set aside, the file's length stays


@contextmanager
def replacing(path: Path, *, shared: bool = False, flush: bool = True) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields a temporary name beside `path` for the block to write to. When the block ends without an error, that file
    takes the place of `path`.

    Args:
        path: the final name; its folder is made.
        shared: other threads or processes may write the same file at the same time.
        flush: wait until the disk holds it, so that not even a power cut leaves a file without its content.

    Raises:
        OSError: of the disk; names `path`. An earlier file of that name stays, the temporary one is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = _own_suffix() if shared else "part"
    temporary = path.with_name(f".{path.name}.{own}")
    try:
        with named(path):
            yield temporary
            if flush:
                sync(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes, *, shared: bool = False) -> None:
    """Write a file as `replacing` does."""
    with replacing(path, shared=shared) as temporary:
        temporary.write_bytes(data)


def legible(text: str) -> str:
    r"""Text that every file and terminal can hold: bytes of file names that are no UTF-8 become \xNN."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # other surrogates, which no file name gives
        return text.encode("utf-8", "backslashreplace").decode()


def write_text(path: Path, text: str) -> None:
    r"""Write a file as UTF-8, as `replacing` does; bytes of file names that are no UTF-8 are written as \xNN."""
    write_bytes(path, legible(text).encode())


def write_json(path: Path, content: Any, *, sort_keys: bool = True, shared: bool = False) -> None:
    """Write JSON, indented by one, as `replacing` does."""
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=sort_keys) + "\n").encode(), shared=shared)


@contextmanager
def replacing_folder(final: Path) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Yields a temporary folder beside `final`. When the block ends without an error it takes the place of `final`,
    otherwise it is removed.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.parent / f".{final.name}.{_own_suffix()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        with named(final):
            yield temporary
            for path in temporary.iterdir():
                sync(path)
            sync(temporary)
            if final.exists():
                shutil.rmtree(final)
            temporary.rename(final)
        sync(final.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _own_suffix() -> str:
    """Part of a temporary name that no other thread has, also on another machine with the same disk."""
    return f"tmp-{platform.node()}-{os.getpid()}-{threading.get_ident()}"


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """All files below a folder whose suffix, in small letters, is one of these; sorted.

    Raises:
        InputError: a folder cannot be listed, so what is in it would be missing without a word.
    """

    def refuse(error: OSError) -> None:
        raise InputError(os.fsdecode(error.filename), f"cannot be listed ({error.strerror})") from error

    found = (Path(place, name) for place, _, names in os.walk(folder, onerror=refuse) for name in names)
    return sorted(path for path in found if path.suffix.lower() in suffixes and path.is_file())


def sync(path: Path) -> None:
    """Wait until the disk holds the content of a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reserve(path: Path, size: int) -> None:
    """Set aside `size` bytes of the disk for an existing file, so that writing them cannot fail for lack of space.

    `release` returns what was not used. Does nothing where the system or the file system does not offer this.

    Raises:
        OSError: the disk (or the user's quota) has too little space.
    """
    if not sys.platform.startswith("linux"):
        return
    call = ctypes.CDLL(None, use_errno=True).fallocate
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    handle = os.open(path, os.O_RDWR)
    try:
        failed = call(handle, KEEP_SIZE, 0, size) and ctypes.get_errno()
    finally:
        os.close(handle)
    if failed in FULL:
        raise OSError(failed, f"{os.strerror(failed)} ({size / 1e6:.1f} MB wanted)")


def release(path: Path) -> None:
    """Return to the disk what `reserve` set aside beyond the end of the file."""
    os.truncate(path, path.stat().st_size)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Make errors of the disk name this file where they name none, or the temporary one written in its place."""
    try:
        yield
    except OSError as error:
        place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
        if error.errno is not None and (place is None or any(p.startswith(f".{path.name}.") for p in place.parts)):
            raise OSError(error.errno, error.strerror or os.strerror(error.errno), str(path)) from error
        raise


def is_of_disk(error: OSError, out: Path) -> bool:
    """Whether an error is of the disk that holds `out`, and so concerns all work, or of a file that was read elsewhere.

    Functions of this file name the file that they write (see `named`); an error that names none is of `out` where it
    can only come from writing.

    Args:
        error: as a unit of work raised it.
        out: the folder that the unit writes to.
    """
    if not isinstance(error.filename, str | bytes):
        return error.errno in (*FULL, errno.EROFS)
    return Path(os.path.abspath(os.fsdecode(error.filename))).is_relative_to(os.path.abspath(out))


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        InputError: the file is missing or does not read as JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"does not read as JSON ({error})") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Read JSON whose top level is an object; raises as `read_json` does, and for any other top level."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(path, "holds no JSON object")
    return content
