"""The settings that a renders folder was made with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ...core import folders
from ...core.settings import to_table
from ...render.light.lights import load_lights
from .format import RENDERS
from .settings import RenderSettings

# Settings of later versions, which folders made before do not record: left out where they have their default.
LATER = ("light_names", "exposure_ev")


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
    for name, default in to_table(RenderSettings()).items():
        if name in LATER and recorded[name] == default:
            del recorded[name]
    if settings.lights is not None:
        # Panoramas may change while the folder's name stays, so what was read from them is part of the settings.
        coefficients = load_lights(settings.lights).coefficients
        recorded["lights_sha256"] = hashlib.sha256(coefficients.tobytes()).hexdigest()
    return recorded
