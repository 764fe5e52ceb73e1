"""What a page shows, as data: surfaces, points, cameras, pictures, curves, facts; and the controls that choose it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from ..core.arrays import F32, F64, U8
from ..geometry.camera import Camera
from ..geometry.mesh import PosedMesh


@dataclass(frozen=True, eq=False)
class Body:
    """A surface.

    Attributes:
        name: of the surface, unique in its content.
        mesh: world metres, with its colours.
        lit: False where the colours are not to be changed by light.
    """

    name: str
    mesh: PosedMesh
    lit: bool = True


@dataclass(frozen=True, eq=False)
class Points:
    """A cloud of points.

    Attributes:
        name: of the cloud, unique in its content.
        places: (N, 3) float32 world metres.
        colours: (N, 3) uint8 display values.
        size_m: width of a point, metres.
    """

    name: str
    places: F32
    colours: U8
    size_m: float = 0.006


@dataclass(frozen=True, eq=False)
class CameraMark:
    """A camera, drawn as a frustum with its picture; a click on it chooses its view.

    Attributes:
        name: value of the control `control` that a click chooses.
        camera: where it is.
        picture: (H, W, 4) uint8 RGBA.
        control: name of the control that chooses views.
        chosen: whether it is the chosen view.
    """

    name: str
    camera: Camera
    picture: U8
    control: str = "view"
    chosen: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in the panel.

    Attributes:
        title: above it.
        pixels: (H, W, 3) or (H, W, 4) uint8.
    """

    title: str
    pixels: U8


@dataclass(frozen=True, eq=False)
class Board:
    """A picture that stands upright in space, facing +z, its middle above the origin.

    Attributes:
        name: of the picture.
        pixels: (H, W, 3) or (H, W, 4) uint8.
        height_m: of the picture, metres.
    """

    name: str
    pixels: U8
    height_m: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Content:
    """What is shown of one thing.

    Attributes:
        facts: what is known of it, by what it is called.
        remarks: warnings.
        problem: why it cannot be shown; "" where it can.
        bodies: surfaces.
        points: clouds of points.
        cameras: cameras with their pictures.
        boards: pictures in space.
        pictures: of the panel.
        charts: of the panel, HTML as pages/charts.py makes it.
        later: makes the content that replaces this one, where that takes long; None where this is all. Bodies that are
            the same objects are not sent again.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    problem: str = ""
    bodies: Sequence[Body] = ()
    points: Sequence[Points] = ()
    cameras: Sequence[CameraMark] = ()
    boards: Sequence[Board] = ()
    pictures: Sequence[Picture] = ()
    charts: str = ""
    later: Callable[[], Content] | None = None

    @property
    def bounds(self) -> F64 | None:
        """(2, 3) float64: least and greatest coordinates of surfaces, points and boards, metres; None without any."""
        boxes = [body.mesh.bounds for body in self.bodies]
        boxes += [np.stack([c.places.min(axis=0), c.places.max(axis=0)]) for c in self.points if len(c.places)]
        for board in self.boards:
            half = board.height_m / 2 * board.pixels.shape[1] / board.pixels.shape[0]
            boxes.append(np.array([[-half, 0.0, 0.0], [half, board.height_m, 0.0]]))
        if not boxes:
            return None
        return np.stack([np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)])


@dataclass(frozen=True)
class Control:
    """A choice that a page offers.

    Attributes:
        name: of the control, unique among those of a thing.
        values: what can be chosen, at least one.
        slider: whether it is drawn as a slider along the values; otherwise as a list.
        rate: values a second when it is played; 0 where it cannot be played.
        first: what is chosen at the beginning; "" for the first value.
    """

    name: str
    values: Sequence[str]
    slider: bool = False
    rate: float = 0.0
    first: str = ""

    def value(self, chosen: Mapping[str, str]) -> str:
        """The chosen value; what is not among the values counts as the first."""
        wanted = chosen.get(self.name, "")
        return wanted if wanted in self.values else self.first or self.values[0]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A button that opens a place at random.

    Attributes:
        label: of the button.
        pick: returns the name of a thing, and what is chosen of its controls.
    """

    label: str
    pick: Callable[[], tuple[str, Mapping[str, str]]]


class Source(Protocol):
    """Something that can be looked at. Everything is read when it is asked for, from the disk as it is then."""

    @property
    def title(self) -> str:
        """What it is, and where."""

    @property
    def draws(self) -> Sequence[Draw]:
        """Buttons that open a place at random."""

    def names(self) -> Sequence[str]:
        """Names of the things that can be shown, in order.

        Raises:
            MpcError: they cannot be read.
        """

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """The controls of a thing; which there are may depend on what is chosen.

        Raises:
            MpcError: the thing cannot be read.
        """

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """What is shown of a thing.

        Args:
            name: one of `names`.
            chosen: the value of each control.

        Raises:
            MpcError: it cannot be read.
        """


@dataclass(frozen=True)
class Known:
    """The names of a source, to be searched.

    Attributes:
        names: all of them.
    """

    names: tuple[str, ...]

    @cached_property
    def held(self) -> frozenset[str]:
        """The names as a set."""
        return frozenset(self.names)

    @cached_property
    def _lower(self) -> tuple[str, ...]:
        return tuple(name.lower() for name in self.names)

    def find(self, words: str) -> tuple[str, ...]:
        """Names that hold all these words, whatever their case; all names where there are no words."""
        wanted = words.lower().split()
        if not wanted:
            return self.names
        return tuple(
            name for name, low in zip(self.names, self._lower, strict=True) if all(word in low for word in wanted)
        )
