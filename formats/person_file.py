"""What is known of a person beside their mesh: `<mesh>.labels.npz`, body, joints and labels (docs/labels.md).

`mpc people` writes one for each person, and who has such data of scans of their own may write it, too.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import F64, I32, U8, Array
from ..core.errors import InputError
from ..core.files import write_bytes
from ..geometry.labels import GARMENTS, PARTS, UNKNOWN
from ..motion.joints import JOINTS
from .limits import note_file
from .npz import read_npz

FORMAT, VERSION = "mpc-person", 1
SUFFIX = ".labels.npz"
_MAX_BYTES = 256 << 20
# The text "about" is a few kilobytes, no coordinate in any unit is greater, and a joint or a body lies within so many
# sizes of the mesh.
_MAX_ABOUT, _MOST, _FAR = 1 << 20, 1e9, 10.0
SEXES = ("female", "male")


@dataclass(frozen=True, kw_only=True)
class PersonFacts:
    """Who a person is; None for what is not known.

    Attributes:
        height_m: of the crown above the soles, standing straight and barefoot, metres.
        age_years: age.
        sex: one of SEXES.
    """

    height_m: float | None = None
    age_years: float | None = None
    sex: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """What is known, JSON-ready."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, eq=False, kw_only=True)
class BodyBinding:
    """How body and joints of a rig follow its bones.

    Attributes:
        bones: names of the bones.
        joint_bones: (J,) int32 into `bones`; -1 for unknown joints.
        joints: (B, K) int32 into `bones`, of the body's vertices.
        weights: (B, K) float64, rows sum to 1.
    """

    bones: tuple[str, ...]
    joint_bones: I32
    joints: I32
    weights: F64


@dataclass(frozen=True, eq=False, kw_only=True)
class PersonFile:
    """A person's labels, body and joints, in the coordinates of the mesh file; of a rig in its rest pose.

    Attributes:
        vertices: (V, 3) float64, the vertices of the mesh, in any order: labels are found by place.
        vertex_part: (V,) uint8, see geometry/labels.py.
        vertex_garment: (V,) uint8.
        body_vertices: (B, 3) float64, the body beneath the clothes; (0, 3) where it is not known.
        body_faces: (F, 3) int32, counter-clockwise from outside.
        joints: (J, 3) float64, J = len(JOINTS); NaN for joints that are not known.
        binding: how body and joints move; None for a scan.
        facts: who the person is.
    """

    vertices: F64
    vertex_part: U8
    vertex_garment: U8
    body_vertices: F64
    body_faces: I32
    joints: F64
    binding: BodyBinding | None = None
    facts: PersonFacts = field(default_factory=PersonFacts)


def labels_path(mesh: Path) -> Path:
    """Where the labels of a mesh file are: `mesh.labels.npz` beside `mesh.obj`."""
    return mesh.with_name(mesh.stem + SUFFIX)


def write_person_file(path: Path, person: PersonFile) -> None:
    """Write a person's labels, whole or not at all; the same person gives the same bytes."""
    about: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "person": person.facts.as_dict(), "parts": PARTS, "garments": GARMENTS,
        "joints": JOINTS,
    }  # fmt: skip
    arrays: dict[str, Array] = {
        "vertices": person.vertices.astype("<f4"),
        "vertex_part": person.vertex_part,
        "vertex_garment": person.vertex_garment,
        "body_vertices": person.body_vertices.astype("<f4"),
        "body_faces": person.body_faces.astype("<i4"),
        "joints": person.joints.astype("<f8"),
    }
    if person.binding is not None:
        about["bones"] = person.binding.bones
        arrays |= {
            "joint_bones": person.binding.joint_bones.astype("<i4"),
            "body_bones": person.binding.joints.astype("<i4"),
            "body_weights": person.binding.weights.astype("<f4"),
        }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def find_person_file(mesh: Path, root: Path) -> Path | None:
    """The labels of a mesh file; None where there are none, or where they lie outside of the model's folder."""
    path = labels_path(mesh)
    note_file(path)  # also where it is missing: a scene is drawn anew when it comes
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    return path


def read_person_file(path: Path) -> PersonFile:
    """Read a person's labels.

    Raises:
        InputError: the file is damaged, of a later version, or contradicts itself.
    """
    arrays = read_npz(path, limit=_MAX_BYTES)
    try:
        about = _read_about(arrays["about"])
        if (about["format"], about["version"]) != (FORMAT, VERSION):
            raise ValueError(f"is {about['format']} version {about['version']}, expected {FORMAT} {VERSION}")
        return _checked(about, arrays)
    except KeyError as error:
        raise InputError(path, f"the labels lack {error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(path, f"the labels do not hold together: {error}") from error


def _read_about(array: Array) -> dict[str, Any]:
    """The text of a file as a tree.

    Raises:
        ValueError: it is no JSON, longer than any such text is, or no object.
    """
    if array.dtype.kind != "U" or array.size != 1 or array.nbytes > 4 * _MAX_ABOUT:
        raise ValueError(f"about is {array.dtype} {array.shape}, expected a text")
    try:
        about = json.loads(str(array))
    except RecursionError:
        raise ValueError("about is nested too deeply") from None
    if not isinstance(about, dict):
        raise ValueError("about is no JSON object")
    return about


def _names(about: dict[str, Any], name: str) -> list[str]:
    """A list of names out of the text.

    Raises:
        KeyError: it is missing.
        ValueError: it is no list of texts.
    """
    found = about[name]
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{name} in about is no list of names")
    return found


def _read_facts(found: Any) -> PersonFacts:
    """What the text says of the person.

    Raises:
        ValueError: it is no object, or a number of it is none that a person has.
    """
    if not isinstance(found, dict):
        raise ValueError("person in about is no JSON object")
    numbers: dict[str, float | None] = {}
    for name, most in (("height_m", 3.0), ("age_years", 130.0)):
        given = found.get(name)
        numbers[name] = None if given is None else float(given)
        if given is not None and not 0 <= float(given) <= most:
            raise ValueError(f"{name} is {given}, expected 0 to {most:g}")
    sex = found.get("sex")
    return PersonFacts(height_m=numbers["height_m"], age_years=numbers["age_years"], sex=sex if sex in SEXES else None)


def _check_near(name: str, places: F64, vertices: F64) -> None:
    """Check that points are about where the mesh is.

    Raises:
        ValueError: a point is farther from the mesh than ten times its size.
    """
    known = places[~np.isnan(places).any(axis=1)]
    if not len(known) or not len(vertices):
        return
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    room = _FAR * (high - low).max()
    if (known < low - room).any() or (known > high + room).any():
        raise ValueError(f"{name} are not where vertices are: of another mesh, or in another unit")


def _checked(about: dict[str, Any], arrays: dict[str, Array]) -> PersonFile:
    """The content of a file, its labels and joints in our order.

    Raises:
        KeyError: an array is missing.
        ValueError: an array has another shape, or an index out of range.
    """
    vertices, body = _take(arrays, "vertices", "f", (-1, 3)), _take(arrays, "body_vertices", "f", (-1, 3))
    count, size = len(vertices), len(body)
    faces = _take(arrays, "body_faces", "i", (-1, 3), below=size)
    given = _names(about, "joints")
    places = _take(arrays, "joints", "f", (len(given), 3), finite=False)
    places = np.where(np.isfinite(places).all(axis=1, keepdims=True), places, np.nan)
    rows = [given.index(name) if name in given else len(given) for name in JOINTS]
    binding = None
    if "bones" in about:
        bones = tuple(_names(about, "bones"))
        joint_bones = _take(arrays, "joint_bones", "i", (len(given),), least=-1, below=len(bones))
        weights = _take(arrays, "body_weights", "f", (size, -1))
        if size and not (weights.min() >= 0 and np.abs(weights.sum(axis=1) - 1).max() < 0.01):
            raise ValueError("body_weights: rows should be 0 or more, and sum to 1")
        binding = BodyBinding(
            bones=bones,
            joint_bones=np.append(joint_bones, -1)[rows].astype(np.int32),
            joints=_take(arrays, "body_bones", "i", weights.shape, below=len(bones)).astype(np.int32),
            weights=weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9),
        )
    _check_near("body_vertices", body, vertices)
    _check_near("joints", places, vertices)
    return PersonFile(
        vertices=vertices,
        vertex_part=_renumbered(_take(arrays, "vertex_part", "u", (count,), below=256), _names(about, "parts"), PARTS),
        vertex_garment=_renumbered(
            _take(arrays, "vertex_garment", "u", (count,), below=256), _names(about, "garments"), GARMENTS
        ),
        body_vertices=body,
        body_faces=faces.astype(np.int32),
        joints=np.concatenate([places, np.full((1, 3), np.nan)])[rows],
        binding=binding,
        facts=_read_facts(about.get("person", {})),
    )


def _take(
    arrays: dict[str, Array],
    name: str,
    kind: str,
    shape: tuple[int, ...],
    *,
    least: int = 0,
    below: int | None = None,
    finite: bool = True,
) -> Array:
    """An array of a kind ("f" float64, "i" or "u" whole numbers from `least` to `below`), -1 in `shape` for any length.

    Raises:
        KeyError: it is missing.
        ValueError: it is of another kind or shape, or holds what it must not.
    """
    array = arrays[name]
    fits = len(array.shape) == len(shape) and all(
        want in (-1, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in ("f" if kind == "f" else "iu"):
        raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {shape}")
    if kind == "f":
        array = array.astype(np.float64)
        if finite and not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinite values")
        if array.size and np.abs(array[np.isfinite(array)]).max(initial=0.0) > _MOST:
            raise ValueError(f"{name} holds values beyond {_MOST:g}")
    elif array.size and (array.min() < least or (below is not None and array.max() >= below)):
        raise ValueError(f"{name} holds {array.min()} to {array.max()}, expected {least} to {below} without the last")
    return array


def _renumbered(labels: Array, names: list[str], ours: tuple[str, ...]) -> U8:
    """Labels by the file's own list of names as labels by our list; names that we lack are UNKNOWN."""
    table = np.full(256, UNKNOWN, np.uint8)
    for number, name in enumerate(names[:UNKNOWN]):
        table[number] = ours.index(name) if name in ours else UNKNOWN
    return table[labels.astype(np.int64)]
