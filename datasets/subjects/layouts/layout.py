"""What a data set's folders look like: a row of the table that recognises them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ....core.arrays import F64

Pattern = re.Pattern[str]


@dataclass(frozen=True, eq=False)
class Fit:
    """What a body fit says of its scan.

    Attributes:
        scale_m: metres a unit.
        facing: (3,) unit, in the scan's axes; None where the fit does not say.
    """

    scale_m: float
    facing: F64 | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One data set's shape.

    Attributes:
        name: as reports show it.
        mesh: matches the whole of "folder/file"; its group `id` names the person. Of several files in a folder with one
            `id` the one with the largest group `size` is taken, or the first in `variants` by its group `variant`.
        variants: order of preference of the group `variant`, lower case; unknown ones come last.
        beside: at least one of these files must lie beside the mesh ("{id}" is filled in); empty: none needed.
        within: or a folder above has a name that matches this.
        fitted: matches file names of fitted body models, which lie about as meshes and are not people.
        unit, up: of the files, where the files themselves do not say; None is found out from the body.
        textures: where the picture lies if the material library names none that is there, best first; "*" allowed.
        fit: name of the file with the body fit, looked for beside the mesh and in "*smpl*/<id>/" beside the set.
        read_fit: what that file says.
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


@dataclass(frozen=True)
class Claim:
    """A mesh that a layout recognised.

    Attributes:
        layout: whose.
        id: the person's, before it is made unique.
        rank: larger is preferred among the files of one folder with one id.
    """

    layout: Layout
    id: str
    rank: tuple[int, int]


def claim(layout: Layout, path: Path, names: frozenset[str]) -> Claim | None:
    """What `layout` says to a mesh file.

    Args:
        layout: a row.
        path: the file, with the folders above it up to the models folder.
        names: lower-case names of all files and folders beside it.
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
