"""A command that is stopped in the middle, as Ctrl-C stops it: at a chosen call of one of its functions."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest


def stop_at_call(patch: pytest.MonkeyPatch, module: ModuleType, name: str, calls: int) -> list[Any]:
    """Let a function of a module be called so many times; the next call raises KeyboardInterrupt.

    Returns:
        The first argument of each call that was made, filled as they are made.
    """
    real, made = getattr(module, name), []

    def call(first: Any, *rest: Any, **named: Any) -> Any:
        if len(made) == calls:
            raise KeyboardInterrupt
        made.append(first)
        return real(first, *rest, **named)

    patch.setattr(module, name, call)
    return made
