"""Which scenes of a renders folder belong to its last finished run; the others are set aside, and removed on request.

A person may have left the models, or another file may have taken the place of a person's. The scenes that were
rendered before stay on disk, but whoever reads the folder is to leave them out, or one person would be there under two
names, or two persons under one. `finish_run` compares what a run found with what the folder holds.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import InputError
from ...core.files import file_sha256
from .format import MESH, TEXTURES, SceneRecord, read_scene, scene_folders
from .listing import scene_facts
from .manifest import Line, append_manifest, read_manifest
from .mesh_file import texture_names
from .write import remove_leftovers

GONE = "its person was not found by the last run"
CHANGED = "its source has changed, and the last run could not render it again"
UNASKED = "the last run made other scenes of this person"


@dataclass(frozen=True, kw_only=True)
class SubjectScenes:
    """The scenes that a run has of one subject.

    Attributes:
        subject: the subject's id.
        lines: the manifest's lines about its scenes, by key (see `describe_scene`).
        complete: whether these are all; False where the run failed before it knew which scenes there are.
        source_sha256: see Provenance; None where it is not known.
    """

    subject: str
    lines: dict[str, Line] = field(default_factory=dict)
    complete: bool = True
    source_sha256: str | None = None


def describe_scene(scene: SceneRecord) -> Line:
    """The manifest's line about a scene on disk."""
    return {
        "key": scene.key,
        "kind": scene.kind,
        "renderer": scene.notes.get("renderer"),
        **scene_facts(scene),
        "source_files": scene.notes.get("source_files", {}),
        "scene_sha256": scene.sha256,
        "files": scene.files,
    }


def finish_run(
    out: Path,
    subjects: Collection[str],
    outcomes: Iterable[SubjectScenes],
    *,
    prune: bool = False,
    unsure: bool = False,
) -> tuple[str, ...]:
    """Record which scenes belong to a run that has ended, and set the others aside.

    Args:
        out: the renders folder.
        subjects: ids of all people that the models hold, those included that the run did not have to look at.
        outcomes: what the run has of each person that it looked at.
        prune: remove what is set aside.
        unsure: part of the models could not be looked at, so that nobody is known to be gone.

    Returns:
        For each person of whom scenes are set aside a line that names them, and for each of whom they were removed.

    Raises:
        InputError: the manifest is damaged.
        OSError: of the disk.
    """
    before = read_manifest(out) or {}
    settings = file_sha256(out / "settings.json")
    found = {outcome.subject: outcome for outcome in outcomes}
    after: dict[str, Line] = {}
    for outcome in found.values():
        after.update({key: {**line, "settings_sha256": settings} for key, line in outcome.lines.items()})
    present = {folder.relative_to(out).as_posix(): folder for folder in scene_folders(out)}
    aside: dict[str, str] = {}
    for key, folder in present.items():
        if key not in after:
            known = key.partition("/")[0] in subjects or not unsure
            why = _why_aside(key, folder, subjects, found, before.get(key)) if known else _as_before(before.get(key))
            if why is not None:
                aside[key] = why
    if prune:
        remove_scenes(out, aside)
    after.update({key: {"key": key, "removed": True} if prune else {"key": key, "aside": aside[key]} for key in aside})
    after.update(
        {key: {"key": key, "removed": True} for key in before if key not in present and "aside" in before[key]}
    )
    append_manifest(out, (after[key] for key in sorted(after) if after[key] != before.get(key)))
    return tuple(_tell(aside, prune))


def _why_aside(
    key: str, folder: Path, subjects: Collection[str], found: dict[str, SubjectScenes], before: Line | None
) -> str | None:
    """Why a scene that the run has not made does not belong to it; None where it still counts as it did before."""
    subject = key.partition("/")[0]
    if subject not in subjects:
        return GONE
    if subject not in found:  # the run was not to look at this person
        return _as_before(before)
    outcome = found[subject]
    if outcome.complete:
        return UNASKED
    if outcome.source_sha256 is None:
        return None
    try:
        source = read_scene(folder).notes.get("source_sha256")
    except InputError:
        return None  # damaged: whoever reads it is told so
    return None if source == outcome.source_sha256 else CHANGED


def _as_before(line: Line | None) -> str | None:
    """Why a scene was set aside before, by the manifest's line about it."""
    return None if line is None or "aside" not in line else str(line["aside"])


def _tell(aside: dict[str, str], removed: bool) -> Iterator[str]:
    keys: dict[tuple[str, str], list[str]] = {}
    for key, why in sorted(aside.items()):
        keys.setdefault((key.partition("/")[0], why), []).append(key)
    for (subject, why), own in keys.items():
        count = own[0] if len(own) == 1 else f"{len(own)} scenes"
        what = "removed" if removed else "set aside, `mpc sample` will not take it (--prune removes it)"
        yield f"{subject}: {count}: {why}: {what}"


def remove_scenes(out: Path, keys: Iterable[str]) -> None:
    """Remove scenes, and of their people what no other scene needs: textures, and the folder itself."""
    subjects = set()
    for key in keys:
        folder = out / key
        subjects.add(folder.parent)
        # The name is one that the next run removes, should this one be killed meanwhile: a scene is whole or absent.
        dropped = folder.with_name(f".{folder.name}.tmp-pruned")
        shutil.rmtree(dropped, ignore_errors=True)
        folder.rename(dropped)
        shutil.rmtree(dropped)
    for subject in subjects:
        remove_leftovers(subject)
        needed = set().union(*(texture_names(mesh) for mesh in subject.glob(f"[!.]*/{MESH}")), ())
        for texture in (subject / TEXTURES).glob("*"):
            if texture.name not in needed:
                texture.unlink()
        for folder in (subject / TEXTURES, subject):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def group_refused(refused: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Join the refusals of scenes of one person that have the same reason: (subject or scene key, reason), sorted."""
    keys: dict[tuple[str, str], list[str]] = {}
    for key, reason in refused.items():
        keys.setdefault((key.partition("/")[0], reason), []).append(key)
    return tuple(
        sorted(
            (own[0], reason) if len(own) == 1 else (subject, f"{len(own)} scenes: {reason}")
            for (subject, reason), own in keys.items()
        )
    )
