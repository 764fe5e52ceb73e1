"""The labels of a person's surface: which part of the body a face belongs to, and what is worn there.

0 is outside of the person, and UNKNOWN is a face of which nobody knows: the usual "ignore" value of segmentation.
"""

from __future__ import annotations

import numpy as np

from ..core.arrays import I32, U8, Bools

SIDES = ("left", "right")
PARTS = (
    "outside", "head", "hair", "torso",
    *(f"{side}_{part}" for part in ("upper_arm", "lower_arm", "hand", "thigh", "shin", "foot") for side in SIDES),
)  # fmt: skip
"""Names of part labels by their number; left and right are the person's own."""
GARMENTS = (
    "outside", "skin", "hair", "shirt", "coat", "trousers", "skirt", "dress", "shoes", "hat", "bag", "other",
)  # fmt: skip
"""Names of garment labels by their number; "skin" holds the eyes, "shirt" is any top, "coat" also an open jacket."""
UNKNOWN = 255


def mirrored_parts() -> U8:
    """(256,) the part label that each part label becomes in a mirror image: left and right change places."""
    table = np.arange(256, dtype=np.uint8)
    for number, name in enumerate(PARTS):
        side, _, rest = name.partition("_")
        if side in SIDES:
            table[number] = PARTS.index(f"{SIDES[1 - SIDES.index(side)]}_{rest}")
    return table


def label_faces(vertex_labels: U8, faces: I32) -> U8:
    """The label of each face: that of two of its corners or more; where all three differ, of the first.

    Args:
        vertex_labels: (V,) uint8.
        faces: (F, 3) into the vertices.

    Returns:
        (F,) uint8.
    """
    first, second, third = vertex_labels[faces].T
    others: Bools = second == third
    labels: U8 = np.where(others, second, first).astype(np.uint8)
    return labels
