"""Find the people in a model directory from names and a first look into files; no surface is read."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..core.errors import InputError
from ..formats.fbx.read import peek_fbx
from ..formats.gltf.container import peek_json
from ..formats.mesh_files import READ_SUFFIXES
from ..formats.named_files import model_folder
from .layouts.layout import Claim
from .layouts.recognise import find_fit, find_layout, find_texture, recognise
from .layouts.xhumans import FOLDER as TAKE_FOLDER
from .layouts.xhumans import LAYOUT as TAKE_LAYOUT
from .licences import Licences
from .loose_frames import find_loose_frames
from .placement import PlacementOptions
from .sequences import first_frame, person_folder

logger = logging.getLogger(__name__)

UNREAD_SUFFIXES = (".dae", ".usd", ".usdz", ".blend", ".3ds")
GENERIC_STEMS = {
    "avatar", "body", "character", "human", "mesh", "model", "object", "output", "person", "scan", "scene", "textured",
    "textured_mesh", "texturedmesh", "untitled", "mesh_textured",
}  # fmt: skip
MAX_DEPTH = 32
MAX_ID = 100

Kind = Literal["scan", "rigged", "scans"]


@dataclass(frozen=True)
class Subject:
    """One person of a model directory; nothing of it is loaded yet (see subjects/open.py).

    Attributes:
        id: unique in the directory, safe as a folder name, made from the path alone.
        path: the mesh file; of "scans" the first one.
        kind: "rigged" for glTF and FBX with a skin, "scans" for a person scanned many times
            (subjects/sequences.py), else "scan"; so is a damaged file, and loading it reports the damage.
        root: the folder that holds the subject's files; nothing outside is opened.
        layout: name of the data set whose folders look like this (subjects/layouts), None for any other folder.
        fit: the file with the scan's body fit; None where the layout has none or the file is missing.
        texture: the picture that belongs to the mesh by its layout, for materials whose own picture is missing.
        given: what the user says of this person alone; it overrules what is said of all.
        licence: what is known of the terms under which the files came, see subjects/licences.py; "" for nothing.
    """

    id: str
    path: Path
    kind: Kind
    root: Path
    layout: str | None = None
    fit: Path | None = None
    texture: Path | None = None
    given: PlacementOptions = field(default_factory=PlacementOptions)
    licence: str = ""


@dataclass(frozen=True)
class Found:
    """What a search of a model directory has found.

    Attributes:
        subjects: the people, ordered by path.
        unseen: folders that could not be looked into, and links that lead nowhere and may stand for a folder, with the
            reason; people may be there who are not among `subjects`.
    """

    subjects: list[Subject]
    unseen: dict[Path, str]

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """A failure for each place that could not be looked into: its path, and the reason."""
        return tuple((str(path), f"{reason}, so who is in it is not known") for path, reason in self.told)

    @property
    def told(self) -> list[tuple[Path, str]]:
        """`unseen` in order."""
        return sorted(self.unseen.items())


def find_subjects(models_dir: Path) -> list[Subject]:
    """Find all people below a folder; see `search_models`."""
    return search_models(models_dir).subjects


def search_models(models_dir: Path) -> Found:
    """Find all people below a folder.

    Hidden files and folders are skipped; links to folders are followed once each. The id is the folder's name where
    the folder holds one mesh with a generic name (mesh.obj, model.glb), else the file's stem; for a data set that
    is recognised by its folders (subjects/layouts) the layout names the people. Frames of a person that are named by
    numbers alone have the folders' names in front (subjects/loose_frames.py), and names that are not unique as well.

    Of each file only what tells its kind is looked at, once: of glTF the JSON part, of FBX whether certain words occur
    in its bytes; of the other formats the suffix says enough.

    Args:
        models_dir: searched recursively.

    Raises:
        InputError: `models_dir` is not a readable folder.
    """
    if not models_dir.is_dir():
        raise InputError(models_dir, "is not a folder")
    files = _mesh_files(models_dir)
    paths, takes = files.meshes, files.takes
    claims, dropped = recognise(models_dir, paths)
    if dropped:
        logger.info("%d meshes are fitted bodies or other sizes of one person, e.g. %s", len(dropped), min(dropped))
    paths = [path for path in paths if path not in dropped]
    names = _unique_ids(models_dir, paths, claims, list(takes))
    people = []
    for path in paths:
        kind: Kind = "rigged" if path in files.rigged or _is_rigged_gltf(path) else "scan"
        people.append(_subject(models_dir, path, names[path], kind, claims.get(path)))
    for folder, first in takes.items():
        people.append(Subject(names[folder], first, "scans", folder.resolve(), TAKE_LAYOUT.name))
    people.sort(key=lambda subject: subject.path.relative_to(models_dir).parts)
    licences = Licences(models_dir)
    subjects = [replace(one, licence=licences.note(one.path.parent, _terms(one))) for one in people]
    return Found(subjects, files.unseen)


def _terms(subject: Subject) -> str:
    layout = find_layout(subject.layout)
    return "" if layout is None else layout.terms


def _subject(models_dir: Path, path: Path, name: str, kind: Kind, claim: Claim | None) -> Subject:
    try:
        root = model_folder(path)
    except (OSError, RuntimeError):  # links in a circle, before Python 3.13: reading the file tells the reason
        root = path.absolute().parent
    if claim is None:
        return Subject(id=name, path=path, kind=kind, root=root)
    fit, texture = find_fit(models_dir, path, claim), find_texture(path, claim)
    return Subject(name, path, kind, root, claim.layout.name, fit, texture)


@dataclass(frozen=True)
class _Files:
    """What lies in a model directory.

    Attributes:
        meshes: mesh files, ordered by path.
        rigged: those FBX files among them that have a skin.
        takes: the first scan of each person of many scans, by the person's folder.
        unseen: see Found.
    """

    meshes: list[Path]
    rigged: set[Path]
    takes: dict[Path, Path]
    unseen: dict[Path, str]


def _mesh_files(models_dir: Path) -> _Files:
    found: list[Path] = []
    rigged: set[Path] = set()
    takes: dict[Path, Path] = {}
    unseen: dict[Path, str] = {}
    unread: list[Path] = []
    clips: list[Path] = []
    seen: set[tuple[int, int]] = set()

    def visit(folder: Path, depth: int) -> None:
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            unseen[folder] = f"cannot be listed ({error.strerror})"
            return
        if (status.st_dev, status.st_ino) in seen or depth > MAX_DEPTH:
            return
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            suffix = os.path.splitext(entry.name)[1].lower()
            is_folder = _is_folder(entry)
            if is_folder and entry.name.lower() == TAKE_FOLDER:
                try:
                    first = first_frame(folder / entry.name)
                except OSError as error:
                    unseen[folder / entry.name] = f"cannot be listed ({error.strerror})"
                    continue
                if first is not None:
                    takes.setdefault(person_folder(folder / entry.name, models_dir), first)
            elif is_folder:
                visit(folder / entry.name, depth + 1)
            elif suffix == ".fbx":
                has_surface, has_skin = peek_fbx(folder / entry.name)
                (found if has_surface else clips).append(folder / entry.name)
                if has_skin:
                    rigged.add(folder / entry.name)
            elif suffix in READ_SUFFIXES:
                found.append(folder / entry.name)
            elif suffix in UNREAD_SUFFIXES:
                unread.append(folder / entry.name)
            elif not suffix and not os.path.exists(entry):
                unseen[folder / entry.name] = "is a link that leads nowhere"

    visit(models_dir, 0)
    if clips:
        logger.warning("%d FBX files hold no body and are skipped, e.g. %s (give --animations)", len(clips), clips[0])
    if unread:
        logger.warning(
            "%d files of formats that are not read are skipped, e.g. %s (convert them to GLB)", len(unread), unread[0]
        )
    return _Files(sorted(found, key=lambda path: path.relative_to(models_dir).parts), rigged, takes, unseen)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; one that cannot be looked at counts as a file, and reading it tells the reason."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_rigged_gltf(path: Path) -> bool:
    document = peek_json(path) if path.suffix.lower() in (".glb", ".gltf") else None
    return document is not None and bool(document.get("skins"))


def _unique_ids(models_dir: Path, paths: list[Path], claims: dict[Path, Claim], folders: list[Path]) -> dict[Path, str]:
    """An id for each mesh and each folder that is a person.

    Names that clash (case aside) get their parent folders' names in front, and where that is not enough a digest.
    """
    siblings: dict[Path, int] = {}
    for path in paths:
        siblings[path.parent] = siblings.get(path.parent, 0) + 1
    parts: dict[Path, list[str]] = {}
    for path in paths:
        above = [safe_name(part) for part in path.relative_to(models_dir).parts[:-1]]
        generic = path.stem.lower() in GENERIC_STEMS and siblings[path.parent] == 1 and above
        stem = claims[path].id if path in claims else path.stem
        parts[path] = above if generic and path not in claims else [*above, safe_name(stem)]
    frames = find_loose_frames(models_dir, [path for path in paths if path not in claims])
    parts |= {path: [".".join(safe_name(part) for part in names)] for path, names in frames.items()}
    for path in folders:
        named = path.relative_to(models_dir).parts or (path.resolve().name,)
        parts[path] = [safe_name(part) for part in named]
    taken = dict.fromkeys(parts, 1)
    while True:
        names = {path: "_".join(parts[path][-taken[path] :]) for path in parts}
        groups: dict[str, list[Path]] = {}
        for path, name in names.items():
            groups.setdefault(name.casefold(), []).append(path)
        clashing = [path for group in groups.values() if len(group) > 1 for path in group]
        growing = [path for path in clashing if taken[path] < len(parts[path])]
        if not growing:
            break
        for path in growing:
            taken[path] += 1
    for path in clashing:
        relative = path.relative_to(models_dir).as_posix()
        names[path] += "_" + hashlib.sha256(relative.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return {path: _shorten(name) for path, name in names.items()}


def safe_name(text: str) -> str:
    """Turn text into a file name for every system: letters, digits, dot, dash, underscore; never empty or hidden."""
    try:  # the same name in every locale: where the system's is ASCII, all other letters came as escaped bytes
        plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        plain = text.encode("utf-8", "replace").decode()
    plain = re.sub(r"[^\w.\-]+", "_", unicodedata.normalize("NFC", plain)).strip("._- ")
    if re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", plain.partition(".")[0]):
        plain = f"_{plain}"
    return plain or "unnamed"


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_ID:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name.encode()[: MAX_ID - 9].decode("utf-8", "ignore") + "_" + digest
