"""What becomes of pictures and frames: reconstructed, or failed for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Captured:
    """One reconstructed picture or frame.

    Attributes:
        name: name of its files.
        assumption: what was assumed about size, in words.
        vertices: number of vertices of the mesh.
        faces: number of faces of the mesh.
        evaluations: number of points at which the surface network was evaluated.
        seconds: time for encoding, localising, meshing and drawing; 0 for a frame that is kept.
        kept: an earlier run of the same command reconstructed it.
    """

    name: str
    assumption: str
    vertices: int
    faces: int
    evaluations: int
    seconds: float
    kept: bool = False


class Failure(NamedTuple):
    """A picture, a frame or a film that was not reconstructed.

    Attributes:
        name: of the file, or of the frame.
        reason: one line for the user.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class CaptureSummary:
    """The outcome of `capture`.

    Attributes:
        done: reconstructed pictures and frames, in order.
        failures: pictures, frames and films that failed, in order.
    """

    done: tuple[Captured, ...]
    failures: tuple[Failure, ...]
