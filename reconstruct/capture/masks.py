"""Masks as people have them: brightness, alpha, labels, palettes; specks are dropped, several people are reported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import U8, Array, Bools
from ...core.errors import InputError
from .open_picture import open_picture

# Alpha from which a pixel counts as the person when parts are told apart.
SOLID = 128
# A part with less than this share of the largest one's pixels is a speck, one with at least that share a second person.
SPECK_SHARE, PERSON_SHARE = 0.005, 0.2
# Small parts near the person are strands of hair and fingers: specks are farther from its box than this share of it.
NEAR_SHARE = 0.05
# A mask that ends in a row at least so wide, as a share of its height, was cut off there, provided that rows at these
# shares of the height farther in are not much wider: feet and heads taper. Measured by benchmarks/segment.py.
STRAIGHT_WIDTHS = {"top": 0.07, "bottom": 0.15}
STRAIGHT_RATIO, STRAIGHT_ROWS = 0.8, (0.015, 0.03)
# A picture with at most so many values, all darker than half, holds labels rather than brightness.
MOST_LABELS = 32


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask of a person.

    Attributes:
        path: of its file, for messages.
        values: (H, W) uint8, 255 where the person is.
        note: what had to be decided, in words for the user; "" where nothing had.
    """

    path: Path
    values: U8
    note: str = ""


def read_mask(path: Path) -> Mask:
    """Read a mask: alpha, unless it is 255 everywhere; else labels, where there are some; else brightness.

    Labels are a palette with colours, or few and small values, such as 0 and 7. All labels but 0 are the person.

    Raises:
        InputError: the picture cannot be read, or its brightness never reaches half.
    """
    picture = open_picture(path)
    if "A" in picture.getbands():
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min(initial=255) < 255:
            return Mask(path, alpha)
    if picture.mode == "P":
        colours = np.array(picture.getpalette("RGB")).reshape(-1, 3)
        labels = np.asarray(picture)
        if np.ptp(colours[np.unique(labels)], axis=1).any():
            numbers = np.where(colours[labels].any(axis=2), labels.astype(np.int64) + 2, 0)  # black is the background
            return _from_labels(path, numbers, "a palette")
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _from_numbers(path, np.asarray(picture))
    return _from_numbers(path, np.asarray(picture.convert("L")))


def _from_numbers(path: Path, values: Array) -> Mask:
    """A mask from a picture of one channel: brightness of 8 or 16 bits or of 0 to 1, or labels."""
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        raise InputError(path, "a mask of negative or endless numbers; save it with 8 bits, white where the person is")
    most = float(values.max(initial=0))
    if values.dtype.kind == "f" and most <= 1.0:
        return Mask(path, np.rint(values * 255.0).astype(np.uint8))
    scale = 1.0 if most <= 255 else 257.0
    if (
        most == 0
        or (SOLID <= most <= 255 and (values.dtype.itemsize == 1 or values.dtype.kind == "f"))
        or SOLID * 257 <= most <= 65535
    ):
        return Mask(path, np.rint(values / scale).astype(np.uint8))
    if most == np.rint(most) and len(np.unique(values)) <= MOST_LABELS:
        return _from_labels(path, values, "labels")
    raise InputError(path, f"its brightest value is {most:g}; a mask is white (255) where the person is")


def _from_labels(path: Path, labels: Array, kind: str) -> Mask:
    found = [int(value) for value in np.unique(labels) if value]
    if found == [1]:  # the usual mask of 0 and 1
        return Mask(path, (labels != 0).astype(np.uint8) * 255)
    note = f"{path.name} holds {kind}; all {len(found)} but the background are the person"
    return Mask(path, (labels != 0).astype(np.uint8) * 255, note)


def clean_mask(alpha: U8) -> tuple[U8, str]:
    """Drop specks far smaller than the person, and tell whether there are several people.

    Args:
        alpha: (H, W) uint8.

    Returns:
        The mask, the same array where nothing was dropped; and a remark for the user, "" where there is none.
    """
    from scipy import ndimage  # slow to import

    parts, count = ndimage.label(alpha >= SOLID, structure=np.ones((3, 3)))
    if count < 2:
        return alpha, ""
    sizes = np.bincount(parts.ravel())[1:]
    boxes = ndimage.find_objects(parts)
    main = boxes[int(sizes.argmax())]
    small = (sizes < SPECK_SHARE * sizes.max()) & [_is_away(box, main) for box in boxes]
    remarks = []
    if small.any():
        kept = ndimage.binary_dilation(np.concatenate([[False], ~small])[parts], iterations=2)
        specks = ndimage.binary_dilation(np.concatenate([[False], small])[parts], iterations=2)
        alpha = np.where(specks & ~kept, np.uint8(0), alpha)
        remarks.append(f"{int(small.sum())} specks of {int(sizes[small].sum())} pixels in the mask are left out")
    people = int((sizes >= PERSON_SHARE * sizes.max()).sum())
    if people > 1:
        remarks.append(
            f"the mask has {people} large parts: if they are {people} people, give a mask of one of them at a time"
        )
    return alpha, "; ".join(remarks)


def straight_ends(mask: Bools) -> list[str]:
    """Where a mask (H, W) ends in a straight line, as a person does who is cut off there: "top", "bottom"."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return []
    widths = mask[rows[0] : rows[-1] + 1].sum(axis=1)
    inward = {"top": widths, "bottom": widths[::-1]}
    return [side for side, least in STRAIGHT_WIDTHS.items() if _is_straight(inward[side], least)]


def _is_straight(widths: Array, least: float) -> bool:
    """Whether the first of the widths of a mask's rows is that of a cut, see `STRAIGHT_WIDTHS`."""
    farther = max(int(widths[min(round(share * len(widths)), len(widths) - 1)]) for share in STRAIGHT_ROWS)
    return bool(widths[0] >= least * len(widths) and widths[0] >= STRAIGHT_RATIO * farther)


def _is_away(box: tuple[slice, ...], main: tuple[slice, ...]) -> bool:
    """Whether a box (rows, columns) lies outside the largest part's box and a margin around it."""
    margin = NEAR_SHARE * max(axis.stop - axis.start for axis in main)
    return any(
        own.stop < other.start - margin or own.start > other.stop + margin for own, other in zip(box, main, strict=True)
    )
