"""`mpc import --format webdataset`: what `mpc export` wrote as shards, as the renders folder that it was.

Pictures are encoded again as a renders folder holds them, which gives the bytes that `mpc render` wrote. What of the
source a scene was imported from is recorded in `.imported/<scene>`, since its scene.json is to stay what it was.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import file_sha256, is_of_disk, read_json_object, write_json
from ...core.folders import claim_folder, read_folder_format
from ...core.guard import Limits, Lost, run_guarded
from ...core.messages import describe_failure
from ...core.progress import NoProgress, Progress
from ...core.sealed import parse_sealed_json
from ...formats.png import decode_png_exact
from ...formats.png_box import encode_png_box
from ..renders.belonging import SubjectScenes, describe_scene, finish_run
from ..renders.format import MESH, RENDERS, SCENE, SceneRecord, read_scene, scene_key
from ..renders.manifest import Line
from ..renders.mesh_file import read_mesh
from ..renders.verify import check_scene
from ..renders.write import remove_leftovers, write_scene
from .done import check_exported
from .summary import ExchangeSummary
from .webdataset import SCENE_TAR, SETTINGS, VIEWS_TAR, WHOLE

IMPORTED = ".imported"
# What scene.json says of its files, which are written anew.
OF_FILES = ("files", "bytes", "textures")
PLAIN_NAME = re.compile(r"[^./\\\0][^/\\\0]*")
TEXTURE_NAME = re.compile(r"[0-9a-f]{16}\.(png|npz)")


@dataclass(frozen=True)
class _Unit:
    """A scene of the source: the folder that holds its shards."""

    folder: Path
    out: Path


@dataclass(frozen=True)
class _Record:
    name: str
    subject: str = ""
    kept: bool = False
    reason: str | None = None
    line: Line | None = None


def import_webdataset(
    source: Path,
    out: Path,
    *,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    prune: bool = False,
    progress: Progress | None = None,
) -> ExchangeSummary:
    """Make a renders folder of the shards that `mpc export --format webdataset` wrote; scenes made before are kept.

    Args:
        source: the export.
        out: the renders folder.
        jobs: processes; see core/units.py.
        backend: of joblib; see core/units.py.
        limits: time and memory of a scene (core/guard.py); None for no bound and no process of its own.
        prune: remove the scenes of earlier runs that `source` does not hold any more.
        progress: receives each scene.

    Raises:
        InputError: `source` is no such folder, or `out` holds something else.
    """
    progress = progress or NoProgress()
    folders = sorted(path.parent for path in source.glob(f"[!.]*/{SCENE_TAR}"))
    if not folders:
        raise InputError(source, f"is no WebDataset that `mpc export` wrote (no <scene>/{SCENE_TAR})")
    claim_folder(out, RENDERS, read_folder_format(source / SETTINGS, RENDERS))
    remove_leftovers(out)
    records = []
    progress.start("import", len(folders))
    units = [_Unit(folder, out) for folder in folders]
    for result in run_guarded(_import_unit, units, limits=limits, jobs=jobs, backend=backend):
        record = _Record(result.unit.folder.name, reason=result.reason) if isinstance(result, Lost) else result
        records.append(record)
        progress.advance(1, record.name)
    progress.finish()
    records.sort(key=lambda record: record.name)
    failures = tuple((record.name, record.reason) for record in records if record.reason is not None)
    kept = sum(record.kept for record in records)
    subjects = sorted({record.subject for record in records if record.line is not None})
    outcomes = (_of_subject(subject, records) for subject in subjects)
    # A scene that failed may be of anybody, so nobody is known to be gone.
    aside = finish_run(out, subjects, outcomes, prune=prune, unsure=bool(failures))
    return ExchangeSummary(out, len(records) - kept - len(failures), kept, failures, aside)


def _of_subject(subject: str, records: list[_Record]) -> SubjectScenes:
    own = [record.line for record in records if record.subject == subject and record.line is not None]
    failed = any(record.reason is not None for record in records)
    return SubjectScenes(subject=subject, lines={str(line["key"]): line for line in own}, complete=not failed)


def _import_unit(unit: _Unit) -> _Record:
    name = unit.folder.name
    try:
        check_exported(unit.folder.parent, name)
        files = {shard: file_sha256(unit.folder / shard) for shard in (VIEWS_TAR, SCENE_TAR)}
        kept = _read_kept(unit, files)
        if kept is not None:
            return _Record(name, kept.subject, kept=True, line=describe_scene(kept))
        scene = _import_scene(unit)
        record = {"files": files, "key": scene.key, "scene_sha256": scene.sha256}
        write_json(unit.out / IMPORTED / name, record)
        return _Record(name, scene.subject, line=describe_scene(scene))
    except Exception as error:
        if isinstance(error, OSError) and is_of_disk(error, unit.out):
            raise  # a full disk is no scene's fault
        if isinstance(error, FileNotFoundError):
            return _Record(name, reason=f"{error.filename} is missing")
        return _Record(name, reason=describe_failure(error))


def _import_scene(unit: _Unit) -> SceneRecord:
    path = unit.folder / SCENE_TAR
    members = dict(_read_members(path))
    prefix = f"{unit.folder.name}/{WHOLE}."
    described = members.pop(prefix + SCENE, None)
    data = members.pop(prefix + MESH, None)
    if described is None or data is None:
        raise InputError(path, f"holds no {prefix}{SCENE} or no {prefix}{MESH}")
    content = parse_sealed_json(f"{path}: {SCENE}", described)
    description = {name: value for name, value in content.items() if name not in OF_FILES}
    _check_names(path, content)
    with tempfile.TemporaryDirectory() as folder:
        for name, texture in members.items():
            file = name.removeprefix(prefix)
            if TEXTURE_NAME.fullmatch(file) is None:
                raise InputError(path, f"holds {name!r}, which is no texture")
            (Path(folder) / file).write_bytes(texture)
        mesh, transfer = read_mesh(path, data, Path(folder))
    written = write_scene(unit.out, description, mesh, transfer, _read_pictures(unit, content))
    return read_scene(written)


def _check_names(path: Path, content: dict[str, Any]) -> None:
    """Refuse a description whose names would lead out of the renders folder."""
    try:
        parts = scene_key(content["subject"], content["animation"], content["frame"]).split("/")
        views = [str(view["name"]) for view in content["views"]]
        size, files = int(content["image_size"]), set(content["files"])
        cropped = int(content.get("crop_size", 0))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"{SCENE}: entry missing or of the wrong kind ({error})") from error
    plain = all(PLAIN_NAME.fullmatch(name) for name in (*parts, *views, *files))
    if len(parts) != 2 or not plain or size < 1 or (cropped < 1 and any("@" in file for file in files)):
        raise InputError(path, f"{SCENE} describes {'/'.join(parts)!r}, whose names or picture size cannot be used")


def _read_pictures(unit: _Unit, content: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Names (without ".png") and bytes of the scene's pictures and layers, as a renders folder holds them."""
    path = unit.folder / VIEWS_TAR
    missing = {file for file in content["files"] if file.endswith(".png")}
    for name, data in _read_members(path):
        file = name.removeprefix(f"{unit.folder.name}/")
        if not name.endswith(".png"):
            continue
        if file not in missing:
            raise InputError(path, f"holds {name!r}, which its {SCENE} does not know")
        missing.remove(file)
        try:
            pixels = decode_png_exact(data)
        except (OSError, SyntaxError, ValueError, zlib.error) as error:
            raise InputError(path, f"{name} does not read as a picture ({error})") from error
        size = content["crop_size"] if "@" in file else content["image_size"]
        if pixels.shape[:2] != (size, size):
            found = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise InputError(path, f"{name} is {found} pixels, its {SCENE} says {size}x{size}")
        yield file.removesuffix(".png"), encode_png_box(pixels)
    if missing:
        raise InputError(path, f"lacks {min(missing)}, which its {SCENE} lists")


def _read_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of a tar's members, one at a time; nothing but plain files is taken."""
    most = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse or member.size > most:
                    raise InputError(path, f"holds {member.name!r}, which is no plain file")
                stream = tar.extractfile(member)
                assert stream is not None
                yield member.name, stream.read()
    except (tarfile.TarError, EOFError) as error:
        raise InputError(path, f"does not read as a tar file ({error})") from error


def _read_kept(unit: _Unit, files: dict[str, str]) -> SceneRecord | None:
    """The scene as an earlier run imported it; None where the shards or its own files have changed."""
    try:
        record = read_json_object(unit.out / IMPORTED / unit.folder.name)
        if record.get("files") != files:
            return None
        scene = read_scene(unit.out / str(record.get("key")))
    except InputError:
        return None
    same = scene.sha256 == record.get("scene_sha256")
    return scene if same and not any(check_scene(scene, deep=True)) else None
