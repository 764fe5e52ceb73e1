"""Doubt an up axis: scans that stand on the head or lie, told and never turned, since people may well do so."""

from __future__ import annotations

import numpy as np

from ..geometry.mesh import PosedMesh
from .axes import AXES
from .body_shape import feet_facing, legs_apart, score_up, up_margin

# Least margins (`up_margin`) that speak against an axis where neither feet stand on its ground nor legs above it. Of
# 296 frames of six rigs and eight scans in all kinds of poses, at most two are doubted as they are (the lowest of a
# squat); with a stricter condition on the legs, 271 were doubted upside down and 262 on the side.
UPSIDE_MARGIN, LYING_MARGIN = 0.8, 1.0


def doubt_up(mesh: PosedMesh, up: str) -> tuple[str, ...]:
    """Say where the shape speaks clearly for another axis than `up`, all six compared.

    Args:
        mesh: a person, in the file's axes.
        up: one of `AXES`.

    Returns:
        Nothing, or one sentence.
    """
    if feet_facing(mesh, np.array(AXES[up])) is not None or legs_apart(mesh, np.array(AXES[up])):
        return ()
    own = score_up(mesh, np.array(AXES[up]))
    margins = {axis: up_margin(score_up(mesh, np.array(AXES[axis])), own) for axis in AXES if axis != up}
    opposite = ("-" if up[0] == "+" else "+") + up[1]
    other = max(margins, key=lambda axis: margins[axis])
    if other[1] != up[1] and margins[other] > LYING_MARGIN:
        return (f"seems to lie down: the shape speaks for up {other}, not {up}; give --up {other} if it should stand",)
    if margins[opposite] > UPSIDE_MARGIN or feet_facing(mesh, np.array(AXES[opposite])) is not None:
        return (f"seems to stand on its head: the shape speaks for up {opposite}, not {up}; give --up {opposite}",)
    return ()
