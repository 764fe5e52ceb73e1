"""Draw progress: a bar on a terminal, or a line every few seconds where the output is a file or a pipe."""

from __future__ import annotations

import sys
import threading
import time
from datetime import timedelta
from types import TracebackType

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from ..core.progress import Pace

SECONDS_BETWEEN_LINES = 10.0


def rate(per_second: float) -> str:
    """A rate as text: "12.5/s", or below one per second "7.5/min"."""
    return f"{per_second:.1f}/s" if per_second >= 1.0 else f"{60.0 * per_second:.1f}/min"


class _RateColumn(ProgressColumn):
    """The mean rate of the stage, in units per second or minute."""

    def render(self, task: Task) -> Text:
        pace = task.fields["pace"].per_second
        return Text("" if pace is None else rate(pace), style="progress.data.speed")


class _LeftColumn(ProgressColumn):
    """The time that is left, as hours, minutes and seconds."""

    def render(self, task: Task) -> Text:
        left = task.fields["pace"].left_s
        return Text("-:--:--" if left is None else str(timedelta(seconds=round(left))), style="progress.remaining")


class TerminalProgress:
    """A core.progress.Progress that draws on stderr; use it as a context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _RateColumn(),
                TimeElapsedColumn(),
                _LeftColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
        self._task: TaskID | None = None
        self._title, self._pace, self._last = "", Pace(0), 0.0
        self._lock = threading.Lock()  # several threads may report at a time

    def __enter__(self) -> TerminalProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, title: str, total: int) -> None:
        """Begin a stage."""
        self._title, self._pace = title, Pace(total, time.monotonic)
        self._last = self._pace.started
        if self._bar is not None:
            self._task = self._bar.add_task(title, total=total, note="", pace=self._pace)
        else:
            self._line(f"{title}: 0/{total}")

    def advance(self, count: int = 1, note: str = "") -> None:
        """Report that `count` more units are done."""
        with self._lock:
            self._pace.advance(count)
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, advance=count, note=note)
            elif time.monotonic() - self._last > SECONDS_BETWEEN_LINES:
                self._last = time.monotonic()
                pace, left = self._pace.per_second, self._pace.left_s
                told = "" if pace is None or left is None else f", {rate(pace)}, about {left:.0f} s left"
                self._line(f"{self._title}: {self._pace.done}/{self._pace.total}{told} {note}".rstrip())

    def skip(self, count: int) -> None:
        """Report that `count` units were done before this stage."""
        with self._lock:
            self._pace.skip(count)
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, advance=count)

    def finish(self) -> None:
        """End the stage."""
        done, elapsed_s = self._pace.done, self._pace.elapsed_s
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=done, note="")
            self._task = None
        else:
            self._line(f"{self._title}: {done} done in {elapsed_s:.0f} s")

    def message(self, text: str) -> None:
        """Show one line to the user."""
        if self._bar is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        else:
            self._line(text)

    @staticmethod
    def _line(text: str) -> None:
        click.echo(text, err=True)
        sys.stderr.flush()
