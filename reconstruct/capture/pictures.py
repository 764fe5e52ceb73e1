"""Finds and reads what users have: RGBA pictures, pictures with masks, plain pictures, folders of them, and films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import U8
from ...core.errors import InputError
from .masks import Mask, clean_mask, read_mask
from .open_picture import HEIC, colours_of, in_srgb, open_picture

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", *HEIC)
FILMS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
# Pictures and films of other kinds, which are named when a folder holds some.
OTHER_KINDS = {
    ".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".jp2", ".jxl", ".nef", ".orf", ".pgm", ".ppm", ".psd", ".raf",
    ".rw2", ".svg", ".tga", ".xcf",
    ".3gp", ".flv", ".m2ts", ".mpg", ".mpeg", ".mts", ".mxf", ".ogv", ".ts", ".wmv",
}  # fmt: skip
MASK_SUFFIX = "_mask"  # PIFu's sample pictures lie beside NAME_mask.png


@dataclass(frozen=True, eq=False)
class Source:
    """A picture or a film, and its mask.

    Attributes:
        path: the file.
        mask: a picture for a picture, or a film or a folder of pictures for a film; None: the alpha channel is the
            mask, and where there is none, the person has to be found.
        whole: the whole picture is the person; there is no mask.
    """

    path: Path
    mask: Path | None = None
    whole: bool = False

    @property
    def is_film(self) -> bool:
        """Whether the suffix is that of a film."""
        return self.path.suffix.lower() in FILMS


def find_sources(paths: Sequence[Path], mask: Path | None = None, *, whole: bool = False) -> list[Source]:
    """Find the pictures and films that a user has named. Those of a folder come in the order of their names.

    In a folder, NAME_mask.png beside NAME.* is the mask of that picture, not a picture of its own.

    Args:
        paths: pictures, films and folders.
        mask: the mask of the only picture or film; or a folder, in which NAME.*, NAME_mask.* or NAME.jpg.* is the mask
            of the source NAME.jpg.
        whole: the whole of each picture is the person.

    Raises:
        InputError: a path does not exist, a file is of another kind, or a mask is missing.
    """
    files: list[Path] = []
    beside: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES + FILMS and p.is_file())
            if not inside:
                raise InputError(path, f"holds no picture and no film ({', '.join(PICTURES + FILMS)})")
            own = _masks_beside(inside)
            files += [file for file in inside if file not in own.values()]
            beside |= own
        elif not path.is_file():
            raise InputError(path, "no such file")
        elif path.suffix.lower() not in PICTURES + FILMS:
            raise InputError(path, f"neither a picture nor a film ({', '.join(PICTURES + FILMS)})")
        else:
            files.append(path)
    if mask is None:
        return [Source(path, None if whole else beside.get(path), whole=whole) for path in files]
    if len(files) == 1 and (mask.is_file() or files[0].suffix.lower() in FILMS):
        return [Source(files[0], mask)]
    if not mask.is_dir():
        raise InputError(mask, f"one mask for {len(files)} pictures: name a folder that holds a mask for each")
    return [Source(path, _mask_of(path, mask)) for path in files]


def _masks_beside(files: Sequence[Path]) -> dict[Path, Path]:
    """The mask of each picture NAME.* that has one named NAME_mask.* among the same files."""
    by_stem = {file.stem: file for file in files}
    return {
        by_stem[file.stem.removesuffix(MASK_SUFFIX)]: file
        for file in files
        if file.stem.endswith(MASK_SUFFIX) and file.stem.removesuffix(MASK_SUFFIX) in by_stem
    }


def _mask_of(path: Path, folder: Path) -> Path:
    names = (path.stem, path.stem + MASK_SUFFIX, path.name)
    found = [
        candidate
        for candidate in sorted(folder.glob("*"))
        if candidate.stem in names and candidate.suffix.lower() in PICTURES + FILMS and not candidate.samefile(path)
    ]
    if not found:
        raise InputError(folder, f"holds no mask named {path.stem}.* or {path.stem}{MASK_SUFFIX}.* for {path.name}")
    if len(found) > 1:
        raise InputError(folder, f"holds several masks for {path.name}: {', '.join(file.name for file in found)}")
    return found[0]


def skipped_kinds(paths: Sequence[Path]) -> list[str]:
    """One line for each folder with pictures or films of kinds that are not read, with their number."""
    lines = []
    for folder in (path for path in paths if path.is_dir()):
        counts = Counter(file.suffix.lower() for file in folder.iterdir() if file.suffix.lower() in OTHER_KINDS)
        if counts:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
            lines.append(f"{folder}: skipped, since these kinds are not read: {kinds}; save them as PNG, JPEG or MP4")
    return lines


def read_picture(path: Path, mask: Path | None = None) -> U8:
    """Read a picture, and turn it upright as its EXIF entry says; see `read_noted_picture`."""
    return read_noted_picture(path, mask)[0]


def read_noted_picture(path: Path, mask: Path | None = None) -> tuple[U8, str]:
    """Read a picture, turn it upright as its EXIF entry says, and drop specks from its mask.

    Args:
        path: the picture.
        mask: a picture that is white where the person is; None: the alpha channel is the mask, where there is one.

    Returns:
        (H, W, 4) uint8, straight alpha; or (H, W, 3) for a picture without a mask, whose alpha channel is missing or
        opaque everywhere. And a remark for the user about the mask, "" where there is none.

    Raises:
        InputError: the picture cannot be read, or the mask has another size.
    """
    picture = open_picture(path)
    note = ""
    if mask is not None:
        read = read_mask(mask)
        pixels, note = join_mask(path, colours_of(picture, path), read), read.note
    elif picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        pixels = without_opaque_alpha(np.asarray(in_srgb(picture.convert("RGBA"))))
    else:
        pixels = colours_of(picture, path)
    if pixels.shape[2] == 3:
        return pixels, ""
    alpha, remark = clean_mask(pixels[..., 3])
    if alpha is not pixels[..., 3]:
        pixels = np.ascontiguousarray(np.dstack([pixels[..., :3], alpha]))
    return pixels, "; ".join(part for part in (note, remark) if part)


def without_opaque_alpha(picture: U8) -> U8:
    """Leave out an alpha channel that is 255 everywhere: it says nothing about a person."""
    return np.ascontiguousarray(picture[..., :3]) if picture[..., 3].min(initial=255) == 255 else picture


def join_mask(path: Path, colour: U8, mask: Mask) -> U8:
    """Join colours (H, W, 3) and a mask to one picture (H, W, 4); the path is for messages.

    Raises:
        InputError: the mask has another size.
    """
    (height, width), wanted = mask.values.shape, colour.shape[:2]
    if (height, width) != wanted:
        raise InputError(mask.path, f"{width} x {height} pixels; {path.name} has {wanted[1]} x {wanted[0]}")
    return np.ascontiguousarray(np.concatenate([colour, mask.values[..., None]], axis=-1))
