"""From what a user typed to resolved settings: preset, TOML file, single settings, flags; the later wins."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .presets import auto_preset, preset
from .settings import TrainSettings, read_config, resolve_settings


def choose_settings(
    name: str,
    *,
    config: Path | None = None,
    assignments: Iterable[str] = (),
    mining: str | None = None,
    stage: str | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    seed: int | None = None,
) -> tuple[TrainSettings, str]:
    """The settings of a run and one line for the user about a choice made for him ("" where he chose himself).

    Args:
        name: a preset, or "auto" for what suits this machine.
        config: TOML file of settings.
        assignments: texts such as "surface.steps=500".
        mining, stage, max_minutes, device, seed: None leaves what the above give.

    Raises:
        SettingsError: an unknown preset or key, or a wrong value.
        InputError: the file does not read.
    """
    remark = ""
    if name == "auto":
        name, remark = auto_preset()
    flags: dict[str, Any] = {
        "stages": stage,
        "max_minutes": max_minutes,
        "device": device,
        "seed": seed,
        "mining": None if mining is None else {"mode": mining},
    }
    given = {key: value for key, value in flags.items() if value is not None}
    settings = resolve_settings(preset(name), config=read_config(config) if config else None, assignments=assignments)
    return resolve_settings(settings, config=given), remark
