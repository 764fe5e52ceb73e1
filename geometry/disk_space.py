"""A full disk told early and by name: HDF5 that meets one in the middle of a file may take the process with it."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of linux/falloc.h: blocks are set aside, the file's length stays


def reserve(path: Path, size: int) -> None:
    """Set aside `size` bytes of the disk for an existing file, so that writing them cannot fail for want of room.

    What is left over goes back to the disk with `release`. Does nothing where the system or the file system cannot.

    Raises:
        OSError: the disk (or the user's share of it) has no such room.
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
    """Give back what `reserve` set aside beyond the file's end."""
    os.truncate(path, path.stat().st_size)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of the disk that name no file, a full one's among them, name this one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            raise OSError(error.errno, error.strerror or os.strerror(error.errno), str(path)) from error
        raise
