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
from .files import write_bytes

SEAL = "sha256"
_BEFORE, _AFTER = b',\n "' + SEAL.encode() + b'": "', b'"\n}\n'


def write_sealed_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object as `files.write_json` does, with its seal as the last entry "sha256"."""
    head = json.dumps(content, indent=1, sort_keys=True).encode().removesuffix(b"\n}")
    write_bytes(path, head + _BEFORE + hashlib.sha256(head).hexdigest().encode() + _AFTER)


def read_sealed_json(path: Path) -> tuple[dict[str, Any], str]:
    """Read what `write_sealed_json` wrote; a file without a seal, of an earlier version, is read as it is.

    Returns:
        The content without its seal, and the SHA-256 of the whole file.

    Raises:
        InputError: the file is missing, does not read as JSON, or is not what was written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except OSError as error:
        raise InputError(path, f"does not read as JSON ({error})") from error
    return parse_sealed_json(path, data), hashlib.sha256(data).hexdigest()


def parse_sealed_json(path: Path | str, data: bytes) -> dict[str, Any]:
    """The content, without its seal, of a file that `write_sealed_json` wrote.

    Args:
        path: the file, for messages.
        data: its bytes.

    Raises:
        InputError: it does not read as JSON, or is not what was written.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"does not read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(path, "holds no JSON object")
    if content.pop(SEAL, None) is not None:
        head, _, tail = data.rpartition(_BEFORE)
        if tail != hashlib.sha256(head).hexdigest().encode() + _AFTER:
            raise InputError(path, "is not what was written (its checksum differs)")
    return content
