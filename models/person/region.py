"""The turned square around a person that the landmark network sees: cut out of a picture, and pasted back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...core.arrays import F32, F64, U8

# The square is this much larger than the circle around the person, as in training (MediaPipe's pose_landmark graph).
ENLARGED = 1.25


@dataclass(frozen=True)
class Region:
    """A square in a picture.

    Attributes:
        column: of its middle, pixels from the picture's left edge.
        row: of its middle, pixels from the picture's upper edge.
        size: length of a side, pixels.
        turn: angle by which it is turned clockwise, radians; 0 where the person stands upright.
    """

    column: float
    row: float
    size: float
    turn: float = 0.0

    @property
    def axes(self) -> F64:
        """(2, 2): steps in the picture (column, row), pixels, along the whole width and the whole height."""
        cosine, sine = math.cos(self.turn) * self.size, math.sin(self.turn) * self.size
        return np.array([[cosine, sine], [-sine, cosine]])

    def to_picture(self, points: F64 | F32) -> F64:
        """Map points (N, 2) of the square, whose corners are (0, 0) and (1, 1), to pixels of the picture."""
        mapped: F64 = (points - 0.5) @ self.axes + (self.column, self.row)
        return mapped

    def mirrored(self, width: int) -> Region:
        """The same square in the mirrored picture, `width` pixels wide."""
        return Region(width - self.column, self.row, self.size, -self.turn)

    def corners(self) -> F64:
        """The four corners in the picture, (4, 2) pixels, clockwise from the upper left one."""
        return self.to_picture(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]))


def region_around(hips: F64 | F32, rim: F64 | F32) -> Region:
    """The square around a person.

    Args:
        hips: (2,) middle of the hips, pixels.
        rim: (2,) the point on the circle around the whole person that lies above the head when the person stands.

    Returns:
        The square, turned so that the person stands upright in it (BlazePose, Bazarevsky et al. 2020, section 3.1).
    """
    across, down = float(rim[0] - hips[0]), float(rim[1] - hips[1])
    size = 2 * ENLARGED * math.hypot(across, down)
    return Region(float(hips[0]), float(hips[1]), size, math.atan2(across, -down))


def cut_square(picture: U8, region: Region, size: int) -> F32:
    """Show the square of a region at another size. What lies outside of the picture is black.

    Args:
        picture: (H, W, 3) uint8.
        region: the square.
        size: pixels along each side of the result.

    Returns:
        (size, size, 3) float32, 0 to 1.
    """
    image, shrunk = Image.fromarray(picture), max(int(region.size // size), 1)
    if shrunk > 1:  # interpolation between four pixels would leave out those between
        image = image.reduce(shrunk)
    (right, down), origin = region.axes / size / shrunk, region.to_picture(np.zeros((1, 2)))[0] / shrunk
    coefficients = (right[0], down[0], origin[0], right[1], down[1], origin[1])
    square = image.transform((size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(square, np.float32) / np.float32(255)


def paste_square(values: F32, region: Region, shape: tuple[int, int]) -> F32:
    """Show a map of the square in the frame of the picture.

    Args:
        values: (S, S) float32.
        region: the square.
        shape: height and width of the picture.

    Returns:
        (height, width) float32, interpolated; 0 outside of the square.
    """
    pasted = np.zeros(shape, np.float32)
    corners = region.corners()
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (shape[1], shape[0]))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, (shape[1], shape[0]))
    if left < right and top < bottom:
        back = np.linalg.inv(region.axes) * len(values)
        origin = (np.array([left, top]) - region.to_picture(np.zeros((1, 2)))[0]) @ back
        coefficients = (back[0, 0], back[1, 0], origin[0], back[0, 1], back[1, 1], origin[1])
        part = Image.fromarray(np.ascontiguousarray(values, np.float32)).transform(
            (int(right - left), int(bottom - top)), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
        )
        pasted[top:bottom, left:right] = np.asarray(part)
    return pasted


def whole_square(picture: U8) -> Region:
    """The square around a whole picture (H, W, 3)."""
    height, width = picture.shape[:2]
    return Region(width / 2, height / 2, float(max(height, width)))
