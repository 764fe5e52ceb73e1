"""manifest.jsonl of a renders folder: which scenes belong to the last finished run, with the checksums of their files.

A line is a JSON object about one scene, and of several lines about the same scene the last one counts. A run appends
lines about what has changed and leaves the others as they are, so its cost grows with what it did.

A scene that belongs has a line with the checksums of scene.json ("scene_sha256"), of its sources, of the settings and
of every file. A scene that does not belong any more, because its person is gone or its source was replaced, has the
line {"key": ..., "aside": why}; a scene that was removed has {"key": ..., "removed": true}.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import named, sync

NAME = "manifest.jsonl"
# Lines are written with sorted keys. Quotes inside of texts are escaped, so nothing else looks like the key.
_KEY, _TEXT = b'"key": "', re.compile(rb'((?:[^"\\]|\\.)*)"')
Line = dict[str, Any]


def read_manifest(folder: Path) -> dict[str, Line] | None:
    """Read the last line about each scene, by the scene's key; removed scenes are left out.

    A line that a killed run left unfinished at the end of the file is skipped.

    Returns:
        The lines; None where the folder has no manifest: no run has finished there yet.

    Raises:
        InputError: the manifest cannot be read, or a line of it is damaged.
    """
    rows = _read_rows(folder)
    if rows is None:
        return None
    lines: dict[str, Line] = {}
    for number, row in enumerate(rows, 1):
        try:
            line = json.loads(row)
            lines[line["key"]] = line
        except (ValueError, TypeError, KeyError) as error:
            reason = f"line {number} is damaged ({error}); remove the file and `mpc render MODELS` writes it again"
            raise InputError(folder / NAME, reason) from error
    return {key: line for key, line in lines.items() if not line.get("removed")}


def read_keys(folder: Path) -> list[str] | None:
    """Read the keys of the scenes that belong, and nothing else of their lines, which name every file of a scene.

    Returns:
        Keys in the order in which they were first written; None where the folder has no manifest.

    Raises:
        InputError: the manifest cannot be read, or a line of it is damaged.
    """
    rows = _read_rows(folder)
    if rows is None:
        return None
    belongs: dict[bytes, bool] = {}
    for row in rows:
        start = row.find(_KEY)
        found = _TEXT.match(row, start + len(_KEY)) if start >= 0 else None
        if found is None:  # damaged, or written by another program: the whole reader decides
            return [key for key, line in (read_manifest(folder) or {}).items() if "aside" not in line]
        belongs[found[1]] = b'"aside": ' not in row and b'"removed": true' not in row
    return [json.loads(b'"' + key + b'"') for key, kept in belongs.items() if kept]


def _read_rows(folder: Path) -> list[bytes] | None:
    """The whole lines of the manifest; None where the folder has none. Raises as `read_manifest` does."""
    path = folder / NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error
    return text[: text.rfind(b"\n") + 1].splitlines()


def append_manifest(folder: Path, lines: Iterable[Line]) -> None:
    """Append lines and wait until the disk holds them; where none is appended, the file is made if it is missing.

    Raises:
        OSError: of the disk; the manifest is as it was before.
    """
    path = folder / NAME
    data = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode()
    with named(path), path.open("ab+") as file:
        end = _whole_bytes(file)
        try:
            file.truncate(end)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, end)
            raise
    sync(folder)


def _whole_bytes(file: Any) -> int:
    """Size of a manifest up to the end of its last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - (1 << 16))
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return int(start + place + 1)
        end = start
    return 0
