"""Finds people in a picture: the detector of BlazePose, and selfie segmentation where that finds nobody.

BlazePose: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020. The detector looks for faces
and torsos at 2,254 anchors and says for each where the hips are and how large the circle around the person is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F32, F64, U8
from .engines import Engine
from .region import ENLARGED, Region, cut_square, paste_square, region_around, whole_square

SIZE = 224
LEAST_SCORE = 0.5
# Boxes that overlap by more than this are one person.
SAME_OVERLAP = 0.3
# Cells along each side of a grid, and the number of anchors at the middle of each.
_GRIDS = ((28, 2), (14, 2), (7, 6))
_SELFIE_SIZE = 256
_SELFIE_LEVEL = 0.5


@dataclass(frozen=True)
class Detection:
    """A person that the detector found.

    Attributes:
        score: 0 to 1.
        box: left, top, right and bottom of the face, pixels of the picture that was looked at.
        region: the square around the whole person.
    """

    score: float
    box: tuple[float, float, float, float]
    region: Region


def detect_people(picture: U8, engine: Engine, region: Region | None = None) -> list[Detection]:
    """Find people in a picture.

    Args:
        picture: (H, W, 3) uint8.
        engine: runs "pose_detection".
        region: where to look; None: the whole picture.

    Returns:
        People by falling score, at least `LEAST_SCORE`.
    """
    shown = whole_square(picture) if region is None else region
    square = cut_square(picture, shown, SIZE)
    raw, logits = (values[0] for values in engine(square * np.float32(2) - np.float32(1)))
    scores = 1 / (1 + np.exp(-np.clip(logits[:, 0].astype(np.float64), -100, 100)))
    likely = np.flatnonzero(scores >= LEAST_SCORE)
    # Middle and size of the box, then four points; only the first two points are used: hips and rim.
    values = raw[likely].astype(np.float64)
    middles = np.tile(_anchors()[likely] * SIZE, 2)
    points = values[:, 4:8] + middles
    centres, halves = values[:, :2] + middles[:, :2], values[:, 2:4] / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    found = []
    for group in group_boxes(boxes, scores[likely]):
        weights = scores[likely][group]
        box, hips_rim = (np.average(one[group], axis=0, weights=weights) for one in (boxes, points))
        box, hips_rim = (shown.to_picture(one.reshape(2, 2) / SIZE) for one in (box, hips_rim))
        left, top, right, bottom = box.ravel().tolist()
        found.append(Detection(float(weights[0]), (left, top, right, bottom), region_around(*hips_rim)))
    return found


def group_boxes(boxes: F64, scores: F64) -> list[list[int]]:
    """Group boxes that show the same person.

    Args:
        boxes: (N, 4) left, top, right, bottom.
        scores: (N,).

    Returns:
        Numbers of the boxes of each group, best first, by falling score. A box belongs to the best box of those left
        that it overlaps by more than `SAME_OVERLAP` (intersection over union).
    """
    left = np.argsort(-scores, kind="stable")
    groups = []
    while len(left):
        overlaps = box_overlap(boxes[left[0]], boxes[left])
        overlaps[0] = 1.0
        groups.append(left[overlaps > SAME_OVERLAP].tolist())
        left = left[overlaps <= SAME_OVERLAP]
    return groups


def box_overlap(box: F64, boxes: F64) -> F64:
    """Intersection over union of a box (4,) with boxes (N, 4)."""
    corners = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(corners[1] - corners[0], 0, None).prod(axis=1)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    union = areas + np.clip(box[2:] - box[:2], 0, None).prod() - shared
    overlap: F64 = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def guess_region(picture: U8, engine: Engine) -> Region | None:
    """The square around all that selfie segmentation takes for people; None where that is nothing.

    Args:
        picture: (H, W, 3) uint8.
        engine: runs "selfie_segmentation".
    """
    inside = selfie_mask(picture, engine, (_SELFIE_SIZE, _SELFIE_SIZE)) >= _SELFIE_LEVEL
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    corners = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], np.float64)
    (left, top), (right, bottom) = whole_square(picture).to_picture(corners / _SELFIE_SIZE)
    return Region((left + right) / 2, (top + bottom) / 2, ENLARGED * max(right - left, bottom - top))


def selfie_mask(picture: U8, engine: Engine, shape: tuple[int, int] | None = None) -> F32:
    """The mask of selfie segmentation, which shows everybody.

    Args:
        picture: (H, W, 3) uint8.
        engine: runs "selfie_segmentation".
        shape: None: the mask in the frame of the picture; (256, 256): in the square around it, as the network sees it.

    Returns:
        (H, W) or `shape`, float32, 0 to 1.
    """
    shown = whole_square(picture)
    mask = engine(cut_square(picture, shown, _SELFIE_SIZE))[0][0, :, :, 0]
    return mask if shape is not None else paste_square(mask, shown, (picture.shape[0], picture.shape[1]))


def _anchors() -> F64:
    """Middles of the anchors, (2254, 2), 0 to 1, in the order of the detector's outputs."""
    grids = []
    for cells, count in _GRIDS:
        middles = (np.arange(cells) + 0.5) / cells
        columns, rows = np.meshgrid(middles, middles)
        grids.append(np.stack([columns, rows], axis=-1).reshape(-1, 2).repeat(count, axis=0))
    return np.concatenate(grids)
