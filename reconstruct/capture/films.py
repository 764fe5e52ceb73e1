"""Turntables and films: GIF by Pillow, H.264 by PyAV."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from ...core.arrays import U8
from ...core.files import write_bytes
from .film_reader import import_av

TICKS = 90_000  # a second, so that films may have frames at any time


def write_loop(path: Path, frames: Iterable[U8], frames_per_second: float) -> None:
    """Write frames (H, W, 3) uint8 as .gif or .mp4."""
    if path.suffix == ".gif":
        write_gif(path, list(frames), frames_per_second)
        return
    with FilmWriter(path, frames_per_second) as film:
        for frame in frames:
            film.add(frame)


def write_gif(path: Path, frames: Sequence[U8], frames_per_second: float) -> None:
    """Write an endless loop; the file appears whole or not at all."""
    # One palette for all frames, so that colours do not flicker.
    palette = Image.fromarray(np.concatenate(frames[:: max(len(frames) // 8, 1)])).quantize(255)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    stream = io.BytesIO()
    images[0].save(stream, "GIF", save_all=True, append_images=images[1:], duration=1000 / frames_per_second, loop=0)
    write_bytes(path, stream.getvalue())


class FilmWriter:
    """Writes an H.264 film (.mp4) frame by frame, as a context manager. After an error there is no file."""

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self.path, self.rate = path, Fraction(frames_per_second).limit_denominator(1000)
        self._temporary = path.with_name(path.stem + ".part" + path.suffix)
        self._av = import_av()
        self._container: Any = None
        self._stream: Any = None
        self._last, self._next = -1, Fraction(0)  # in ticks: the last frame, and the next one by the rate

    def __enter__(self) -> FilmWriter:
        return self

    def add(self, picture: U8, seconds: float | None = None) -> None:
        """Append a frame. All frames have one size; odd numbers of pixels are reduced by one.

        Args:
            picture: (H, W, 3) uint8.
            seconds: time at which it is shown, later than that of the frame before; None: one step of the rate later.
        """
        height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
        if self._container is None:
            self._container = self._av.open(str(self._temporary), "w")
            self._stream = self._container.add_stream("libx264", rate=self.rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, TICKS)
            self._stream.options = {"crf": "20"}
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
        step = Fraction(TICKS) / self.rate
        ticks = round(self._next if seconds is None else seconds * TICKS)
        frame.pts = self._last = max(ticks, self._last + 1)
        frame.time_base = Fraction(1, TICKS)
        self._next = frame.pts + step
        self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is None:
            return
        if kind is None:
            self._container.mux(self._stream.encode())
        self._container.close()
        if kind is None:
            os.replace(self._temporary, self.path)
        else:
            self._temporary.unlink(missing_ok=True)
