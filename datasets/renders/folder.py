"""The renders folder as a whole: whose settings it holds, and the manifest of a finished run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.errors import InputError, SettingsError
from ...core.files import file_sha256, write_bytes, write_json
from ...render.light.lights import load_lights
from .format import FORMAT, VERSION, read_renders, read_settings, remove_leftovers
from .settings import RenderSettings


def check_folder(out: Path, settings: RenderSettings) -> dict[str, Any]:
    """What settings.json of the folder says, or is to say, about these settings.

    Raises:
        InputError: `out` holds something else.
        SettingsError: it was made with other settings; names them.
    """
    if out.exists() and not out.is_dir():
        raise InputError(out, "is a file, expected a folder to write renders to")
    existing = read_settings(out)
    wanted = settings.as_json()
    if settings.lights is not None:
        # The folder's name says little: another panorama in it is another setting.
        coefficients = load_lights(settings.lights).coefficients
        wanted["lights_sha256"] = hashlib.sha256(coefficients.tobytes()).hexdigest()
    if existing is None:
        remove_leftovers(out)  # a run killed while it wrote its settings
        if out.is_dir() and any(out.iterdir()):
            raise InputError(out, "is not empty and not a renders folder; choose another --out")
        return wanted
    changed = [
        f"{name} {existing['settings'].get(name)} -> {value}"
        for name, value in wanted.items()
        if existing["settings"].get(name) != value
    ]
    if changed:
        raise SettingsError(f"{out} was rendered with other settings ({', '.join(changed)}); choose another --out")
    return wanted


def claim_folder(out: Path, settings: RenderSettings) -> None:
    """Make `out` a renders folder of these settings; errors as of `check_folder`."""
    wanted = check_folder(out, settings)
    if read_settings(out) is None:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "settings.json", {"format": FORMAT, "version": VERSION, "settings": wanted}, shared=True)


def _manifest_lines(out: Path) -> Iterator[str]:
    settings = file_sha256(out / "settings.json")
    for scene in read_renders(out).scenes:
        content = json.loads((scene.folder / "scene.json").read_text())
        line = {
            "key": scene.key,
            "kind": scene.kind,
            "views": len(scene.views),
            "renderer": scene.notes.get("renderer"),
            "source_sha256": scene.notes.get("source_sha256"),
            "source_files": scene.notes.get("source_files", {}),
            "settings_sha256": settings,
            "files": content["files"],
        }
        yield json.dumps(line, sort_keys=True) + "\n"


def write_manifest(out: Path) -> None:
    """Write manifest.jsonl: one line a scene, with the hashes of all it was made from and of its files."""
    write_bytes(out / "manifest.jsonl", "".join(_manifest_lines(out)).encode(), shared=True)
