"""Scans of one person as loose files that are named by numbers alone: 00032/hips/000000.obj, 000001.obj, ...

The number of a frame says nothing of the person, so the folders go into the id (00032.hips.f000000), by which
`datasets/shards/groups.py` keeps the person's frames together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_NUMBER = re.compile(r"\d{3,}")
LEAST_FRAMES = 2  # in one folder


def find_loose_frames(models_dir: Path, paths: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """Find the meshes that are frames of a person, each with the names of its id: the folders, and the number.

    Numbers alone may also be people (0001.obj, 0002.obj, ...). They are frames where they begin anew in several
    folders: then it is the folders that tell people apart.

    Args:
        models_dir: the model directory.
        paths: meshes below it.
    """
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        if _NUMBER.fullmatch(path.stem):
            folders.setdefault(path.parent, []).append(path)
    numbered = {folder: files for folder, files in folders.items() if len(files) >= LEAST_FRAMES}
    numbered.pop(models_dir, None)
    seen: dict[str, set[Path]] = {}
    for folder, files in numbered.items():
        for path in files:
            seen.setdefault(path.stem, set()).add(folder)
    anew = {folder for places in seen.values() if len(places) > 1 for folder in places}
    return {
        path: (*folder.relative_to(models_dir).parts, f"f{path.stem}") for folder in anew for path in numbered[folder]
    }


def doubt_numbers(models_dir: Path, paths: Iterable[Path]) -> dict[Path, str]:
    """Say of folders whose meshes are named by numbers alone that they may be one person's, at their first mesh.

    Args:
        models_dir: the model directory.
        paths: meshes below it that no layout knows.
    """
    paths = sorted(paths)
    known = find_loose_frames(models_dir, paths)
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        if _NUMBER.fullmatch(path.stem) and path not in known:
            folders.setdefault(path.parent, []).append(path)
    return {
        files[0]: f"{len(files)} meshes of this folder are named by numbers alone: if several are one person's, keep "
        "them in one split with `mpc sample --group-by` or --split-file"
        for files in folders.values()
        if len(files) >= LEAST_FRAMES
    }
