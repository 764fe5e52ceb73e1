"""From a user's picture to the framing that the networks were trained on, and what this assumes about size.

A single picture does not show how tall a person is. Training pictures show a cube with an edge of `extent_m`, centred
on the middle of the person's height. Therefore the box of the mask is assumed to have a given height in metres, and the
square of `extent_m` around its middle is cut out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64, U8
from ...core.errors import MpcError, SettingsError
from ...core.pictures import resample
from ...geometry.camera import DEFAULT_EXTENT_M, OrthographicCamera, PerspectiveCamera

# Pixels with at least this alpha belong to the person.
MASK_LEVEL = 128
# A person may fill this part of the training square; the scale is reduced for anyone larger.
FILL = 0.96


class FramingError(MpcError):
    """A picture that cannot be framed: nobody is in it, or it is not square."""


@dataclass(frozen=True)
class Framing:
    """Where the training square lies in a picture, and where its cube lies in the world.

    Attributes:
        column: middle of the square, pixels of the picture (its outer edges are at 0 and W).
        row: middle of the square, pixels of the picture (its outer edges are at 0 and H).
        pixels_per_metre: scale of the picture at the person.
        extent_m: edge of the square and of the cube, metres.
        centre_world: middle of the cube, world metres; the camera looks along -z.
        assumption: what is assumed about size, one line for the user.
        fov_deg: angle of view across the square, degrees; 0: orthographic.
    """

    column: float
    row: float
    pixels_per_metre: float
    extent_m: float
    centre_world: tuple[float, float, float]
    assumption: str
    fov_deg: float = 0.0

    @property
    def calibration(self) -> F64:
        """World metres to view space, (4, 4) float64."""
        if self.fov_deg:
            return PerspectiveCamera(self.centre_world, self.extent_m, fov_deg=self.fov_deg).calibration
        return OrthographicCamera(self.centre_world, self.extent_m).calibration


def frame_person(
    picture: U8, *, extent_m: float = DEFAULT_EXTENT_M, height_m: float = 1.7, like: Framing | None = None
) -> Framing:
    """Frame a person by the mask, whose box is assumed to be `height_m` tall and to stand on the ground, y = 0.

    Args:
        picture: (H, W, 4) uint8 RGBA; alpha is the mask.
        extent_m: edge of the view cube that the networks were trained with, metres.
        height_m: assumed distance from the lowest to the highest point of the person as posed, metres.
        like: framing of an earlier frame of the same film; its scale is kept, and the person moves in its world.

    Raises:
        FramingError: the mask is empty.
        SettingsError: the cube is too small for the height.
    """
    if not 0 < height_m <= extent_m * FILL:
        raise SettingsError(f"height {height_m:g} m: expected more than 0 and at most {extent_m * FILL:.2f} m")
    mask = picture[..., 3] >= MASK_LEVEL
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise FramingError("the mask is empty: nobody to reconstruct")
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    row = (top + bottom) / 2
    # Training cubes are centred on the body. Outstretched arms move the middle of the box, but hardly the mean of the
    # mask.
    column = float(np.average(np.arange(mask.shape[1]) + 0.5, weights=mask.sum(axis=0)))
    if like is not None:
        scale, ground = like.pixels_per_metre, like.row + like.centre_world[1] * like.pixels_per_metre
        middle = ((column - like.column) / scale + like.centre_world[0], (ground - row) / scale, 0.0)
        return Framing(column, row, scale, extent_m, middle, like.assumption)
    scale = (bottom - top) / height_m
    reach = 2 * max(column - left, right - column) / scale
    notes = [f"assumed {height_m:g} m from the lowest to the highest point of the mask ({bottom - top} pixels)"]
    if reach > extent_m * FILL:
        scale *= reach / (extent_m * FILL)
        height_m = (bottom - top) / scale
        notes = [f"the mask is wider than the {extent_m:g} m cube: assumed that it just fits, {height_m:.2f} m tall"]
    edges = [side for side, touches in (("top", top == 0), ("bottom", bottom == mask.shape[0]),
             ("left", left == 0), ("right", right == mask.shape[1])) if touches]  # fmt: skip
    if edges:
        notes.append(f"the mask touches the {' and '.join(edges)} edge: where the person is cut off, size is a guess")
    return Framing(column, row, scale, extent_m, (0.0, height_m / 2, 0.0), "; ".join(notes))


def keep_frame(picture: U8, *, extent_m: float = DEFAULT_EXTENT_M) -> Framing:
    """The framing of a picture that has the training framing already, as `mpc render` draws it.

    Args:
        picture: (H, W, 4) uint8 RGBA, square.
        extent_m: edge of the square, metres.

    Raises:
        FramingError: the picture is not square.
    """
    height, width = picture.shape[:2]
    if height != width:
        raise FramingError(f"{width} x {height} pixels is not the square that training pictures are")
    middle = (0.0, extent_m / 2, 0.0)
    return Framing(width / 2, height / 2, width / extent_m, extent_m, middle, f"taken as it is: {extent_m:g} m a side")


def cut(picture: U8, framing: Framing, size: int) -> U8:
    """Cut the square of a framing out of a picture; the square is transparent where it exceeds the picture.

    A shrinking picture is averaged over areas with premultiplied alpha, so that the background does not bleed in.

    Args:
        picture: (H, W, 4) uint8 RGBA, straight alpha.
        framing: where the square lies.
        size: pixels along each side of the result.

    Returns:
        (size, size, 4) uint8, straight alpha.
    """
    half = framing.extent_m * framing.pixels_per_metre / 2
    left, top, right, bottom = framing.column - half, framing.row - half, framing.column + half, framing.row + half
    return resample(picture, size, (left, top, right, bottom))
