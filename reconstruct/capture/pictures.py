"""Reads what users have: RGBA pictures, pictures with masks, plain pictures, folders of them, and films."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...core.arrays import U8
from ...core.errors import InputError, MpcError
from ...formats.png_box import HEAD_BYTES, read_png_box

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FILMS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
# A picture with more pixels is refused before it is decoded.
MOST_PIXELS = 1 << 28


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

    Args:
        paths: pictures, films and folders.
        mask: the mask of the only picture or film; or a folder, in which NAME.* is the mask of the source NAME.*.
        whole: the whole of each picture is the person.

    Raises:
        InputError: a path does not exist, a file is of another kind, or a mask is missing.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES + FILMS and p.is_file())
            if not inside:
                raise InputError(path, f"holds no picture and no film ({', '.join(PICTURES + FILMS)})")
            files += inside
        elif not path.is_file():
            raise InputError(path, "no such file")
        elif path.suffix.lower() not in PICTURES + FILMS:
            raise InputError(path, f"neither a picture nor a film ({', '.join(PICTURES + FILMS)})")
        else:
            files.append(path)
    if mask is None:
        return [Source(path, whole=whole) for path in files]
    if len(files) == 1 and (mask.is_file() or files[0].suffix.lower() in FILMS):
        return [Source(files[0], mask)]
    if not mask.is_dir():
        raise InputError(mask, f"one mask for {len(files)} pictures: name a folder that holds a mask for each")
    return [Source(path, _mask_of(path, mask)) for path in files]


def _mask_of(path: Path, folder: Path) -> Path:
    for candidate in sorted(folder.glob("*")):
        if candidate.stem == path.stem and candidate.suffix.lower() in PICTURES + FILMS:
            return candidate
    raise InputError(folder, f"holds no mask named {path.stem}.* for {path.name}")


def read_picture(path: Path, mask: Path | None = None) -> U8:
    """Read a picture, and turn it upright as its EXIF entry says.

    Args:
        path: the picture.
        mask: a picture that is white where the person is; None: the alpha channel is the mask, where there is one.

    Returns:
        (H, W, 4) uint8, straight alpha; or (H, W, 3) for a picture without a mask, whose alpha channel is missing or
        opaque everywhere.

    Raises:
        InputError: the picture cannot be read, or the mask has another size.
    """
    picture = _open(path)
    if mask is None:
        if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
            return np.asarray(picture.convert("RGB"))
        return without_opaque_alpha(np.asarray(picture.convert("RGBA")))
    alpha = _mask_values(_open(mask))
    colour = np.asarray(picture.convert("RGB"))
    return _join(path, colour, mask, alpha)


def without_opaque_alpha(picture: U8) -> U8:
    """Leave out an alpha channel that is 255 everywhere: it says nothing about a person."""
    return np.ascontiguousarray(picture[..., :3]) if picture[..., 3].min(initial=255) == 255 else picture


def read_frames(source: Source, every: int = 1) -> Iterator[tuple[int, float, U8]]:
    """Read the frames of a film: number, time in seconds, and picture (H, W, 4) uint8.

    Args:
        source: a film. Its mask is a film with as many frames or a folder with as many pictures. Without one, the
            alpha channel is the mask (VP9, ProRes 4444, PNG); pictures of a film without alpha are (H, W, 3).
        every: keep every `every`-th frame.

    Raises:
        MpcError: `av` is not installed.
        InputError: the film cannot be read, has no frame, or has more frames than masks.
    """
    masks = None if source.mask is None else _masks(source.mask)
    count = 0
    for number, (seconds, frame) in enumerate(_decode(source.path)):
        alpha = None
        if masks is not None:
            alpha = next(masks, None)
            if alpha is None:
                raise InputError(source.mask or "", f"has {number} masks, fewer than {source.path.name} has frames")
        if number % every:
            continue
        count += 1
        if alpha is not None:
            colour = frame.to_ndarray(format="rgb24")
            yield number, seconds, _join(source.path, colour, source.mask or Path(), alpha)
        elif any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8":
            yield number, seconds, np.ascontiguousarray(frame.to_ndarray(format="rgba"))
        else:
            yield number, seconds, frame.to_ndarray(format="rgb24")
    if not count:
        raise InputError(source.path, "holds no frame")


def frame_rate(path: Path) -> tuple[float, int]:
    """Frames per second of a film, and the number of frames that its header states (0: the header states none)."""
    av = import_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(path, "holds no picture track")
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 25)
            return rate, int(stream.frames or (container.duration or 0) / av.time_base * rate)
    except av.error.FFmpegError as error:
        raise InputError(path, f"not readable as a film ({error.strerror or error})") from error


def _masks(path: Path) -> Iterator[U8]:
    """The masks of a film's frames, (H, W) uint8, from a folder of pictures or from a film."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        if not files:
            raise InputError(path, "holds no picture")
        return (_mask_values(_open(file)) for file in files)
    return (np.ascontiguousarray(frame.to_ndarray(format="gray")) for _, frame in _decode(path))


def _decode(path: Path) -> Iterator[tuple[float, Any]]:
    """Frames in the order in which they are shown, each with its time in seconds."""
    av = import_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(path, "holds no picture track")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = float(stream.average_rate or 25)
            for number, frame in enumerate(container.decode(stream)):
                yield (float(frame.time) if frame.time is not None else number / rate), frame
    except av.error.FFmpegError as error:
        raise InputError(path, f"not readable as a film ({error.strerror or error})") from error


def import_av() -> Any:
    """Import PyAV; the error for a missing one names the extra."""
    try:
        import av  # only films need it
    except ImportError:
        raise MpcError("films need PyAV: pip install 'mpc[films]'") from None
    return av


def _placed(picture: Image.Image, path: Path) -> Image.Image:
    """The whole picture where the file holds a box of it, as those of `mpc render` do."""
    with path.open("rb") as file:
        place = read_png_box(file.read(HEAD_BYTES))
    if place is None:
        return picture
    (top, left, _, _), (height, width) = place
    if width * height > MOST_PIXELS:
        raise InputError(path, f"{width} x {height} pixels are more than {MOST_PIXELS}")
    whole = Image.new(picture.mode, (width, height))
    whole.paste(picture, (left, top))
    return whole


def _open(path: Path) -> Image.Image:
    """Decode a picture and turn it upright."""
    if not path.is_file():
        raise InputError(path, "no such file")
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise InputError(path, f"{picture.width} x {picture.height} pixels are more than {MOST_PIXELS}")
            picture.load()
            return ImageOps.exif_transpose(_placed(picture, path) if picture.format == "PNG" else picture)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(path, f"not readable as a picture ({error})") from error


def _mask_values(picture: Image.Image) -> U8:
    """Values of a mask, (H, W) uint8: alpha, unless it is 255 everywhere; otherwise brightness (white: the person)."""
    if "A" in picture.getbands():
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() < 255:
            return alpha
    if picture.mode.startswith("I;16"):
        return (np.asarray(picture) >> 8).astype(np.uint8)
    return np.asarray(picture.convert("L"))


def _join(path: Path, colour: U8, mask: Path, alpha: U8) -> U8:
    """Join colours (H, W, 3) and mask (H, W) to one picture (H, W, 4); the paths are for messages."""
    if alpha.shape != colour.shape[:2]:
        raise InputError(
            mask, f"{alpha.shape[1]} x {alpha.shape[0]} pixels; {path.name} has {colour.shape[1]} x {colour.shape[0]}"
        )
    if len(alpha) and 0 < alpha.max() <= 1:
        alpha = alpha * np.uint8(255)  # masks of 0 and 1
    return np.ascontiguousarray(np.concatenate([colour, alpha[..., None]], axis=-1))
