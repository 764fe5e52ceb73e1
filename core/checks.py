"""Checks of settings: ranges and choices. Each raises a SettingsError that gives name, value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import SettingsError


def check_range(name: str, value: float, least: float, most: float | None = None) -> None:
    """Raise SettingsError unless `least <= value <= most`; without `most` there is no upper bound."""
    if not value >= least or (most is not None and value > most):  # written so that NaN is refused
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise SettingsError(f"{name} is {value}, expected {bounds}")


def check_ranges(settings: Any, **ranges: tuple[float, float | None]) -> None:
    """`check_range` for attributes of a settings object.

    Args:
        settings: has an attribute of each name.
        ranges: least and greatest allowed value by attribute; None for no upper bound.
    """
    for name, (least, most) in ranges.items():
        check_range(name, getattr(settings, name), least, most)


def check_least(settings: Any, least: float, *names: str) -> None:
    """Raise SettingsError for attributes of a settings object that are below `least`."""
    for name in names:
        check_range(name, getattr(settings, name), least)


def check_choice(name: str, value: Any, allowed: Iterable[Any]) -> None:
    """Raise SettingsError unless `value` is one of the allowed ones."""
    choices = list(allowed)
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}, expected one of {', '.join(str(choice) for choice in choices)}")
