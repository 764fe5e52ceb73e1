"""Frozen dataclasses out of JSON: the inverse of `dataclasses.asdict` for the plans and poses of people."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar

Record = TypeVar("Record")


def read_record(kind: type[Record], table: Any) -> Record:
    """Build a dataclass from what `asdict` made of it and JSON kept.

    Args:
        kind: the dataclass; its fields hold numbers, texts, dictionaries, tuples and dataclasses. Of several
            dataclasses the one that has the fields of the table is taken.
        table: its fields by name; those that have defaults may be missing.

    Raises:
        ValueError: a field is missing, unknown or of another kind.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(typing.cast("Any", kind))
    names = [field.name for field in fields]
    needed = {
        field.name for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }  # fmt: skip
    if not isinstance(table, dict) or not needed <= set(table) <= set(names):
        raise ValueError(f"{kind.__name__}: expected the fields {', '.join(names)}, got {table!r}")
    return kind(**{name: _read(hints[name], value) for name, value in table.items()})


def _read(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _read(next(one for one in arguments if _fits(one, value)), value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_read(one, item) for one, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {key: _read(arguments[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return read_record(typing.cast("type[Any]", kind), value)
    if not isinstance(value, (int, float) if kind is float else kind):
        raise ValueError(f"expected {kind.__name__}, got {value!r}")
    return kind(value)


def _fits(kind: Any, value: Any) -> bool:
    return isinstance(value, dict) and {field.name for field in dataclasses.fields(kind)} == set(value)
