"""What PIFu's and PaMIR's folders share: JPEG pictures, and coloured surface points in the place of UV pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...core.arrays import F32, F64, U8, Array
from ...core.files import replacing
from ...formats.exr import exr_bytes
from ...geometry.mesh import PosedMesh
from ...geometry.morton import spatial_order
from ...render.light.shading import display_irradiance
from ...sampling.colour import ColourSamples, sample_colour

# Edge of the UV pictures.
UV_SIZE = 256
JPEG: dict[str, Any] = {"quality": 98, "subsampling": 0}


@dataclass(frozen=True, eq=False)
class ColouredPoints:
    """Points of the surface as UV pictures of UV_SIZE: loaders take these for lists, so they are not laid out.

    Attributes:
        samples: UV_SIZE squared points.
        order: (UV_SIZE squared,) their order in the pictures, neighbours beside each other.
    """

    samples: ColourSamples
    order: Array

    @property
    def mask(self) -> U8:
        """(UV_SIZE, UV_SIZE) 255: every pixel is a point."""
        return np.full((UV_SIZE, UV_SIZE), 255, np.uint8)

    @property
    def normals(self) -> U8:
        """(UV_SIZE, UV_SIZE, 3): (n + 1) / 2 of the normals in world axes."""
        return to_bytes(_square(self.samples.normals[self.order]) * 0.5 + 0.5)

    def positions(self, to_file: F64) -> bytes:
        """An EXR file of the positions, moved by (4, 4)."""
        moved = move_points(self.samples.positions[self.order], to_file)
        return exr_bytes(_square(moved).astype(np.float32))

    def colours(self, light: F32) -> U8:
        """(UV_SIZE, UV_SIZE, 3) sRGB under a light (9, 3)."""
        shown = self.samples.albedo[self.order] * display_irradiance(self.samples.transfer[self.order], light)
        return to_bytes(_square(shown))


def draw_coloured_points(mesh: PosedMesh, transfer: F32, rng: np.random.Generator) -> ColouredPoints:
    """Draw coloured points over the surface.

    Args:
        mesh: world metres.
        transfer: (V, 9) radiance transfer of its vertices.
        rng: sole source of randomness.
    """
    samples = sample_colour(mesh, transfer, UV_SIZE**2, rng=rng)
    return ColouredPoints(samples, spatial_order(samples.positions))


def move_points(points: F64, matrix: F64) -> F64:
    """Points (N, 3) moved by an affine matrix (4, 4)."""
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3], np.float64)


def to_bytes(values: Array) -> U8:
    """Values in [0, 1] as 8 bits."""
    pixels: U8 = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    return pixels


def write_jpeg(path: Path, picture: U8) -> None:
    """Write (H, W, 3) RGB as JPEG, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(picture)).save(temporary, "JPEG", **JPEG)


def _square(values: Array) -> Array:
    return values.reshape(UV_SIZE, UV_SIZE, 3)
