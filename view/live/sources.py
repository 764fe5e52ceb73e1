"""Where frames come from on the server's side: a film, over and over, or a camera of this machine."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from ...core.arrays import U8
from ...core.errors import InputError, MpcError
from ...reconstruct.capture.film_reader import import_av, read_film_head, read_frames
from ...reconstruct.capture.pictures import Source

# Where Linux has its cameras.
DEVICES = Path("/dev")
CAMERA_OPTIONS = {"framerate": "30", "video_size": "640x480"}


class Frames(Protocol):
    """Gives frames."""

    title: str

    def frames(self) -> Iterator[tuple[float, U8]]:
        """Frames (H, W, 3 or 4) uint8, and the time at which each is to be shown, seconds since the first."""


class FilmFrames:
    """A film, from its beginning again when it ends.

    Args:
        path: the film.

    Raises:
        InputError: it cannot be read, or has no frames.
        MpcError: PyAV is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.title = path, f"film {path.name}"
        self._head = read_film_head(path)
        if not self._head.frames:
            raise InputError(path, "has no frames")

    def frames(self) -> Iterator[tuple[float, U8]]:
        """See Frames."""
        begin, last = 0.0, 0.0
        while True:
            for _, seconds, picture in read_frames(Source(self.path)):
                last = begin + seconds
                yield last, picture
            begin = last + 1 / self._head.rate


class CameraFrames:
    """A camera of this machine, through PyAV and Video4Linux.

    Args:
        number: of the camera, from 0.

    Raises:
        MpcError: there is no such camera, it is in use, this is not Linux, or PyAV is not installed.
    """

    def __init__(self, number: int) -> None:
        self.title = f"camera {number}"
        if not sys.platform.startswith("linux"):
            raise MpcError("--camera reads cameras on Linux alone; elsewhere let the page use the browser's camera")
        av, place = import_av(), str(DEVICES / f"video{number}")
        try:
            self._container: Any = av.open(place, format="v4l2", options=CAMERA_OPTIONS)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MpcError(f"--camera {number}: {place} cannot be opened ({reason}); {_cameras_here()}") from error

    def frames(self) -> Iterator[tuple[float, U8]]:
        """See Frames; a camera gives each frame when it is there."""
        with self._container as container:
            for frame in container.decode(video=0):
                yield 0.0, frame.to_ndarray(format="rgb24")


def _cameras_here() -> str:
    """What a user whose camera cannot be opened may do instead."""
    numbers = sorted(int(path.name[5:]) for path in DEVICES.glob("video*") if path.name[5:].isdecimal())
    known = (
        f"the cameras of this machine are {', '.join(map(str, numbers))}" if numbers else "this machine has no camera"
    )
    return f"{known}; without --camera, the page uses the browser's"


class Player:
    """Plays frames at their own times, in a thread, until it is closed.

    Args:
        source: of the frames.
        show: receives each frame when its time has come.
        fail: is told in words why no more frames come.
    """

    def __init__(self, source: Frames, show: Callable[[U8], None], fail: Callable[[str], None]) -> None:
        self._source, self._show, self._fail = source, show, fail
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._play, name="live-player", daemon=True)

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._closed.set()
        self._thread.join(5.0)  # a camera that hangs must not keep the program from ending

    def _play(self) -> None:
        begin = time.monotonic()
        try:
            for seconds, picture in self._source.frames():
                if self._closed.wait(max(begin + seconds - time.monotonic(), 0.0)):
                    return
                self._show(picture)
            self._fail(f"{self._source.title} gives no more frames")
        except MpcError as error:
            self._fail(str(error))
        except Exception as error:  # of a camera that was pulled out
            self._fail(f"{self._source.title} gives no more frames ({error})")
