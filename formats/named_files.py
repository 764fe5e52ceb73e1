"""Find the files that a model names: in another case, in another code page, through links, and never outside it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import InputError
from ..core.files import legible
from .limits import note_file, os_reason

# Where packs keep their pictures beside or below the mesh (RenderPeople: tex/).
TEXTURE_FOLDERS = ("tex", "texture", "textures", "map", "maps", "image", "images", "material", "materials")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".tga", ".webp", ".dds")
# Code pages that files from elsewhere are written in, the strictest first: each but the last refuses some bytes.
CODE_PAGES = ("utf-8", "gb18030", "shift_jis", "euc_kr", "big5", "cp1251", "cp1252", "cp437", "latin-1")

# Names by content, as download caches, DVC, git-lfs (hexadecimal digits) and git-annex (SHA256E-s123--...) give them.
_HASH = re.compile(
    r"[0-9a-f]{30,128}|(?:MD5|SHA\d+|BLAKE\w+)E?-s\d+(?:-[\w-]+)?--[0-9a-f]{32,128}(?:\.\w+)*",
    re.IGNORECASE,
)


def model_folder(path: Path) -> Path:
    """The folder outside which nothing that a mesh names is opened: its own, or that of the file a link leads to.

    A link into a store of files that are named by their content leads nowhere a person would look for a texture, so
    the link's own folder counts there.
    """
    return path.absolute().parent if _in_store(path) else path.resolve().parent


def resolve_inside(root: Path, name: str, referrer: Path, what: str) -> Path:
    """Find the file that `referrer` names, links followed; see `find_inside`."""
    return find_inside(root, name, referrer, what).resolve()


def find_inside(root: Path, name: str, referrer: Path, what: str) -> Path:
    """Find the file that `referrer` names, if it lies inside the model's folder once symbolic links are followed.

    The name counts from the folder of the file that names it, and else from `root`. Files from other machines carry
    absolute paths, backslashes, another case or another code page, so when the path as written leads nowhere inside, a
    file of the same name in these folders or in one of `TEXTURE_FOLDERS` is taken. A link may also lead to a file that
    is named by its content (a download cache, DVC, git-annex).

    Args:
        root: the model's folder, see `model_folder`; nothing outside is ever opened.
        name: as written in the file; bytes that are no UTF-8 as surrogates (`surrogateescape`).
        referrer: the file that names it, for its folder and for the error.
        what: e.g. 'the texture of material "skin"', for the error.

    Returns:
        The file, links not yet followed.

    Raises:
        InputError: the path leaves `root`, or no such file is there.
    """
    folders = [root] if referrer.parent.is_symlink() else list(dict.fromkeys([referrer.parent, root]))
    outside = False
    for text in spellings(name):
        cleaned = text.strip().strip('"').replace("\\", "/")
        parts = [part for part in cleaned.split("/") if part not in ("", ".")]
        if not parts or "\0" in cleaned:
            raise InputError(referrer, f"{what} has an empty or unusable file name")
        try:
            for candidate in _candidates(folders, cleaned, parts):
                inside = any(lies_inside(candidate, folder) for folder in folders)
                if inside and candidate.is_file():
                    return candidate
                outside = outside or not inside
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(referrer, f"{what} has an unusable file name ({os_reason(error)})") from error
    if outside:
        raise InputError(referrer, f'{what}, "{legible(name)}", lies outside the model\'s folder: refused')
    note_file((root / cleaned).resolve())
    raise InputError(referrer, f'{what}, "{legible(name)}", is not there{_hint(name)}')


def lies_inside(path: Path, root: Path) -> bool:
    """Whether a file lies inside a folder once links are followed, or is a link into a store (see `find_inside`)."""
    return path.resolve().is_relative_to(root.resolve()) or _in_store(path)


def spellings(name: str) -> Iterator[str]:
    """A name as written and, where its bytes are no UTF-8, as the code pages of other systems read them."""
    yield name
    raw = name.encode("utf-8", "surrogateescape")
    if not _undecoded(name):
        return
    for code_page in CODE_PAGES:
        try:
            yield raw.decode(code_page)
        except UnicodeDecodeError:
            continue


def picture_beside(mesh: Path, root: Path) -> Path | None:
    """The picture of a mesh's own name beside it, for meshes that name none."""
    for suffix in (".png", ".jpg", ".jpeg"):
        picture = mesh.with_suffix(suffix)
        if picture.is_file() and lies_inside(picture, root):
            return picture
    return None


def only_picture(folder: Path) -> Path | None:
    """The one picture of a folder; None where there is none or a choice."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    return found[0] if len(found) == 1 else None


def _hint(name: str) -> str:
    return " (the name is no UTF-8: save the file that names it as UTF-8)" if _undecoded(name) else ""


def _undecoded(name: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in name)


def _in_store(path: Path) -> bool:
    return path.is_symlink() and _HASH.fullmatch(path.resolve().name) is not None


def _candidates(folders: list[Path], cleaned: str, parts: list[str]) -> Iterator[Path]:
    for folder in folders:
        yield folder / cleaned
    for folder in folders:
        yield from _same_name(folder, parts)


def _same_name(root: Path, parts: list[str]) -> list[Path]:
    """Files of the same name, any case, near `root`; the path as written, in any case, comes first."""
    wanted = _folded(parts[-1])
    entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    found: list[Path] = []
    folder = root
    for part in parts[:-1]:
        inner = [path for path in folder.iterdir() if _folded(path.name) == _folded(part) and path.is_dir()]
        if part == ".." or not inner:
            break
        folder = sorted(inner)[0]
    else:
        found += sorted(path for path in folder.iterdir() if _folded(path.name) == wanted)
    found += [Path(entry.path) for entry in entries if _folded(entry.name) == wanted]
    for entry in entries:
        if entry.name.casefold() in TEXTURE_FOLDERS and entry.is_dir(follow_symlinks=False):
            found += sorted(path for path in Path(entry.path).iterdir() if _folded(path.name) == wanted)
    return found


def _folded(name: str) -> str:
    """A name without the differences that systems do not make: case, and accents as letters of their own."""
    return unicodedata.normalize("NFC", name).casefold()
