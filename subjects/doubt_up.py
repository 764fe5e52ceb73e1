"""Doubt an up axis: scans that stand on the head or lie, told and never turned, since people may well do so."""

from __future__ import annotations

import numpy as np

from ..geometry.mesh import PosedMesh
from .axes import AXES
from .body_shape import feet_facing, legs_apart, score_up, up_margin

# Least margins (`up_margin`) that speak against an axis on whose ground no feet stand. Of 296 frames of six rigs and
# eight scans in all poses, none had feet at the top and none below, none spoke for lying, and two (the lowest of
# a squat) are doubted as they are. Legs that part the lower half speak against standing on the head.
UPSIDE_MARGIN, LYING_MARGIN = 0.8, 1.0


def doubt_up(mesh: PosedMesh, up: str) -> tuple[str, ...]:
    """Say where the shape speaks clearly for another axis than `up`, all six compared.

    Args:
        mesh: a person, in the file's axes.
        up: one of `AXES`.

    Returns:
        Nothing, or one sentence.
    """
    opposite = ("-" if up[0] == "+" else "+") + up[1]
    if feet_facing(mesh, np.array(AXES[up])) is not None:
        return ()
    upside = f"seems to stand on its head: the shape speaks for up {opposite}, not {up}; give --up {opposite}"
    if feet_facing(mesh, np.array(AXES[opposite])) is not None:
        return (upside,)
    own = score_up(mesh, np.array(AXES[up]))
    margins = {axis: up_margin(score_up(mesh, np.array(AXES[axis])), own) for axis in AXES if axis != up}
    other = max(margins, key=lambda axis: margins[axis])
    if other[1] != up[1] and margins[other] > LYING_MARGIN:
        return (f"seems to lie down: the shape speaks for up {other}, not {up}; give --up {other} if it should stand",)
    return (upside,) if margins[opposite] > UPSIDE_MARGIN and not legs_apart(mesh, np.array(AXES[up])) else ()
