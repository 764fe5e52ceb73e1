"""The lines of an OBJ as bytes and positions, with their numbers in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.arrays import I64, U8, Bools
from ...core.errors import InputError

SPACE, NEWLINE = ord(" "), ord("\n")


@dataclass(frozen=True)
class Lines:
    """The file's bytes and where its lines lie; a line that ends with a backslash is one with the next.

    Attributes:
        path: the file, for errors.
        data: (B,) the bytes.
        starts: (L,) where each line begins.
        lengths: (L,) bytes of each line, its newline included.
        numbers: (L,) where each line begins in the file: the number of a line there, counted from 0.
    """

    path: Path
    data: U8
    starts: I64
    lengths: I64
    numbers: I64

    def select(self, mask: Bools, prefix: int) -> bytes:
        """The bytes of the chosen lines, the first `prefix` bytes of each replaced by spaces."""
        chosen = np.flatnonzero(mask)
        keep = np.repeat(mask, self.lengths)
        buffer = self.data[keep]
        starts = np.cumsum(self.lengths[chosen]) - self.lengths[chosen]
        for offset in range(prefix):
            buffer[starts + offset] = SPACE
        return buffer.tobytes()

    def text(self, line: int) -> str:
        """One line as text."""
        start = self.starts[line]
        return self.data[start : start + self.lengths[line]].tobytes().decode("utf-8", "surrogateescape").strip()

    def where(self, lines: I64) -> str:
        """The first of some lines, as a person counts, for the end of a message: " (line 12)"; "" for none."""
        return f" (line {int(self.numbers[lines[0]]) + 1})" if len(lines) else ""


def split_lines(path: Path, content: bytes) -> Lines:
    """Split an OBJ into lines; spaces at their beginnings, tabs, a byte order mark and odd newlines are evened out.

    Raises:
        InputError: the file is no text.
    """
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    numbers = None
    if b"\\\n" in content:
        numbers = _first_lines(content)
        content = content.replace(b"\\\n", b" ")
    if b"\t" in content:
        content = content.replace(b"\t", b" ")
    if b"\n " in content or content[:1] == b" ":
        content = re.sub(rb"(?m)^ +", b"", content)
    if content[:3] == b"\xef\xbb\xbf":
        content = content[3:]
    if b"\0" in content[:4096]:
        raise InputError(path, "is not a text file, so not an OBJ")
    content += b"\n"
    data = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(data == NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return Lines(path, data, starts, ends + 1 - starts, np.arange(len(starts)) if numbers is None else numbers)


def _first_lines(content: bytes) -> I64:
    """Numbers, from 0, of the lines of a text that do not continue the one before."""
    data = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(data == NEWLINE)
    before = data[np.maximum(ends - 1, 0)]
    goes_on = (before == ord("\\")) & (ends > 0)
    return np.flatnonzero(np.concatenate([[True], ~goes_on]))


def without_comments(text: bytes) -> bytes:
    """The text without what stands behind a "#" in each line."""
    return re.sub(rb"#[^\n]*", b"", text) if b"#" in text else text


def token_starts(data: U8) -> I64:
    """(N,) positions where words begin."""
    word = (data != SPACE) & (data != NEWLINE)
    begins = word.copy()
    begins[1:] &= ~word[:-1]
    return np.flatnonzero(begins)


def tokens_per_line(text: bytes) -> I64:
    """(L,) how many words each line holds."""
    data = np.frombuffer(text, np.uint8)
    lines_before = np.flatnonzero(data == NEWLINE)
    return np.bincount(np.searchsorted(lines_before, token_starts(data)), minlength=len(lines_before))
