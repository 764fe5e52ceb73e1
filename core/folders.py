"""Folders that hold the results of one set of settings, recorded in their settings.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError, SettingsError
from .files import read_json_object, write_json
from .locks import NAME as LOCK

NAME = "settings.json"


@dataclass(frozen=True)
class FolderFormat:
    """What the settings.json of a folder says about it.

    Attributes:
        name: of the format, such as "mpc-renders".
        version: of the format.
        holds: what the folder holds, a plural noun for messages, such as "renders".
    """

    name: str
    version: int
    holds: str

    def content(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What settings.json holds."""
        return {"format": self.name, "version": self.version, "settings": dict(settings)}


def read_folder_settings(folder: Path, format_: FolderFormat) -> dict[str, Any] | None:
    """The settings that a folder was made with; None where it has no settings.json.

    Raises:
        InputError: settings.json does not read, or is of another format or version.
    """
    path = folder / NAME
    return read_folder_format(path, format_) if path.is_file() else None


def read_folder_format(path: Path, format_: FolderFormat) -> dict[str, Any]:
    """The settings in a settings.json, or in a copy of one.

    Raises:
        InputError: the file is missing, does not read, or is of another format or version.
    """
    content = read_json_object(path)
    if (content.get("format"), content.get("version")) != (format_.name, format_.version):
        raise InputError(
            path,
            f"is {content.get('format')} version {content.get('version')}, "
            f"expected {format_.name} version {format_.version}",
        )
    settings = content.get("settings")
    if not isinstance(settings, dict):
        raise InputError(path, f"does not read as the settings of a {format_.holds} folder")
    return settings


def check_folder(
    folder: Path,
    format_: FolderFormat,
    settings: Mapping[str, Any],
    missing: Mapping[str, Any] | None = None,
    *,
    places: Collection[str] = (),
) -> bool:
    """Whether a folder was made with these settings already; False where it is missing or empty.

    Args:
        folder: where it is or is to be.
        format_: what it should be.
        settings: those it should have.
        missing: the values of settings for folders that were made before there were these settings; nested as they are.
        places: names of settings that are paths. What lies at a path is compared by whoever reads it, so the same files
            may lie elsewhere: of the path itself only counts whether there is one.

    Raises:
        InputError: it is a file, or holds something else.
        SettingsError: it was made with other settings; the message names them.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, f"is a file, expected a folder to write {format_.holds} to")
    # A command that was killed while it wrote settings.json leaves a temporary file, which is no foreign content; nor
    # is the lock of the command that asks. The folder is listed before the settings are read: another writer with a
    # part of the work writes them first, so that what is listed and has none is nobody's part.
    own = (f".{NAME}.", LOCK)
    foreign = folder.is_dir() and any(not child.name.startswith(own) for child in folder.iterdir())
    existing = read_folder_settings(folder, format_)
    if existing is not None:
        refuse_changes(folder, fill_missing(existing, missing or {}), settings, places=places)
        return True
    if foreign:
        raise InputError(folder, f"is not empty and not a {format_.holds} folder; choose another --out")
    return False


def claim_folder(
    folder: Path,
    format_: FolderFormat,
    settings: Mapping[str, Any],
    missing: Mapping[str, Any] | None = None,
    *,
    places: Collection[str] = (),
) -> None:
    """Make a folder with these settings, or check that it is one; arguments and errors are those of `check_folder`."""
    if not check_folder(folder, format_, settings, missing, places=places):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / NAME, format_.content(settings), shared=True)


def fill_missing(existing: Mapping[str, Any], missing: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, with the given values for those that are not among them; so in every table inside."""
    filled = {**missing, **existing}
    for name, value in existing.items():
        if isinstance(value, Mapping) and isinstance(missing.get(name), Mapping):
            filled[name] = fill_missing(value, missing[name])
    return filled


def refuse_changes(
    folder: Path, existing: Mapping[str, Any], settings: Mapping[str, Any], *, places: Collection[str] = ()
) -> None:
    """Raise SettingsError, naming each setting with both values, where a folder was made with other settings.

    Args:
        folder: where it is.
        existing: the settings that it was made with.
        settings: those that it should have.
        places: see `check_folder`.
    """
    names = [*settings, *(name for name in existing if name not in settings)]
    pairs = [(name, existing.get(name), settings.get(name)) for name in names]
    changed = [
        f"{name} {old} -> {new}"
        for name, old, new in pairs
        if ((old is None) != (new is None) if name in places else old != new)
    ]
    if changed:
        raise SettingsError(f"{folder} was made with other settings ({', '.join(changed)}); choose another --out")
