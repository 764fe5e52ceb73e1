"""The settings of `mpc live`, and what a viewer chooses for itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...core.checks import check_choice, check_ranges

RESOLUTIONS = (65, 129, 257, 513)
MODES = ("fast", "lossless", "visible")
# Where a viewer may look from: degrees above and below, and how near.
MOST_PITCH, LEAST_ZOOM, MOST_ZOOM = 80.0, 0.5, 4.0


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """How `mpc live` reconstructs; the first two can be changed on the page.

    Attributes:
        resolution: nodes along each side of the view cube.
        mode: "fast" and "lossless" as `localise` has them, one surface for all viewers; "visible": what each viewer
            sees is localised for that viewer alone.
        size: pixels along each side of the drawn picture.
        height_m: assumed height of the standing person, metres.
        clients: greatest number of browsers at a time.
        photo_colours: colour what the frame shows by the frame, and only the rest by the texture network.
        fit_bodies: fit a body to the landmarks for networks that read one (`surface_network.encoder.body`).
    """

    resolution: int = 129
    mode: str = "fast"
    size: int = 256
    height_m: float = 1.7
    clients: int = 16
    photo_colours: bool = True
    fit_bodies: bool = False

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)
        check_choice("resolution", self.resolution, RESOLUTIONS)
        check_ranges(self, size=(64, 1024), clients=(1, 256))


@dataclass(frozen=True)
class Look:
    """Where a viewer looks from.

    Attributes:
        yaw_deg: to the person's side, 0 is the camera's own place.
        pitch_deg: from above.
        zoom: 1 shows the whole view cube.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    zoom: float = 1.0

    @classmethod
    def read(cls, table: Any) -> Look:
        """What a page sent, in whole degrees and hundredths, within bounds.

        Raises:
            ValueError: it is no table of numbers.
        """
        if not isinstance(table, dict):
            raise ValueError("a view is an object")
        yaw, pitch, zoom = (_number(table.get(name, default)) for name, default in
                            (("yaw", 0.0), ("pitch", 0.0), ("zoom", 1.0)))  # fmt: skip
        return cls(
            float(round(yaw) % 360),
            float(round(min(max(pitch, -MOST_PITCH), MOST_PITCH))),
            round(min(max(zoom, LEAST_ZOOM), MOST_ZOOM), 2),
        )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
