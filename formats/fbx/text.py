"""Check that an ASCII FBX is whole: `ufbx` names no line, and reads a file that is cut off as far as it goes."""

from __future__ import annotations

import re
from pathlib import Path

from ...core.errors import InputError
from ..limits import os_reason

BINARY = b"Kaydara FBX Binary"
TOKEN = re.compile(rb'"[^"]*(?:"|\Z)|;[^\n]*|[{}]')  # quoted text, which may hold line ends; a comment; a brace


def find_cut(path: Path) -> str | None:
    """Say where an ASCII FBX is not whole.

    Args:
        path: an FBX of either kind.

    Returns:
        The line and what is wrong there; None for a binary file, or where braces and quotation marks match.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(BINARY)) == BINARY:
                return None
            file.seek(0)
            data = file.read()
    except OSError as error:
        raise InputError(path, f"cannot be read ({os_reason(error)})") from error
    opened: list[int] = []
    for match in TOKEN.finditer(data):
        start, token = match.start(), match[0]
        if token.startswith(b'"') and (len(token) == 1 or not token.endswith(b'"')):
            return f"line {_line_of(data, start)}: the quotation mark is not closed; the file is cut off or damaged"
        if token == b"{":
            opened.append(start)
        elif token == b"}":
            if not opened:
                return f"line {_line_of(data, start)}: a brace is closed that was not opened; the file is damaged"
            opened.pop()
    if opened:
        return f"line {_line_of(data, opened[-1])}: the brace is not closed; the file is cut off or damaged"
    return None


def _line_of(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1
