"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

folder = click.Path(path_type=Path, file_okay=False)
existing_folder = click.Path(path_type=Path, file_okay=False, exists=True)
existing_path = click.Path(path_type=Path, exists=True)
existing_file = click.Path(path_type=Path, dir_okay=False, exists=True)
file = click.Path(path_type=Path, dir_okay=False)

seed = click.option("--seed", type=click.IntRange(min=0), default=0, help="Everything random is derived from it.")
device = click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N.")


def workers(function: Function) -> Function:
    """--jobs and --backend: how units of work are spread; results do not depend on them."""
    function = click.option(
        "--backend", default="loky", help="joblib backend (loky, threading, or a registered cluster's)."
    )(function)
    return click.option("--jobs", type=int, default=0, help="Worker processes; 0: one a core.")(function)


AXES = ["+x", "-x", "+y", "-y", "+z", "-z"]


def placement(function: Function) -> Function:
    """--unit, --up, --facing and --height: what the user knows better than detection."""
    for option in (
        click.option("--height", "height_m", type=float, help="Scale scans to this height, m.  [default: as they are]"),
        click.option("--facing", type=click.Choice(AXES), help="Where people look.  [default: detected]"),
        click.option("--up", type=click.Choice(AXES), help="Up axis.  [default: detected]"),
        click.option(
            "--unit", type=click.Choice(["m", "dm", "cm", "mm", "in", "ft"]), help="Unit of scans.  [default: detected]"
        ),
    ):
        function = option(function)
    return function


def limits(function: Function) -> Function:
    """--subject-timeout and --subject-memory: what one subject may take; see `subject_limits`."""
    function = click.option(
        "--subject-memory", "memory_gb", type=click.FloatRange(min=0.5), metavar="GIB",
        help="Memory one subject may take.  [default: 80 % of the machine's]",
    )(function)  # fmt: skip
    return click.option(
        "--subject-timeout", "timeout_s", type=click.FloatRange(min=0), default=1800.0, metavar="SECONDS",
        help="Time one subject may take for a scene; 0: no bound.",
    )(function)  # fmt: skip


def subject_limits(timeout_s: float, memory_gb: float | None) -> Any:
    """The datasets.guard.Limits of the two options."""
    from ..core.guard import Limits

    memory = None if memory_gb is None else int(memory_gb * 2**30)
    return Limits(timeout_s=timeout_s or None, memory_bytes=memory)


def numbers(flag: str, text: str, count: int | None = None) -> tuple[float, ...]:
    """Numbers separated by commas; a usage error names the flag."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} are not numbers separated by commas", param_hint=flag) from None
    if count is not None and len(values) != count:
        raise click.BadParameter(f"{text!r}: expected {count} numbers", param_hint=flag)
    return values


def report(notices: Iterable[str], failures: Sequence[tuple[str, str]]) -> None:
    """Notices and failed units on stderr; what scenes of one subject share ("subject/scene: text") is said once."""
    shared: dict[tuple[str, str], int] = {}
    for notice in notices:
        name, _, text = notice.partition(": ")
        entry = (name.split("/")[0], text)
        shared[entry] = shared.get(entry, 0) + 1
    for (name, text), count in shared.items():
        say(f"notice: {name}{f' ({count} scenes)' if count > 1 else ''}: {text}")
    for name, reason in failures:
        say(f"failed: {name}: {reason}")


def say(text: str) -> None:
    """One line on stderr; names out of files may hold what moves a terminal's cursor, which is shown as ?."""
    click.echo("".join(letter if letter.isprintable() else "?" for letter in text), err=True)


def finish(failures: Sequence[tuple[str, str]]) -> None:
    """Exit status 3 when something failed."""
    if failures:
        raise click.exceptions.Exit(3)


class SeveralValues(click.Command):
    """Lets the options named in `several` take one or more values after one flag: `--metrics chamfer p2s`."""

    several: tuple[str, ...] = ("--metrics", "--compare", "--layers")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each further value; then click parses as usual."""
        expanded: list[str] = []
        flag: str | None = None
        fresh = False
        for argument in args:
            if argument.startswith("-"):
                flag, fresh = (argument, True) if argument in self.several else (None, False)
                expanded.append(argument)
            else:
                if flag is not None and not fresh:
                    expanded.append(flag)
                expanded.append(argument)
                fresh = False
        return super().parse_args(ctx, expanded)
