"""Errors that a user can correct: one clear line that names the file and the reason, never a traceback."""

from __future__ import annotations

from pathlib import Path


class MpcError(Exception):
    """Base of all errors caused by the input or the settings; commands print them as one line and exit."""


class InputError(MpcError):
    """A file or folder that cannot be used.

    Args:
        path: the file or folder at fault.
        reason: why, in words a user can act on.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[InputError], tuple[Path, str]]:
        # Worker processes send errors back by pickle; the default would call __init__ with the joined message.
        return type(self), (self.path, self.reason)


class SettingsError(MpcError):
    """A setting that is unknown, out of range, or contradicts what is on disk; the message names it."""
