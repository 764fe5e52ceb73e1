"""Report the progress of long work: the library calls these methods, and `cli` draws the bar."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one command, which consists of stages, one after the other."""

    def start(self, title: str, total: int) -> None:
        """Begin a stage of `total` units."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Report that `count` more units are done; `note` is a short remark, such as a loss or a name."""

    def finish(self) -> None:
        """End the stage."""

    def message(self, text: str) -> None:
        """Show one line to the user, above the bar."""


class NoProgress:
    """Ignores all reports; the default of library functions."""

    def start(self, title: str, total: int) -> None:
        """Ignored."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Ignored."""

    def finish(self) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""
