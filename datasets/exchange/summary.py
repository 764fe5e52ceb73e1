"""What an export or an import did; exports and imports share it without importing one another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ExchangeSummary:
    """The result of an export or import.

    Attributes:
        out: the folder written.
        written: number of scenes written by this run.
        kept: number of finished scenes kept from earlier runs.
        failures: (scene, reason) of each scene that failed.
        notices: messages for the user.
    """

    out: Path
    written: int
    kept: int
    failures: tuple[tuple[str, str], ...]
    notices: tuple[str, ...] = ()
