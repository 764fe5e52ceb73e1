"""What the user decides about an export, beyond the scenes and the format."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import SettingsError

# PSHuman and SyncHuman are trained at 768 pixels.
PICTURE_SIZE = 768
LEAST_SIZE, MOST_SIZE = 16, 4096


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `mpc export` that decide what is written; which of them a format uses is told in formats.py.

    Attributes:
        seed: seed of what is random in a format.
        size: edge of the pictures that a format draws anew, pixels.

    Raises:
        SettingsError: a value is out of its bounds.
    """

    seed: int = 0
    size: int = PICTURE_SIZE

    def __post_init__(self) -> None:
        """Check the values."""
        if self.seed < 0:
            raise SettingsError(f"seed {self.seed} is negative")
        if not LEAST_SIZE <= self.size <= MOST_SIZE:
            raise SettingsError(f"size {self.size}: pictures have from {LEAST_SIZE} to {MOST_SIZE} pixels")
