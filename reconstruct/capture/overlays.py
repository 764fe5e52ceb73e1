"""Pictures that show what was found: the mask and the landmarks, people with numbers, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...core.arrays import F32, U8, Floats
from ...models.person.finder import LANDMARKS, Person
from ...models.person.region import Region

# Longer side of a picture that shows what was found, pixels.
MOST_SIDE = 1280
# Colours of the people, by number, as in Okabe and Ito's palette for all kinds of colour vision.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
_HIDDEN = (150, 150, 150)
_BONES = (
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"), ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("left_ankle", "left_foot_index"), ("right_ankle", "right_foot_index"), ("left_ear", "nose"), ("nose", "right_ear"),
)  # fmt: skip


def draw_overlay(picture: U8, people: Sequence[Person]) -> U8:
    """The picture with the background dimmed, the edges of masks, and landmarks; hidden landmarks are grey.

    Args:
        picture: (H, W, 3) uint8.
        people: whose masks have the size of the picture.

    Returns:
        (h, w, 3) uint8, at most `MOST_SIDE` pixels a side.
    """
    masks = [person.mask for person in people]
    canvas, scale = _dimmed(picture, np.max(masks, axis=0) if masks else None)
    draw = ImageDraw.Draw(canvas)
    width = max(round(max(canvas.size) / 300), 1)
    for number, person in enumerate(people):
        points, colour = person.landmarks[:, :2] * scale, COLOURS[number % len(COLOURS)]
        for one, other in _BONES:
            ends = [LANDMARKS.index(one), LANDMARKS.index(other)]
            seen = person.visibility[ends].min() > 0.5
            draw.line([tuple(points[end]) for end in ends], fill=colour if seen else _HIDDEN, width=width)
        for (column, row), visible in zip(points, person.visibility, strict=True):
            box = (column - 1.5 * width, row - 1.5 * width, column + 1.5 * width, row + 1.5 * width)
            draw.ellipse(box, fill=colour if visible > 0.5 else _HIDDEN)
    return np.asarray(canvas)


def draw_people(picture: U8, people: Sequence[Person]) -> U8:
    """The picture with a box and a number for each person, as `--person` takes it; arguments as for `draw_overlay`."""
    masks = [person.mask for person in people]
    canvas, scale = _dimmed(picture, np.max(masks, axis=0) if masks else None)
    for number, mask in enumerate(masks):
        rows, columns = np.flatnonzero((mask > 0.5).any(axis=1)), np.flatnonzero((mask > 0.5).any(axis=0))
        if len(rows):
            box = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]) * scale
            _label(canvas, box, str(number + 1), COLOURS[number % len(COLOURS)])
    return np.asarray(canvas)


def draw_seen(picture: U8, doubtful: Sequence[Person]) -> U8:
    """The picture with the squares that were looked at and refused, each with the presence of a person in it."""
    canvas, scale = _dimmed(picture, None)
    for number, person in enumerate(doubtful):
        corners, colour = person.region.corners() * scale, COLOURS[number % len(COLOURS)]
        ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in corners], outline=colour)
        _label(canvas, _within(person.region, scale, canvas.size), f"{person.score:.2f}", colour)
    return np.asarray(canvas)


def _within(region: Region, scale: float, size: tuple[int, int]) -> Floats:
    corners = np.clip(region.corners() * scale, 0, np.array(size) - 1.0)
    box: Floats = np.stack([corners.min(axis=0), corners.max(axis=0)])
    return box


def _dimmed(picture: U8, mask: F32 | None) -> tuple[Image.Image, float]:
    """The picture at a handy size, what lies outside of a mask half as bright; and the scale."""
    image = Image.fromarray(np.ascontiguousarray(picture[..., :3]))
    scale = min(MOST_SIDE / max(image.size), 1.0)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    image = image.resize(size, Image.Resampling.BILINEAR)
    if mask is not None:
        cover = Image.fromarray(np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)).resize(size)
        image = Image.composite(image, image.point(lambda value: value * 0.4), cover)
    return image, scale


def _label(canvas: Image.Image, box: Floats, text: str, colour: tuple[int, int, int]) -> None:
    """Draw a box (2, 2) and a text in its upper left corner."""
    draw, edge = ImageDraw.Draw(canvas), max(round(max(canvas.size) / 300), 1)
    (left, top), (right, bottom) = box.tolist()
    draw.rectangle((left, top, right, bottom), outline=colour, width=edge)
    font = ImageFont.load_default(max(max(canvas.size) / 30, 12))
    corners = draw.textbbox((left + 2 * edge, top + edge), text, font=font)
    draw.rectangle((left, top, corners[2] + 2 * edge, corners[3] + edge), fill=colour)
    draw.text((left + 2 * edge, top + edge), text, fill=(0, 0, 0), font=font)
