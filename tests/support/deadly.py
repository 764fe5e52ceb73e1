"""Units of work that kill their process where a test wants them to."""

import importlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deadly:
    """Takes the place of a unit's function in the parent; the child calls the real one, except for one unit.

    Attributes:
        module: where the real function is.
        name: of the real function.
        hits: whether a unit is the one.
    """

    module: str
    name: str
    hits: Callable[[Any], bool]

    def __call__(self, unit):
        if self.hits(unit):
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(importlib.import_module(self.module), self.name)(unit)


def plant(monkeypatch, module: str, name: str, hits: Callable[[Any], bool]) -> None:
    """Put a Deadly in the place of a function."""
    monkeypatch.setattr(importlib.import_module(module), name, Deadly(module, name, hits))
