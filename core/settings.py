"""Read trees of frozen dataclasses from plain tables (TOML, JSON, `--set key=value`); an unknown key is an error."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, Union

from .errors import SettingsError
from .messages import unknown_name

Config = TypeVar("Config")

BY_KIND = "by_kind"
"""Key of a field's metadata, for a field that holds one of several dataclasses, which their `kind` distinguishes. The
value is a function from the name of a kind to the default settings of that kind, from which the field then starts."""


def to_table(config: Any) -> dict[str, Any]:
    """A dataclass as nested dictionaries that JSON and TOML can hold: tuples become lists, paths become texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    table = plain(dataclasses.asdict(config))
    assert isinstance(table, dict)
    return table


def override(config: Config, table: Mapping[str, Any], where: str = "") -> Config:
    """A copy of `config` with the table's values.

    Args:
        config: a frozen settings dataclass, possibly with others inside.
        table: nested like `config`; texts are converted to the type of the field ("1e-3", "true", "18,36,72").
        where: dotted name of `config` in messages.

    Raises:
        SettingsError: an unknown key (with the nearest known one), or a value of the wrong kind.
    """
    assert dataclasses.is_dataclass(config)
    assert not isinstance(config, type)
    hints = typing.get_type_hints(type(config))
    fields = {field.name: field for field in dataclasses.fields(config)}
    names = list(fields)
    changes: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{where}.{key}" if where else key
        if key not in names:
            raise SettingsError(unknown_name("setting", key, names, prefix=f"{where}." if where else ""))
        current = getattr(config, key)
        if dataclasses.is_dataclass(current) and not isinstance(current, type):
            if not isinstance(value, Mapping):
                raise SettingsError(f"{name}: expected a table of settings, got {value!r}")
            by_kind, kind = fields[key].metadata.get(BY_KIND), value.get("kind")
            if by_kind is not None and isinstance(kind, str) and kind != getattr(current, "kind", None):
                current = by_kind(kind)
            changes[key] = override(current, value, name)
        else:
            changes[key] = read_value(value, hints[key], name)
    return dataclasses.replace(config, **changes)


def read_value(value: Any, kind: Any, name: str) -> Any:
    """Convert one value to the annotated type: bool, int, float, str, a tuple of these, or None where allowed."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() == "none" and type(None) in arguments):
            return None
        return read_value(value, next(choice for choice in arguments if choice is not type(None)), name)
    if origin is tuple:
        items = [item for item in value.strip("[]() ").split(",") if item.strip()] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise SettingsError(f"{name}: expected a list, got {value!r}")
        return tuple(read_value(item, arguments[0], name) for item in items)
    try:
        if kind is bool:
            return {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}[str(value).lower()]
        if kind is int and not isinstance(value, bool) and float(value) == int(float(value)):
            return int(float(value))
        if kind is float and not isinstance(value, bool) and math.isfinite(float(value)):
            return float(value)
        if kind is str and isinstance(value, str):
            return value.strip()
    except (KeyError, ValueError, TypeError, OverflowError):
        pass
    raise SettingsError(f"{name}: expected {kind.__name__}, got {value!r}")


def dotted(assignments: typing.Iterable[str]) -> dict[str, Any]:
    """`["mining.alpha=0.2", ...]` as a nested table.

    Raises:
        SettingsError: an entry without `=`, or one inside another entry that has a value already.
    """
    table: dict[str, Any] = {}
    for text in assignments:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise SettingsError(f"--set {text!r}: expected key=value, such as surface.learning_rate=1e-3")
        *path, last = key.strip().split(".")
        inner = table
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise SettingsError(f"--set {text!r}: {part} was given a value of its own before")
        inner[last] = value.strip()
    return table
