"""Read films as a player shows them: upright, with square pixels, with their transparency, in sRGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...core.arrays import U8
from ...core.errors import InputError, MpcError
from .hdr import HDR_TRANSFERS, tone_map
from .masks import Mask, read_mask
from .open_picture import MOST_PIXELS
from .pictures import PICTURES, Source, join_mask


@dataclass(frozen=True)
class FilmHead:
    """What is known of a film before its pictures are decoded.

    Attributes:
        rate: frames a second, the mean over the film.
        frames: number of frames, counted.
    """

    rate: float
    frames: int


def read_film_head(path: Path) -> FilmHead:
    """Count the frames of a film without decoding them.

    Raises:
        MpcError: `av` is not installed.
        InputError: the film cannot be read, or has no pictures.
    """
    av = import_av()
    try:
        with av.open(str(path)) as container:
            stream = _picture_track(container, path)
            rate = float(stream.average_rate or 25)
            # Headers state no number, or a wrong one where frames have times of their own. A packet is a frame.
            return FilmHead(rate, sum(packet.size > 0 for packet in container.demux(stream)))
    except av.error.FFmpegError as error:
        raise InputError(path, f"not readable as a film ({error.strerror or error})") from error


def read_frames(source: Source, every: int = 1) -> Iterator[tuple[int, float, U8]]:
    """Read the frames of a film: number, time in seconds, and picture (H, W, 4) uint8.

    Pictures are turned as the header says (a telephone held upright), pixels that are not square become square, and
    HDR (HLG, PQ) becomes sRGB.

    Args:
        source: a film. Its mask is a film with as many frames or a folder with as many pictures. Without one, the
            alpha channel is the mask (VP8, VP9, ProRes 4444, PNG); pictures of a film without alpha are (H, W, 3).
        every: keep every `every`-th frame.

    Raises:
        MpcError: `av` is not installed.
        InputError: the film cannot be read, has no frame, or has more frames than masks.
    """
    masks = None
    if source.mask is not None:
        frames, known = read_film_head(source.path).frames, count_masks(source.mask)
        if known < frames:  # said before hours of work, not after them
            raise InputError(source.mask, f"has {known} masks, fewer than the {frames} frames of {source.path.name}")
        masks = _masks(source.mask)
    count = 0
    for number, (seconds, frame, aspect) in enumerate(_decode(source.path)):
        mask = None
        if masks is not None:
            mask = next(masks, None)
            if mask is None:
                raise InputError(source.mask or "", f"has {number} masks, fewer than {source.path.name} has frames")
        if number % every:
            continue
        count += 1
        if mask is not None:
            yield number, seconds, join_mask(source.path, _pixels(frame, aspect, source.path, "rgb24"), mask)
        elif any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8":
            yield number, seconds, _pixels(frame, aspect, source.path, "rgba")
        else:
            yield number, seconds, _pixels(frame, aspect, source.path, "rgb24")
    if not count:
        raise InputError(source.path, "holds no frame")


def count_masks(path: Path) -> int:
    """Number of masks in a folder of pictures, or of frames in a film."""
    return len(mask_files(path)) if path.is_dir() else read_film_head(path).frames


def mask_files(folder: Path) -> list[Path]:
    """The masks of a film in a folder, in the order of their names.

    Raises:
        InputError: it holds none.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    if not files:
        raise InputError(folder, "holds no picture")
    return files


def _masks(path: Path) -> Iterator[Mask]:
    """The masks of a film's frames from a folder of pictures or from a film."""
    if path.is_dir():
        return (read_mask(file) for file in mask_files(path))
    return (Mask(path, _pixels(frame, aspect, path, "gray")) for _, frame, aspect in _decode(path))


def _picture_track(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise InputError(path, "holds no picture track")
    return container.streams.video[0]


def _decode(path: Path) -> Iterator[tuple[float, Any, Fraction | None]]:
    """Frames in the order in which they are shown: seconds since the first, frame, a pixel's width by its height."""
    av = import_av()
    try:
        with av.open(str(path)) as container:
            stream = _picture_track(container, path)
            stream.thread_type = "AUTO"
            rate = float(stream.average_rate or 25)
            start: float | None = None
            for number, frame in enumerate(_decoded(av, container, stream)):
                seconds = float(frame.time) if frame.time is not None else number / rate
                start = seconds if start is None else start
                yield seconds - start, frame, stream.sample_aspect_ratio
    except av.error.FFmpegError as error:
        raise InputError(path, f"not readable as a film ({error.strerror or error})") from error


def _decoded(av: Any, container: Any, stream: Any) -> Iterator[Any]:
    """Decode a stream; transparent VP8 and VP9 by libvpx, since FFmpeg's own decoders ignore the transparency."""
    name = stream.codec_context.name
    if name not in ("vp8", "vp9") or stream.metadata.get("alpha_mode") != "1":
        yield from container.decode(stream)
        return
    decoder = av.CodecContext.create(f"libvpx-{name}" if name == "vp9" else "libvpx", "r")
    for packet in container.demux(stream):
        yield from decoder.decode(packet)


def _pixels(frame: Any, aspect: Fraction | None, path: Path, format_name: str) -> U8:
    """A decoded frame as a player shows it: (H, W, C) uint8, (H, W) for "gray"."""
    if frame.color_trc in HDR_TRANSFERS and format_name != "gray":
        yuv = frame.reformat(format="yuv444p16le").to_ndarray()
        values = tone_map(yuv, transfer=HDR_TRANSFERS[frame.color_trc], full_range=frame.color_range == 2)
        if format_name == "rgba":  # HDR with transparency: the colours are mapped, alpha is taken as it is
            alpha = frame.to_ndarray(format="rgba")[..., 3:]
            values = np.concatenate([values, alpha], axis=2)
    else:
        values = frame.to_ndarray(format=format_name)
    quarter, rest = divmod(round(frame.rotation), 90)
    if rest:
        raise InputError(path, f"turned by {frame.rotation} degrees; only quarter turns are understood")
    return np.ascontiguousarray(np.rot90(_squared(values, aspect, path), quarter % 4))


def _squared(values: U8, aspect: Fraction | None, path: Path) -> U8:
    """A picture whose pixels have the given ratio of width to height, stretched so that they are square."""
    if not aspect or aspect == 1:
        return values
    height, width = values.shape[:2]
    if aspect > 1:
        width = max(1, round(width * aspect))
    else:
        height = max(1, round(height / aspect))
    if width * height > MOST_PIXELS:
        raise InputError(path, f"{width} x {height} square pixels are more than {MOST_PIXELS}")
    return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))


def import_av() -> Any:
    """Import PyAV; the error for a missing one names the extra."""
    try:
        import av  # only films need it
    except ImportError:
        raise MpcError("films need PyAV: pip install 'mpc[films]'") from None
    return av
