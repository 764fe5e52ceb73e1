"""Photographs behind the people of training pictures, from a folder that the user names."""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ...core.arrays import U8
from ...core.errors import InputError
from ...core.files import find_files

logger = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
# Photographs are kept in memory with at most this edge, and at most so many of them: 256 MiB.
_EDGE, _KEPT = 512, 340
# The square that is cut out of a photograph has at least this share of its shorter edge.
_LEAST = 0.35


class Backgrounds:
    """A folder of photographs, of which random squares are cut out.

    A panorama of a whole sphere is a photograph like others: a square of it is taken as it is, without unrolling it.

    Args:
        folder: it is searched with all folders in it.

    Raises:
        InputError: there is no such folder, it cannot be listed, or it holds no picture.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(folder, "is no folder, and photographs for backgrounds (augment.backgrounds) are wanted")
        self.paths = find_files(folder, SUFFIXES)
        if not self.paths:
            raise InputError(folder, f"holds no pictures for backgrounds ({', '.join(SUFFIXES)})")
        self._folder = folder
        self._read: OrderedDict[int, U8 | None] = OrderedDict()

    def draw(self, rng: np.random.Generator, rows: slice, count: int, size: int) -> Tensor:
        """Random squares, some of them mirrored.

        Args:
            rng: draws for the whole batch of all processes, so that their number does not matter.
            rows: which of the whole batch's `count` items are wanted.
            count: items of the whole batch.
            size: edge of the squares in the result, pixels.

        Returns:
            (B, 3, size, size) float32, sRGB, 0 to 1.

        Raises:
            InputError: not one photograph of the folder can be read. Single ones are passed over, and told once.
        """
        draws = rng.random((count, 5))[rows]
        squares = [self._cut(draw, size) for draw in draws]
        stack = np.stack(squares) if squares else np.zeros((0, size, size, 3), np.uint8)
        return torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 255.0

    def _cut(self, draw: np.ndarray[tuple[int], np.dtype[np.float64]], size: int) -> U8:
        which, large, across, down, mirror = draw.tolist()
        pixels = self._photograph(int(which * len(self.paths)))
        height, width = pixels.shape[:2]
        edge = min(height, width) * (_LEAST + (1.0 - _LEAST) * large)
        left, top = across * (width - edge), down * (height - edge)
        square = Image.fromarray(pixels).resize(
            (size, size), Image.Resampling.BOX if edge >= 2 * size else Image.Resampling.BILINEAR,
            box=(left, top, left + edge, top + edge),
        )  # fmt: skip
        result = np.asarray(square, np.uint8)
        return result[:, ::-1] if mirror < 0.5 else result

    def _photograph(self, first: int) -> U8:
        """The photograph of this number, or the next that can be read."""
        for step in range(len(self.paths)):
            number = (first + step) % len(self.paths)
            if number not in self._read:
                while len(self._read) >= _KEPT:
                    self._read.popitem(last=False)
                self._read[number] = _read_small(self.paths[number])
            self._read.move_to_end(number)
            found = self._read[number]
            if found is not None:
                return found
        raise InputError(self._folder, "holds no picture for backgrounds that can be read")


def _read_small(path: Path) -> U8 | None:
    """(H, W, 3) uint8, at most `_EDGE` long, upright; None where it cannot be read, which is told."""
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (_EDGE, _EDGE))  # a JPEG is decoded at a fraction of its size
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        logger.warning("%s is passed over as a background: %s", path, error)
        return None
    picture.thumbnail((_EDGE, _EDGE))
    return np.asarray(picture, np.uint8)
