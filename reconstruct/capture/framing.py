"""From a user's picture to the framing that the networks were trained on, and what this assumes about size.

A single picture does not show how tall a person is. Training pictures show a cube with an edge of `extent_m`, centred
on the middle of the person's height. Therefore the box of the mask is assumed to have a given height in metres, and the
square of `extent_m` around its middle is cut out. Where landmarks are known, that height is the person's when standing,
the pose decides how much of it the box has, and what the picture cuts off is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64, U8
from ...core.errors import MpcError, SettingsError
from ...core.pictures import mask_of, resample
from ...geometry.camera import DEFAULT_EXTENT_M, OrthographicCamera, PerspectiveCamera
from .body import Body
from .masks import straight_ends

# A person may fill this part of the training square; the scale is reduced for anyone larger.
FILL = 0.96
# No pose is less high or higher than this, as a share of the stature: lying, and with arms stretched up.
LEAST_POSE, MOST_POSE = 0.12, 1.35
# A pose that is this near to the stature is taken for standing: landmarks are not more exact, and the mask is.
STANDING = 0.05


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
    picture: U8,
    *,
    extent_m: float = DEFAULT_EXTENT_M,
    height_m: float = 1.7,
    like: Framing | None = None,
    body: Body | None = None,
) -> Framing:
    """Frame a person, who is assumed to stand on the ground, y = 0.

    Args:
        picture: (H, W, 4) uint8 RGBA; alpha is the mask.
        extent_m: edge of the view cube that the networks were trained with, metres.
        height_m: assumed height of the person, metres: from the lowest to the highest point of the mask; or, with
            `body`, when standing.
        like: framing of an earlier frame of the same film; its scale is kept, and the person moves in its world.
        body: what the landmarks say; None: they are not known.

    Raises:
        FramingError: the mask is empty.
        SettingsError: the cube is too small for the height.
    """
    if not 0 < height_m <= extent_m * FILL:
        raise SettingsError(f"height {height_m:g} m: expected more than 0 and at most {extent_m * FILL:.2f} m")
    mask = mask_of(picture)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise FramingError("the mask is empty: nobody to reconstruct")
    box = MaskBox(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    # Training cubes are centred on the body's surface. Outstretched arms move the middle of the box, but hardly the
    # mean of the mask; where a part is cut off, the landmarks know where it is.
    column = float(np.average(np.arange(mask.shape[1]) + 0.5, weights=mask.sum(axis=0)))
    top, bottom, posed_m = float(box.top), float(box.bottom), height_m
    if body is not None:
        column = body.surface[0] if body.cut else column
        top = min(body.top, top) if "top" in body.sides else top
        bottom = max(body.bottom, bottom) if "bottom" in body.sides else bottom
        if body.cut or abs(body.pose_share - 1) > STANDING:
            posed_m = height_m * min(max(body.pose_share, LEAST_POSE), MOST_POSE)
    row = (top + bottom) / 2
    if like is not None:
        scale, ground = like.pixels_per_metre, like.row + like.centre_world[1] * like.pixels_per_metre
        middle = ((column - like.column) / scale + like.centre_world[0], (ground - row) / scale, 0.0)
        return Framing(column, row, scale, extent_m, middle, like.assumption)
    scale = (bottom - top) / posed_m
    # The cube has to hold the whole height, and what the mask shows to the left and right.
    reach = max(posed_m, 2 * max(column - box.left, box.right - column) / scale)
    if reach > extent_m * FILL:
        scale *= reach / (extent_m * FILL)
        larger = "mask is wider" if body is None else "person is larger"
        tall = (bottom - top) / scale
        notes = [f"the {larger} than the {extent_m:g} m cube: assumed that it just fits, {tall:.2f} m tall"]
    elif body is None:
        notes = [f"assumed {height_m:g} m from the lowest to the highest point of the mask ({box.height} pixels)"]
    else:
        notes = [_assumed_of_body(body, box, height_m, posed_m, scale)]
    # Landmarks know what is cut off; a mask of the whole picture is no outline.
    ends = straight_ends(mask) if body is None and not mask.all() else []
    if ends:
        notes.append(_cut_off(ends, (bottom - top) / scale))
    edges = [side for side in box.edges(mask.shape) if side not in ends]
    if edges and (body is None or not body.cut):
        notes.append(f"the mask touches the {' and '.join(edges)} edge: where the person is cut off, size is a guess")
    return Framing(column, row, scale, extent_m, (0.0, (bottom - top) / scale / 2, 0.0), "; ".join(notes))


@dataclass(frozen=True)
class MaskBox:
    """The box of a mask.

    Attributes:
        left: first column.
        top: first row.
        right: one more than the last column.
        bottom: one more than the last row.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    def edges(self, shape: tuple[int, ...]) -> list[str]:
        """The edges of a picture of this height and width that the box touches."""
        touched = {
            "top": self.top == 0, "bottom": self.bottom == shape[0], "left": self.left == 0,
            "right": self.right == shape[1],
        }  # fmt: skip
        return [side for side, touches in touched.items() if touches]


def _cut_off(ends: list[str], tall_m: float) -> str:
    """What it means for the scale that a mask ends in a straight line."""
    return (
        f"the mask ends in a straight line at the {' and the '.join(ends)}: if the person goes on there, --height has "
        f"to be that of the part that is seen (assumed are {tall_m:.3g} m), or the result comes out too large"
    )


def _assumed_of_body(body: Body, box: MaskBox, height_m: float, posed_m: float, scale: float) -> str:
    """What is assumed about size where landmarks are known."""
    if {"top", "bottom"} & set(body.sides):
        seen = f"{box.height / scale:.2f} m are in the picture ({box.height} pixels)"
        return f"the person {body.cut}: assumed {height_m:g} m tall, of which {seen}"
    sideways = f"; the person {body.cut}" if body.cut else ""
    if posed_m == height_m:
        return f"assumed {height_m:g} m tall ({box.height} pixels){sideways}"
    return f"assumed {height_m:g} m tall when standing, {posed_m:.2f} m in this pose ({box.height} pixels){sideways}"


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


# A larger square of a photograph would cost memory and show no more of a person than a texture holds.
PHOTO_MOST = 2048


def cut_photo(picture: U8, framing: Framing, least: int) -> U8:
    """The square of a framing with about the picture's own pixels, `least` to PHOTO_MOST of them along each side."""
    own = round(framing.extent_m * framing.pixels_per_metre)
    return cut(picture, framing, min(max(own, least), PHOTO_MOST))


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
