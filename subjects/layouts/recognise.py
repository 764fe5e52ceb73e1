"""Recognise data sets by their folders; the table of layouts is here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ...formats.named_files import lies_inside
from . import customhumans, renderpeople, thuman, two_k2k, xhumans
from .layout import Claim, Layout, claim

LAYOUTS: tuple[Layout, ...] = (
    renderpeople.POSED,
    renderpeople.RIGGED,
    thuman.LAYOUT,
    customhumans.LAYOUT,
    two_k2k.LAYOUT,
    xhumans.LAYOUT,
)

MAX_SIBLINGS = 256  # at most so many folders beside a set are searched for its fits


def find_layout(name: str | None) -> Layout | None:
    """The layout of a name; None where there is none."""
    return next((layout for layout in LAYOUTS if layout.name == name), None)


def recognise(models: Path, paths: Iterable[Path]) -> tuple[dict[Path, Claim], set[Path]]:
    """Match mesh files against all layouts.

    Args:
        models: the models folder, below which all paths are.
        paths: mesh files.

    Returns:
        Claims by file, and the files that are not people: fitted body models, and further copies of a claimed person.
    """
    claims: dict[Path, Claim] = {}
    dropped: set[Path] = set()
    beside: dict[Path, frozenset[str]] = {}
    for path in paths:
        if any(layout.fitted is not None and layout.fitted.fullmatch(path.name) for layout in LAYOUTS):
            dropped.add(path)
            continue
        names = beside.get(path.parent)
        if names is None:
            names = beside[path.parent] = frozenset(name.lower() for name in os.listdir(path.parent))
        # The models folder's own name counts, since users give the data set's folder itself.
        below = Path(models.resolve().name) / path.relative_to(models)
        for layout in LAYOUTS:
            found = claim(layout, below, names)
            if found is not None:
                claims[path] = found
                break
    best: dict[tuple[Path, str], Path] = {}
    for path, found in claims.items():
        key = (path.parent, found.id.casefold())
        other = best.get(key)
        if other is None or found.rank > claims[other].rank:
            best[key] = path
    for path, found in list(claims.items()):
        if best[path.parent, found.id.casefold()] != path:
            dropped.add(path)
            del claims[path]
    return claims, dropped


def find_fit(models: Path, path: Path, found: Claim) -> Path | None:
    """Find the body fit of a claimed mesh, beside it or in a folder of fits beside the set; never outside `models`."""
    name = found.layout.fit
    if name is None:
        return None
    folder = path.parent
    candidates = [folder / name]
    if folder != models and folder.parent != models:
        collection = folder.parent.parent
        siblings = sorted(entry.name for entry in os.scandir(collection) if "smpl" in entry.name.lower())
        candidates += [collection / sibling / folder.name / name for sibling in siblings[:MAX_SIBLINGS]]
    if folder != models:
        siblings = sorted(entry.name for entry in os.scandir(folder.parent) if "smpl" in entry.name.lower())
        candidates += [folder.parent / sibling / folder.name / name for sibling in siblings[:MAX_SIBLINGS]]
    return next((path for path in candidates if path.is_file() and lies_inside(path, path.parent)), None)


def find_texture(path: Path, found: Claim) -> Path | None:
    """Find the picture of a claimed mesh by the layout's patterns; it must be inside the mesh's folder."""
    for pattern in found.layout.textures:
        for picture in sorted(path.parent.glob(pattern.format(id=found.id))):
            if picture.is_file() and lies_inside(picture, path.parent):
                return picture
    return None
