"""A recorded sequence: the surfaces of some seconds, written as one animated GLB when the recording ends."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from ...core.errors import MpcError
from ...formats.gltf.sequence import GlbFrame, write_sequence_glb
from ...reconstruct.picture_to_mesh import ReconstructedMesh
from .reconstruct import glb_of
from .shots import Surface

# A recording takes some 5 MB a frame until it is written.
MOST_FRAMES = 240


class Recorder:
    """Keeps surfaces from `start` to `stop`. One recording at a time.

    Attributes:
        owner: the viewer who records; "" when nobody does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Surface] = []
        self.owner = ""

    def start(self, viewer: str) -> None:
        """Begin a recording.

        Raises:
            MpcError: somebody else records.
        """
        with self._lock:
            if self.owner and self.owner != viewer:
                raise MpcError("somebody else is recording; wait until that recording is written")
            self.owner, self._kept = viewer, []

    def add(self, surface: Surface) -> None:
        """Keep a surface while somebody records, as long as there is room."""
        with self._lock:
            if self.owner and len(self._kept) < MOST_FRAMES:
                self._kept.append(surface)

    def stop(self, viewer: str) -> list[Surface]:
        """End the recording of a viewer, and return what was kept; empty where that viewer does not record."""
        with self._lock:
            if self.owner != viewer:
                return []
            kept, self._kept, self.owner = self._kept, [], ""
            return kept

    def describe(self) -> str:
        """What the page says about the recording; "" when nobody records."""
        with self._lock:
            if not self.owner:
                return ""
            full = "; no more frames are kept" if len(self._kept) >= MOST_FRAMES else ""
            return f"recording: {len(self._kept)} frames{full}"


def write_recording(
    surfaces: list[Surface], mesh: Callable[[Surface], ReconstructedMesh], tell: Callable[[str], None]
) -> bytes:
    """Make an animated GLB of surfaces, shown at the times at which their frames came.

    Args:
        surfaces: at least one, in order.
        mesh: `StageOfSurfaces.mesh`.
        tell: receives the progress in words.

    Raises:
        MpcError: no frame has a surface.
    """
    with tempfile.TemporaryDirectory(prefix="mpc-live-") as place:
        frames: list[GlbFrame] = []
        begin = 0.0
        for number, surface in enumerate(surfaces):
            tell(f"writing the recording: frame {number + 1} of {len(surfaces)}")
            path = Path(place) / f"frame_{number:04d}.glb"
            try:
                path.write_bytes(glb_of(mesh(surface)))
            except MpcError:  # a frame without a surface is left out; the one before is shown longer
                continue
            begin = begin if frames else surface.seen.shot.taken
            frames.append(GlbFrame(path, surface.seen.shot.taken - begin))
        if not frames:
            raise MpcError("nothing was recorded")
        step = frames[-1].seconds / (len(frames) - 1) if len(frames) > 1 else 0.1
        whole = Path(place) / "recording.glb"
        write_sequence_glb(whole, frames, frames[-1].seconds + step)
        return whole.read_bytes()
