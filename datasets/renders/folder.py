"""The settings that a renders folder was made with."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core import folders
from ...core.files import file_sha256
from ...core.settings import to_table
from ...render.light.lights import load_lights
from .backdrops import open_backdrops
from .camera_files import read_cameras
from .format import RENDERS
from .settings import RenderSettings

# What folders were made with that are older than a setting, where the default of today is another.
OLDER = {"centre": "pelvis"}
# What lies there is compared, and not where it lies: motions are part of each scene's provenance
# (OpenSubject.digest), panoramas, backgrounds, cameras and the body model are hashed below.
PLACES = ("animations", "bone_map", "lights", "backgrounds", "camera_file", "body_model")


def keep_centre(out: Path, settings: RenderSettings) -> RenderSettings:
    """The settings, with the cube's middle that the renders of `out` have already, if there are any.

    So a command that does not choose the middle goes on with a folder that an earlier version made, whose default was
    another.

    Raises:
        InputError: `out` is a folder of another format, or its settings do not read.
        SettingsError: its settings name a middle that there is not.
    """
    existing = folders.read_folder_settings(out, RENDERS)
    return settings if existing is None else replace(settings, centre={**OLDER, **existing}["centre"])


def check_folder(out: Path, settings: RenderSettings) -> bool:
    """Whether `out` is a renders folder of these settings already; False where it is missing or empty.

    Raises:
        InputError: it is a file, or holds something else.
        SettingsError: it was made with other settings; the message names them.
    """
    return folders.check_folder(out, RENDERS, _recorded(settings), _missing(), places=PLACES)


def claim_folder(out: Path, settings: RenderSettings) -> None:
    """Make `out` a renders folder of these settings, or check that it is one.

    Raises:
        InputError: it is a file, or holds something else.
        SettingsError: it was made with other settings; the message names them.
    """
    folders.claim_folder(out, RENDERS, _recorded(settings), _missing(), places=PLACES)


def _missing() -> dict[str, Any]:
    """The values of settings that a folder does not record, since it is older than they are: their defaults."""
    return {**_table(RenderSettings()), **OLDER}


def _table(settings: RenderSettings) -> dict[str, Any]:
    table = to_table(settings)
    if table["load"]["keep_parts"] is None:  # folders that are older than this option do not record it
        del table["load"]["keep_parts"]
    return table


def _recorded(settings: RenderSettings) -> dict[str, Any]:
    recorded = _table(settings)
    if settings.lights is not None:
        # Panoramas may change while the folder's name stays, so what was read from them is part of the settings.
        coefficients = load_lights(settings.lights).coefficients
        recorded["lights_sha256"] = hashlib.sha256(coefficients.tobytes()).hexdigest()
    if settings.backgrounds is not None:
        recorded["backgrounds_sha256"] = open_backdrops(settings.backgrounds, settings.exposure_ev).digest()
    if settings.camera_file is not None:
        digest = hashlib.sha256()
        for camera in read_cameras(settings.camera_file, settings.camera_up):
            digest.update(f"{camera.name}\x1f{camera.fov_deg!r}".encode())
            digest.update(camera.eye_world.tobytes() + camera.rotation.tobytes())
        recorded["cameras_sha256"] = digest.hexdigest()
    if settings.body_model is not None:
        recorded["body_model_sha256"] = file_sha256(settings.body_model)
    return recorded
