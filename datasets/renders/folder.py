"""The renders folder as a whole: the settings that it was made with, and the manifest of a finished run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core import folders
from ...core.files import file_sha256, read_json_object, write_bytes
from ...core.settings import to_table
from ...render.light.lights import load_lights
from .format import RENDERS, read_renders
from .settings import RenderSettings


def check_folder(out: Path, settings: RenderSettings) -> bool:
    """Whether `out` is a renders folder of these settings already; False where it is missing or empty.

    Raises:
        InputError: it is a file, or holds something else.
        SettingsError: it was made with other settings; the message names them.
    """
    return folders.check_folder(out, RENDERS, _recorded(settings))


def claim_folder(out: Path, settings: RenderSettings) -> None:
    """Make `out` a renders folder of these settings, or check that it is one.

    Raises:
        InputError: it is a file, or holds something else.
        SettingsError: it was made with other settings; the message names them.
    """
    folders.claim_folder(out, RENDERS, _recorded(settings))


def _recorded(settings: RenderSettings) -> dict[str, Any]:
    recorded = to_table(settings)
    if settings.lights is not None:
        # Panoramas may change while the folder's name stays, so what was read from them is part of the settings.
        coefficients = load_lights(settings.lights).coefficients
        recorded["lights_sha256"] = hashlib.sha256(coefficients.tobytes()).hexdigest()
    return recorded


def _manifest_lines(out: Path) -> Iterator[str]:
    settings = file_sha256(out / "settings.json")
    for scene in read_renders(out).scenes:
        content = read_json_object(scene.folder / "scene.json")
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
    """Write manifest.jsonl: one line for each scene, with the hashes of its sources and of its files."""
    write_bytes(out / "manifest.jsonl", "".join(_manifest_lines(out)).encode(), shared=True)
