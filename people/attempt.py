"""Make one person whole or not at all, and say why where it does not go well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ..core.files import is_of_disk
from ..core.messages import describe_failure


def attempt(out: Path, name: str, make: Callable[[Path], str | None]) -> str | None:
    """Make a person in a new folder beside the finished ones, which is removed unless `make` has moved it.

    Args:
        out: the folder of the people.
        name: of the person.
        make: is given the new folder; returns what is wrong with the person, None for nothing.

    Returns:
        What `make` returned, or why it failed.

    Raises:
        OSError: the disk is full or cannot be written, which is no person's fault.
    """
    partial = out / f".{name}.{os.getpid()}.part"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return make(partial)
    except Exception as error:
        if isinstance(error, OSError) and is_of_disk(error, out):
            raise
        return describe_failure(error)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
