"""JSON files whose last entry is a checksum of the bytes before it, so that a change of a single character is noticed.

The checksum is over bytes, not over the parsed content: a folder of thousands of such files is then read without
writing each content out again only to compare it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .errors import InputError
from .files import read_json_object, write_bytes

SEAL = "sha256"
_BEFORE, _AFTER = b',\n "' + SEAL.encode() + b'": "', b'"\n}\n'


def write_sealed_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object as `files.write_json` does, with its seal as the last entry "sha256"."""
    head = json.dumps(content, indent=1, sort_keys=True).encode().removesuffix(b"\n}")
    write_bytes(path, head + _BEFORE + hashlib.sha256(head).hexdigest().encode() + _AFTER)


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Read what `write_sealed_json` wrote; a file without a seal, of an earlier version, is read as it is.

    Raises:
        InputError: the file is missing, does not read as JSON, or is not what was written.
    """
    content = read_json_object(path)
    if SEAL in content:
        head, _, tail = path.read_bytes().rpartition(_BEFORE)
        if tail != hashlib.sha256(head).hexdigest().encode() + _AFTER:
            raise InputError(path, "is not what was written (its checksum differs)")
        del content[SEAL]
    return content
