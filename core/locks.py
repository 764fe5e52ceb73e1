"""One folder has one writer at a time, or the parts of one array of writers (core/parts.py).

The lock is the operating system's (`flock`) on a file in the folder, so it ends with the process that holds it, however
that ends: nothing stale is left to be removed by hand. Over NFS it holds between machines.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import inspect
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

from .errors import InputError
from .messages import first_few
from .parts import Part
from .progress import NoProgress

NAME = ".lock"
BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
NO_LOCKS = "here files cannot be locked, so see to it that no other command writes to {folder} at the same time"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_warned: set[Path] = set()


class FolderBusyError(InputError):
    """Another process writes to the folder."""


def one_writer(argument: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Decorate a function that writes to a folder: while it runs, no other such function writes there.

    Args:
        argument: name of the function's argument that is the folder. Its arguments `part`, for one of several writers,
            and `progress`, which is told where there are no locks, are heeded, too.
    """

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def locked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            given = signature.bind(*args, **kwargs).arguments
            tell = (given.get("progress") or NoProgress()).message
            with writing(Path(given[argument]), part=given.get("part"), tell=tell):
                return function(*args, **kwargs)

        return locked

    return decorate


@contextlib.contextmanager
def writing(folder: Path, *, part: Part | None = None, tell: Callable[[str], None]) -> Iterator[None]:
    """Be the only writer to a folder while the block runs; the folder is made.

    Args:
        folder: where the block writes.
        part: which one of several writers that share the work; None for the only one.
        tell: receives one line where the file system has no locks; the block then runs without one.

    Raises:
        FolderBusyError: another process writes there; says which and where.
        OSError: the folder cannot be made or written to.
    """
    missing = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        if missing:
            held.callback(_remove_empty, folder)
        try:
            held.enter_context(_hold(folder, NAME, shared=part is not None))
            if part is not None:
                held.enter_context(_hold(folder, f"{NAME}-{part.name}", shared=False))
                _refuse_other_count(folder, part)
        except _NoLocksError:
            if folder not in _warned:
                _warned.add(folder)
                tell(NO_LOCKS.format(folder=folder))
        yield


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it holds something now
        folder.rmdir()


class _NoLocksError(Exception):
    """The file system cannot lock files."""


@contextlib.contextmanager
def _hold(folder: Path, name: str, *, shared: bool) -> Iterator[None]:
    """Hold the lock of one file, which is removed afterwards unless others share it."""
    path = folder / name
    handle = _take(path, shared)
    if handle is None:
        raise FolderBusyError(folder, f"{_writers(folder)} writes here; wait for its end, or choose another folder")
    try:
        os.truncate(handle, 0)
        if not shared:
            now = datetime.datetime.now().isoformat(" ", "minutes")
            with contextlib.suppress(OSError):  # a full disk, which may need no more room
                os.write(handle, f"process {os.getpid()} on {platform.node()} (since {now})".encode())
        yield
    finally:
        # The file goes while it is still locked: see `_take`.
        if not shared or _lock(handle, shared=False):
            path.unlink(missing_ok=True)
        os.close(handle)


def _take(path: Path, shared: bool) -> int | None:
    """Open and lock a file; its handle, or None where another process has locked it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _lock(handle, shared=shared)
            # Whoever held it before may have removed the file meanwhile; a lock on what is gone keeps nobody out.
            if locked and not _is_file(handle, path):
                os.close(handle)
                continue
        except BaseException:
            os.close(handle)
            raise
        if not locked:
            os.close(handle)
            return None
        return handle


def _lock(handle: int, *, shared: bool) -> bool:
    """Lock an open file; False where another process holds it.

    Raises:
        _NoLocksError: there are no locks here.
    """
    try:
        import fcntl
    except ImportError:  # not POSIX
        raise _NoLocksError from None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in BUSY:
            return False
        raise _NoLocksError from error
    return True


def _is_file(handle: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _live(folder: Path) -> list[tuple[str, str]]:
    """The names of lock files that are held, with what their holders wrote."""
    found = []
    for path in sorted(folder.glob(f"{NAME}*")):
        try:
            handle = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            if not _lock(handle, shared=True):
                found.append((path.name, path.read_text(errors="replace")))
        except OSError:
            pass  # gone since
        finally:
            os.close(handle)
    return found


def _writers(folder: Path) -> str:
    texts = []
    for name, text in _live(folder):
        part = name.removeprefix(NAME).removeprefix("-part-").replace("-of-", "/")
        texts.append(f"part {part}, {text}" if part else text)
    return first_few([text for text in texts if text], 3) or "another process"


def _refuse_other_count(folder: Path, part: Part) -> None:
    for name, text in _live(folder):
        if name.startswith(f"{NAME}-") and not name.endswith(f"-of-{part.count}"):
            other = name.removeprefix(f"{NAME}-part-").replace("-of-", "/")
            raise FolderBusyError(
                folder,
                f"part {other} ({text}) works here, and {part} does not belong to it: all parts have one count",
            )
