"""Folders that cannot be listed, as on a disk that is away or without the right to read; root could list any other."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def forbid_listing(patch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Make listing these folders fail with "Permission denied"."""
    closed = {os.path.abspath(folder) for folder in folders}

    def guarded(original: Any) -> Any:
        def listing(path: Any = ".") -> Any:
            if not isinstance(path, int) and os.path.abspath(path) in closed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
            return original(path)

        return listing

    for name in ("scandir", "listdir"):
        patch.setattr(os, name, guarded(getattr(os, name)))
