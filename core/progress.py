"""How long work tells of its progress: the library reports, `cli` draws the bar."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one command; stages follow one another."""

    def start(self, title: str, total: int) -> None:
        """A stage of `total` units begins."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` more units are done; `note` is a short remark (a loss, a name)."""

    def finish(self) -> None:
        """The stage has ended."""

    def message(self, text: str) -> None:
        """One line for the user, above the bar."""


class NoProgress:
    """Tells nobody; the default of library calls."""

    def start(self, title: str, total: int) -> None:
        """Ignored."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Ignored."""

    def finish(self) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""
