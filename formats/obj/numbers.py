"""Numbers of an OBJ's lines, all parsed at once; only where one does not read are the lines looked at singly."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...core.arrays import I64
from ...core.errors import InputError


def read_numbers(path: Path, lines: I64, text: bytes, what: str, dtype: type[np.generic]) -> npt.NDArray[np.generic]:
    """Parse all numbers of a text.

    Args:
        path: the file, for the error.
        lines: (N,) numbers of the text's lines in the file, from 0.
        text: the lines, without their keywords.
        what: e.g. "vertex", for the error.
        dtype: of the numbers.

    Raises:
        InputError: a word is not a number; the message names the line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text.decode("ascii"), dtype, sep=" ")
        except (ValueError, DeprecationWarning) as error:
            number = _first_odd(text, lines, int if np.issubdtype(dtype, np.integer) else float)
            where = "" if number is None else f" (line {number + 1})"
            raise InputError(path, f"a {what} line holds something that is not a number{where}") from error


def _first_odd(text: bytes, lines: I64, kind: type[int] | type[float]) -> int | None:
    """The number of the first line that holds a word that is no number; None where Python reads them all."""
    for number, line in zip(lines.tolist(), text.split(b"\n"), strict=False):
        try:
            for word in line.split():
                kind(word)
        except ValueError:
            return int(number)
    return None
