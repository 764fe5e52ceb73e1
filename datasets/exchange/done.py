"""What an export has finished: `.done/<scene>` in its folder records the source and every file that was written.

A scene is written aside, below `.parts`, and renamed into its places when it is whole; then its record is written. A
run that was stopped in between leaves no record, and the next one writes the scene again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ...core.errors import InputError
from ...core.files import file_sha256, read_json_object, sync, write_json

DONE, PARTS = ".done", ".parts"
Record = dict[str, Any]


def read_record(out: Path, name: str) -> Record:
    """The record of a scene; empty where there is none, or it is one of an earlier version, which held nothing."""
    try:
        return read_json_object(out / DONE / name)
    except InputError:
        return {}


def is_kept(out: Path, name: str, source: dict[str, Any]) -> bool:
    """Whether a scene was written from this source, and its files are there with the size they were written with."""
    record = read_record(out, name)
    if record.get("source") != source:
        return False
    try:
        return all((out / path).stat().st_size == size for path, (size, _) in record["files"].items())
    except (OSError, KeyError, TypeError, ValueError):
        return False


class Exported(Protocol):
    """A scene to export, by the format of the export."""

    @property
    def name(self) -> str:
        """The scene's name in the export."""

    @property
    def source(self) -> dict[str, Any]:
        """What decides the files that are written; a scene of another source is exported again."""

    def folders(self, out: Path) -> Sequence[Path]:
        """The scene's folders in an export at `out`."""

    def write(self, out: Path) -> tuple[str, ...]:
        """Write the scene as an export at `out`; gives notices for the user."""


def publish(out: Path, scene: Exported) -> tuple[str, ...]:
    """Write a scene aside, put it into its places, and record it.

    Args:
        out: the folder of the export.
        scene: the scene.

    Returns:
        Notices for the user.

    Raises:
        OSError: of the disk; what was there stays, unless it was about to be replaced.
    """
    name = scene.name
    stage = out / PARTS / name
    shutil.rmtree(stage, ignore_errors=True)
    aside = stage / out.name
    aside.mkdir(parents=True)
    notices = scene.write(aside)
    remove_exported(out, name)
    files: dict[str, tuple[int, str]] = {}
    for staged, final in zip(scene.folders(aside), scene.folders(out), strict=True):
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        shutil.move(staged, final)
        sync(final.parent)
        for path in sorted(path for path in final.rglob("*") if path.is_file()):
            files[os.path.relpath(path, out)] = (path.stat().st_size, file_sha256(path))
    write_json(out / DONE / name, {"source": scene.source, "files": files})
    shutil.rmtree(stage)
    return notices


def remove_exported(out: Path, name: str) -> None:
    """Remove a scene's record, then the files that it lists and their folders."""
    record = read_record(out, name)
    (out / DONE / name).unlink(missing_ok=True)
    places = {(out / path).parent for path in record.get("files", {})}
    for path in record.get("files", {}):
        (out / path).unlink(missing_ok=True)
    for folder in sorted(places, key=lambda folder: len(folder.parts), reverse=True):
        for place in (folder, folder.parent):  # ICON's views have folders inside the scene's
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def check_exported(out: Path, name: str) -> None:
    """Compare the files of a scene with its record, where there is one.

    Raises:
        InputError: one is not what was exported; says what to do.
    """
    for path, (_, digest) in read_record(out, name).get("files", {}).items():
        file = out / path
        try:
            same = file_sha256(file) == digest
        except OSError as error:
            raise InputError(file, f"cannot be read ({error.strerror})") from error
        if not same:
            reason = (
                f"is not what `mpc export` wrote; export it again, or remove {out / DONE / name} to take it as it is"
            )
            raise InputError(file, reason)
