"""Wavefront material libraries: colours, textures, cut-outs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from ...core.arrays import U8
from ...core.errors import InputError
from ...core.files import legible
from ...geometry.mesh import Material, Wrap
from ..images import read_texture
from ..limits import MAX_TEXT_BYTES, read_bytes
from ..named_files import find_inside, lies_inside, only_picture, resolve_inside

# Options of a map statement and the most values each takes; the file name follows them.
_MAP_OPTIONS = {
    "-blendu": 1, "-blendv": 1, "-bm": 1, "-boost": 1, "-cc": 1, "-clamp": 1, "-imfchan": 1, "-mm": 2,
    "-o": 3, "-s": 3, "-t": 3, "-texres": 1, "-type": 1,
}  # fmt: skip


@dataclass(frozen=True)
class MtlMaterial:
    """One `newmtl` block; no file that it names is opened yet.

    Attributes:
        name: as written.
        library: the .mtl file.
        line: number of the statement that names the texture, from 1; 0 without one.
        colour: Kd, taken as display values; None when not given.
        dissolve: d, or 1 - Tr.
        texture: file of map_Kd, or else of map_Ka, as written; None without.
        readings: other readings of that statement, for what is no option that is known; see `_readings`.
        cutout: file of map_d as written; None without.
        ambient: whether the texture is that of map_Ka.
        uv_scale: option -s of map_Kd.
        uv_offset: option -o of map_Kd.
        clamp: option -clamp of map_Kd.
    """

    name: str
    library: Path
    line: int = 0
    colour: tuple[float, float, float] | None = None
    dissolve: float = 1.0
    texture: str | None = None
    readings: tuple[str, ...] = ()
    cutout: str | None = None
    ambient: bool = False
    uv_scale: tuple[float, float] = (1.0, 1.0)
    uv_offset: tuple[float, float] = (0.0, 0.0)
    clamp: bool = False


def read_mtl(path: Path) -> dict[str, MtlMaterial]:
    """The materials of a library by name; lines that are not understood are skipped, as other readers do."""
    text = read_bytes(path, MAX_TEXT_BYTES).decode("utf-8-sig", "surrogateescape").replace("\r", "\n")
    found: dict[str, MtlMaterial] = {}
    fields: dict[str, object] = {}
    ambient: dict[str, object] = {}
    name: str | None = None

    def close() -> None:
        if "texture" not in fields:
            fields.update(ambient, ambient="texture" in ambient)
        ambient.clear()
        if name is not None and name not in found:
            found[name] = MtlMaterial(name=name, library=path, **fields)  # type: ignore[arg-type]
        fields.clear()

    for number, line in enumerate(text.split("\n"), 1):
        keyword, _, rest = line.strip().replace("\t", " ").partition(" ")
        rest = rest.strip()
        keyword = keyword.lower()
        if keyword == "newmtl":
            close()
            name = rest
        elif keyword == "kd":
            values = _floats(rest)
            if len(values) in (1, 3):
                fields["colour"] = tuple(values * 3 if len(values) == 1 else values)
        elif keyword in ("d", "tr"):
            values = _floats(rest.replace("-halo", ""))
            if values:
                fields["dissolve"] = values[0] if keyword == "d" else 1.0 - values[0]
        elif keyword in ("map_kd", "map_ka") and rest:
            found_map = _map_statement(rest)
            goal = fields if keyword == "map_kd" else ambient
            goal |= {
                "line": number,
                "texture": found_map.file,
                "readings": _readings(found_map.file),
                "clamp": found_map.clamp,
            }
            goal |= {"uv_scale": found_map.scale, "uv_offset": found_map.offset}
        elif keyword == "map_d" and rest:
            fields["cutout"] = _map_statement(rest).file
    close()
    return found


def with_texture(entry: MtlMaterial | None, name: str, picture: Path, root: Path, notices: list[str]) -> MtlMaterial:
    """`entry`, given `picture` (inside `root`) where it names no texture that is there."""
    found = MtlMaterial(name=name, library=picture) if entry is None else entry
    if found.texture is not None:
        try:
            _find_texture(found, root)
            return found
        except InputError as error:
            if "is not there" not in error.reason:
                raise
    notices.append(f'material "{legible(name) or "unnamed"}" is textured with {picture.name}, by the data set\'s rule')
    return replace(found, library=picture, texture=picture.name, readings=())


def build_material(entry: MtlMaterial, root: Path, notices: list[str]) -> Material:
    """Open a material's pictures (inside `root` alone) and give it as the renderers want it.

    With a texture Kd is ignored: many exporters write a grey or black Kd beside map_Kd. A dissolve of 0 is taken
    for the common mix-up of d and Tr, hence as opaque.
    """
    name, alpha = legible(entry.name), float(np.clip(entry.dissolve, 0.0, 1.0))
    if alpha == 0.0:
        notices.append(f'material "{name}" is written as fully transparent; drawn opaque')
        alpha = 1.0
    texture: U8 | None = None
    mode: Literal["opaque", "mask"] = "mask" if alpha < 0.5 else "opaque"
    if entry.texture is not None:
        if entry.ambient:
            notices.append(f'material "{name}" has no map_Kd; textured with its map_Ka')
        path = _texture_or_only(entry, root, notices)
        texture = read_texture(path, path)
    if entry.cutout is not None:
        path = resolve_inside(root, entry.cutout, entry.library, f'the cut-out of material "{name}"')
        texture, mode = _with_cutout(texture, read_texture(path, path)), "mask"
    rgb = (1.0, 1.0, 1.0) if entry.texture is not None else entry.colour or (0.7, 0.7, 0.7)
    red, green, blue = (float(np.clip(value, 0.0, 1.0)) for value in rgb)
    side: Wrap = "clamp" if entry.clamp else "repeat"
    return Material(name, texture, (red, green, blue, alpha), mode, wrap=(side, side))


def _texture_or_only(entry: MtlMaterial, root: Path, notices: list[str]) -> Path:
    """The texture of a material; for a name in letters that nobody can read, the only picture of the folder."""
    try:
        return _find_texture(entry, root)
    except InputError:
        only = only_picture(entry.library.parent)
        if only is None or entry.texture is None or entry.texture.isascii() or not lies_inside(only, root):
            raise
        notices.append(f'the texture "{legible(entry.texture)}" is not there; the only picture, {only.name}, is used')
        return only.resolve()


def _find_texture(entry: MtlMaterial, root: Path) -> Path:
    """The file of a material's texture; where its statement has several readings, the first that is there."""
    assert entry.texture is not None
    what = f'the texture of material "{legible(entry.name)}"' + (f" (line {entry.line})" if entry.line else "")
    for reading in (entry.texture, *entry.readings):
        try:
            return resolve_inside(root, reading, entry.library, what)
        except InputError as error:
            if "is not there" not in error.reason:
                raise
    return resolve_inside(root, entry.texture, entry.library, what)  # raises, for the name as written


def _with_cutout(texture: U8 | None, cutout: U8) -> U8:
    alpha = cutout[..., 3] if (cutout[..., 3] < 255).any() else cutout[..., 0]
    if texture is None:
        texture = np.full((*alpha.shape, 4), 255, np.uint8)
    if alpha.shape != texture.shape[:2]:
        alpha = np.asarray(
            Image.fromarray(alpha).resize((texture.shape[1], texture.shape[0]), Image.Resampling.BILINEAR)
        )
    return np.dstack([texture[..., :3], alpha])


class _Map(NamedTuple):
    """A map statement.

    Attributes:
        file: its file name, which may hold spaces.
        scale: option -s.
        offset: option -o.
        clamp: option -clamp.
    """

    file: str
    scale: tuple[float, float]
    offset: tuple[float, float]
    clamp: bool


def _map_statement(rest: str) -> _Map:
    scale, offset, clamp = (1.0, 1.0), (0.0, 0.0), False
    while rest.startswith("-"):
        option, _, tail = rest.partition(" ")
        if option.lower() not in _MAP_OPTIONS:
            break
        values: list[float] = []
        rest = tail.strip()
        if option.lower() == "-clamp":
            clamp = rest.partition(" ")[0].lower() == "on"
        for count in range(_MAP_OPTIONS[option.lower()]):
            head, _, tail = rest.partition(" ")
            number = _floats(head)
            if not tail or (not number and count > 0) or (not number and option.lower() in ("-o", "-s", "-t", "-mm")):
                break
            values += number
            rest = tail.strip()
        if option.lower() in ("-s", "-o") and values and all(np.isfinite(values)):
            missing = 1.0 if option.lower() == "-s" else 0.0
            pair = (values[0], values[1] if len(values) > 1 else missing)
            scale, offset = (pair, offset) if option.lower() == "-s" else (scale, pair)
    clamp = clamp or re.search(r"\s-clamp\s+on\b", rest, re.IGNORECASE) is not None
    return _Map(rest.strip('"'), scale, offset, clamp)


def _readings(file: str) -> tuple[str, ...]:
    """Other file names that the rest of a map statement may mean, the likeliest first.

    Some writers put options behind the name, and some have options of their own, whose number of values nobody knows;
    names may hold spaces.
    """
    words = file.split()
    found: list[str] = []
    if words and words[0].startswith("-"):
        found += [" ".join(words[start:]) for start in range(1, len(words))]
    found += [name[: at.start()] for name in (file, *found) for at in re.finditer(r"\s+-[A-Za-z]+(?=\s|$)", name)]
    return tuple(dict.fromkeys(name for name in found if name and not name.startswith("-")))


def _floats(text: str) -> list[float]:
    values: list[float] = []
    for word in text.split():
        try:
            values.append(float(word))
        except ValueError:
            return values
    return [0.0 if not np.isfinite(value) else value for value in values]


def find_libraries(root: Path, names: str, referrer: Path, notices: list[str]) -> list[Path]:
    """The material libraries that one statement names: a file whose name holds spaces, or several files.

    Args:
        root: the model's folder.
        names: the rest of the statement.
        referrer: the mesh.
        notices: a sentence about each library that is not there is appended.

    Raises:
        InputError: a library lies outside `root`.
    """
    found: list[Path] = []
    missing: list[str] = []
    for name in [names, *names.split()] if " " in names else [names]:
        try:
            path = find_inside(root, name, referrer, "the material library")
        except InputError as error:
            if "is not there" not in error.reason and (name != names or " " not in names):
                raise
            missing.append(name)
            continue
        if name == names:
            return [path]
        found.append(path)
    # Where no word of a name with spaces is there, the whole is the name of one missing file.
    for name in [name for name in missing[1:] if name.lower().endswith(".mtl")] if found else [names]:
        notices.append(f'the material library "{legible(name)}" is not there')
    return found


def find_material(library: dict[str, MtlMaterial], name: str, notices: list[str]) -> MtlMaterial | None:
    """The material of a name; where only one differs in case alone, that one, with a notice."""
    if name in library:
        return library[name]
    alike = [other for other in library if other.casefold() == name.casefold()]
    if not name or len(alike) != 1:
        return None
    notices.append(f'material "{legible(name)}" is written "{legible(alike[0])}" in its library')
    return library[alike[0]]
