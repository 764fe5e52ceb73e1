"""Numbers of an OBJ's lines, all parsed at once; only where one does not read are the lines looked at singly."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...core.arrays import I64
from ...core.errors import InputError
from ...core.files import legible


def read_numbers(path: Path, lines: I64, text: bytes, what: str, dtype: type[np.generic]) -> npt.NDArray[np.generic]:
    """Parse all numbers of a text.

    Args:
        path: the file, for the error.
        lines: (N,) numbers of the text's lines in the file, from 0.
        text: the lines, without their keywords.
        what: e.g. "vertex", for the error.
        dtype: of the numbers.

    Raises:
        InputError: a word is not a number; the message names the word and the line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text.decode("ascii"), dtype, sep=" ")
        except (ValueError, DeprecationWarning) as error:
            odd = _first_odd(text, lines, int if np.issubdtype(dtype, np.integer) else float)
            raise InputError(path, f"a {what} line holds something that is not a number{odd}") from error


def _first_odd(text: bytes, lines: I64, kind: type[int] | type[float]) -> str:
    """The first word that is no number, its line and advice, for the end of a message; "" where Python reads them."""
    for number, line in zip(lines.tolist(), text.split(b"\n"), strict=False):
        for word in line.split():
            try:
                kind(word)
            except ValueError:
                told = f': "{legible(word[:40].decode("utf-8", "surrogateescape"))}" (line {int(number) + 1})'
                comma = re.fullmatch(rb"[+-]?[\d.]+,[\d.eE+-]*", word)
                return f"{told}; numbers need a decimal point, and spaces between them, not commas" if comma else told
    return ""
