"""Draw progress: a bar on a terminal, or a line every few seconds where the output is a file or a pipe."""

from __future__ import annotations

import sys
import time
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
    TimeRemainingColumn,
)
from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0


def rate(per_second: float) -> str:
    """A rate as text: "12.5/s", or below one per second "7.5/min"."""
    return f"{per_second:.1f}/s" if per_second >= 1.0 else f"{60.0 * per_second:.1f}/min"


class _RateColumn(ProgressColumn):
    """The recent rate, in units per second or minute."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else rate(task.speed), style="progress.data.speed")


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
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
        self._task: TaskID | None = None
        self._title, self._total, self._done = "", 0, 0
        self._started = self._last = 0.0

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
        self._title, self._total, self._done = title, total, 0
        self._started = self._last = time.monotonic()
        if self._bar is not None:
            self._task = self._bar.add_task(title, total=total, note="")
        else:
            self._line(f"{title}: 0/{total}")

    def advance(self, count: int = 1, note: str = "") -> None:
        """Report that `count` more units are done."""
        self._done += count
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=count, note=note)
        elif time.monotonic() - self._last > SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            each = max(self._last - self._started, 1e-9) / max(self._done, 1)
            left = each * (self._total - self._done)
            pace = rate(1.0 / each)
            self._line(f"{self._title}: {self._done}/{self._total}, {pace}, about {left:.0f} s left {note}".rstrip())

    def finish(self) -> None:
        """End the stage."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=self._done, note="")
            self._task = None
        else:
            self._line(f"{self._title}: {self._done} done in {time.monotonic() - self._started:.0f} s")

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
