"""Limits on what a reader opens and how much it reserves: a hostile file must cost no more than its own size."""

from __future__ import annotations

import os
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

# Where packs keep their pictures beside or below the mesh (RenderPeople: tex/).
TEXTURE_FOLDERS = ("tex", "texture", "textures", "map", "maps", "image", "images", "material", "materials")

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


def _note(path: Path) -> None:
    opened = _noted.get()
    if opened is not None:
        opened.add(path)


def file_size(path: Path) -> int:
    """Size in bytes of a regular file; raise InputError for anything else, since a pipe would hang the reader."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be opened ({_os_reason(error)})") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(path, "is not a regular file")
    return status.st_size


def read_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Read a regular file that is neither empty nor larger than `limit` bytes; raise InputError for any other."""
    _note(path)
    size = file_size(path)
    if size == 0:
        raise InputError(path, "the file is empty")
    if size > limit:
        raise InputError(path, f"the file has {size} bytes, more than the {limit} that are read")
    try:
        with path.open("rb") as stream:
            return stream.read(size)  # not `limit`: a buffer of that size would be reserved
    except OSError as error:
        raise InputError(path, f"cannot be read ({_os_reason(error)})") from error


def resolve_inside(root: Path, name: str, referrer: Path, what: str) -> Path:
    """Find the file that `referrer` names, if it lies inside `root` once symbolic links are followed.

    Files from other machines carry absolute paths, backslashes and another case, so when the path as written leads
    nowhere inside, a file of the same name in `root` or in one of `TEXTURE_FOLDERS` is taken.

    Args:
        root: the model's folder; nothing outside is ever opened.
        name: as written in the file.
        referrer: the file that names it, for the error.
        what: e.g. 'the texture of material "skin"', for the error.

    Raises:
        InputError: the path leaves `root`, or no such file is there.
    """
    root = root.resolve()
    cleaned = name.strip().strip('"').replace("\\", "/")
    parts = [part for part in cleaned.split("/") if part not in ("", ".")]
    if not parts or "\0" in cleaned:
        raise InputError(referrer, f"{what} has an empty or unusable file name")
    try:
        direct = (root / cleaned).resolve()
        if direct.is_relative_to(root) and direct.is_file():
            return direct
        for candidate in _same_name(root, parts):
            found = candidate.resolve()
            if found.is_relative_to(root) and found.is_file():
                return found
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(referrer, f"{what} has an unusable file name ({_os_reason(error)})") from error
    if not direct.is_relative_to(root):
        raise InputError(referrer, f'{what}, "{name}", lies outside the model\'s folder: refused')
    _note(direct)
    raise InputError(referrer, f'{what}, "{name}", is not there')


def _same_name(root: Path, parts: list[str]) -> list[Path]:
    """Files of the same name, any case, near `root`; the path as written, in any case, comes first."""
    wanted = parts[-1].casefold()
    entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    found: list[Path] = []
    folder = root
    for part in parts[:-1]:
        inner = [path for path in folder.iterdir() if path.name.casefold() == part.casefold() and path.is_dir()]
        if part == ".." or not inner:
            break
        folder = sorted(inner)[0]
    else:
        found += sorted(path for path in folder.iterdir() if path.name.casefold() == wanted)
    found += [Path(entry.path) for entry in entries if entry.name.casefold() == wanted]
    for entry in entries:
        if entry.name.casefold() in TEXTURE_FOLDERS and entry.is_dir(follow_symlinks=False):
            found += sorted(path for path in Path(entry.path).iterdir() if path.name.casefold() == wanted)
    return found


def _os_reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
