"""Layers of a view as pictures to look at, and those that hold places as points in space."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64, U8, Array, Bools
from ...core.pictures import resample
from ...datasets.renders.layer_kinds import LayerKind
from ...geometry.camera import pixel_centres, unproject
from ..content import Points

PICTURE = "picture"
THUMBNAIL_PX = 96
POINT_M = 0.004


def layer_picture(kind: LayerKind, values: Array) -> U8:
    """A layer as a picture.

    Args:
        kind: of the layer.
        values: (H, W) or (H, W, C), as RenderLayers holds them.

    Returns:
        (H, W, 4) uint8 RGBA, transparent outside: depths are brighter the nearer they are, from the farthest to the
        nearest of the picture; normals have the colours usual for them (right red, up green, towards the camera blue);
        places run from dark to bright along x, y and z.
    """
    if kind == "colour":
        return np.ascontiguousarray(values, np.uint8)
    if kind == "mask":
        shown = np.repeat(np.where(values, 255, 0)[..., None], 3, axis=2)
        return _opaque(shown.astype(np.uint8), np.ones(values.shape, np.bool_))
    wide = values.astype(np.float64)
    inside: Bools = np.asarray(np.isfinite(wide) if kind == "depth" else np.isfinite(wide).all(axis=2), np.bool_)
    if kind == "normal":
        inside &= (wide != 0).any(axis=2)
        share = (wide * (1.0, -1.0, -1.0) + 1.0) / 2.0
    elif kind == "depth":
        share = np.repeat(1.0 - 0.85 * _stretched(wide, inside)[..., None], 3, axis=2)
    else:
        share = np.stack([_stretched(wide[..., axis], inside) for axis in range(3)], axis=2)
    shown = np.rint(np.where(inside[..., None], np.clip(share, 0.0, 1.0), 0.0) * 255.0)
    return _opaque(shown.astype(np.uint8), inside)


def layer_points(name: str, kind: LayerKind, values: Array, calibration: F64, picture: U8) -> Points | None:
    """The places that a layer of depths or places holds, coloured as the view's picture.

    Args:
        name: of the layer.
        kind: of the layer.
        values: as RenderLayers holds them.
        calibration: (4, 4), world metres to view space.
        picture: (H, W, 4) uint8, of the same size.

    Returns:
        None for other kinds, and where the layer shows nothing.
    """
    if kind not in ("depth", "position"):
        return None
    inside = np.isfinite(values) if kind == "depth" else np.isfinite(values).all(axis=2)
    if not inside.any():
        return None
    if kind == "depth":
        xy = pixel_centres(*values.shape[:2])[inside]
        places = unproject(np.concatenate([xy, values[inside][:, None]], axis=1).astype(np.float64), calibration)
    else:
        places = values[inside]
    return Points(name, places.astype(np.float32), np.ascontiguousarray(picture[inside][:, :3]), POINT_M)


def thumbnail(picture: U8) -> U8:
    """A picture (H, H, 4) at the size at which it stands beside the person."""
    return resample(picture, min(THUMBNAIL_PX, len(picture)))


def _stretched(values: F64, inside: Bools) -> F64:
    """Values from 0 at the least to 1 at the greatest of those inside."""
    if not inside.any():
        return np.zeros_like(values)
    low, high = float(values[inside].min()), float(values[inside].max())
    shares: F64 = (np.where(inside, values, low) - low) / max(high - low, 1e-12)
    return shares


def _opaque(colours: U8, inside: Bools) -> U8:
    alpha = np.where(inside, 255, 0).astype(np.uint8)
    return np.ascontiguousarray(np.concatenate([colours, alpha[..., None]], axis=2))
