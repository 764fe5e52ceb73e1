"""Hash what a scene was made from besides its mesh file: textures, material libraries, buffers, a body fit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.files import file_sha256

ABSENT = "absent"


class SourceFiles:
    """The files of one subject's folder; each is hashed once.

    Args:
        root: the folder; files are identified by their path from it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._known: dict[str, str] = {}

    def hashes(self, paths: Iterable[Path]) -> dict[str, str]:
        """SHA-256 by path from the folder, sorted; "absent" for a file that another file names but that is missing."""
        names = {os.path.relpath(path.resolve(), self._root).replace(os.sep, "/") for path in paths}
        return {name: self._hash(name) for name in sorted(names)}

    def match(self, noted: Any) -> bool:
        """Whether all files are as they were when `hashes` returned `noted` (which was read back from JSON)."""
        return isinstance(noted, dict) and all(self._hash(name) == digest for name, digest in noted.items())

    def _hash(self, name: str) -> str:
        if name not in self._known:
            path = self._root / name
            self._known[name] = file_sha256(path) if path.is_file() else ABSENT
        return self._known[name]
