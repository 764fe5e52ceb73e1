"""A layout says what the folders of a data set look like: one row of the table that recognises data sets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...core.arrays import F64

Pattern = re.Pattern[str]


@dataclass(frozen=True, eq=False)
class Fit:
    """What the fit of a body says of its scan.

    Attributes:
        scale_m: metres for one unit of the scan.
        facing: (3,) unit vector in the scan's axes; None where the fit does not say.
    """

    scale_m: float
    facing: F64 | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the folders of one data set look like.

    Attributes:
        name: the data set's name in reports.
        mesh: matches the whole of "folder/file"; its group `id` names the person. Of several files in a folder with one
            `id` the one with the largest group `size` is taken, or the first in `variants` by its group `variant`.
        variants: order of preference of the group `variant`, lower case; unknown ones come last.
        beside: at least one of these files must be beside the mesh ("{id}" is replaced by the id); empty for no rule.
        within: instead of `beside`, a folder above may have a name that matches this.
        fitted: matches file names of fitted body models, which are stored as meshes but are not people.
        unit: unit of files that do not give one; None to detect it from the body.
        up: up axis of files that do not give one; None to detect it from the body.
        textures: patterns ("*" allowed) of the picture for materials whose own picture is missing, best first.
        fit: name of the file with the body fit, looked for beside the mesh and in "*smpl*/<id>/" beside the set.
        read_fit: reads that file.
        terms: what is known of the data set's licence; its own text holds.
    """

    name: str
    mesh: Pattern
    variants: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    within: Pattern | None = None
    fitted: Pattern | None = None
    unit: str | None = None
    up: str | None = None
    textures: tuple[str, ...] = ()
    fit: str | None = None
    read_fit: Callable[[Path], Fit] | None = None
    terms: str = ""


@dataclass(frozen=True)
class Claim:
    """A mesh that a layout recognised.

    Attributes:
        layout: the layout.
        id: the person's id, before it is made unique.
        rank: among the files of one folder with one id, the one of the largest rank is taken.
    """

    layout: Layout
    id: str
    rank: tuple[int, int]


def claim(layout: Layout, path: Path, names: frozenset[str]) -> Claim | None:
    """Match a mesh file against a layout.

    Args:
        layout: the layout.
        path: the file, with the folders above it up to the models folder.
        names: lower-case names of all files and folders beside it.

    Returns:
        The claim; None where the file does not match.
    """
    match = layout.mesh.fullmatch("/".join(path.parts[-2:]))
    if match is None:
        return None
    groups = match.groupdict()
    near = any(name.format(id=groups["id"]).lower() in names for name in layout.beside)
    if layout.within is not None:
        near = near or any(layout.within.fullmatch(part) for part in path.parts[:-1])
    if (layout.beside or layout.within is not None) and not near:
        return None
    variant = (groups.get("variant") or "").lower()
    order = layout.variants.index(variant) if variant in layout.variants else len(layout.variants)
    return Claim(layout, groups["id"], (int(groups.get("size") or 0), -order))
