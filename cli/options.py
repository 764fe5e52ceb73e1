"""Options that several commands share, and how commands report what failed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from . import values

Function = TypeVar("Function", bound=Callable[..., Any])

folder = click.Path(path_type=Path, file_okay=False)
existing_folder = click.Path(path_type=Path, file_okay=False, exists=True)
existing_path = click.Path(path_type=Path, exists=True)
existing_file = click.Path(path_type=Path, dir_okay=False, exists=True)
file = click.Path(path_type=Path, dir_okay=False)


class RunFolder(click.Path):
    """A run, a folder of runs, or the word "base" for the networks of the package (models/shipped.py)."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False, exists=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Leave the word as it is where no folder has that name."""
        return Path(value) if str(value) == "base" and not Path("base").exists() else super().convert(value, param, ctx)


run_folder = RunFolder()

AXES = ["+x", "-x", "+y", "-y", "+z", "-z"]

seed = click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of everything random.")
device = click.option("--device", default="auto", help="Device to compute on: auto, cpu, cuda or cuda:N.")
unit = click.option(
    "--unit", type=click.Choice(["m", "dm", "cm", "mm", "in", "ft"]), help="Unit of the meshes.  [default: detected]"
)
up = click.option("--up", type=click.Choice(AXES), help="Axis that points up in the meshes.  [default: detected]")
facing = click.option("--facing", type=click.Choice(AXES), help="Axis that people look along.  [default: detected]")
height = click.option(
    "--height", "height_m", type=float, help="Scale scans to this height, metres.  [default: not scaled]"
)
keep_parts = click.option(
    "--keep-parts", is_flag=True,
    help="Draw and label also what is no part of the person (floor, wall, second person), which is left out otherwise.",
)  # fmt: skip
use_mask = click.option(
    "--use-mask/--ignore-mask", default=True, help="Skip points that the mask shows to be outside of the person."
)
photo_colours = click.option(
    "--photo-colours/--network-colours", default=True,
    help="Colour what the picture shows by the picture, or everything by the texture network.",
)  # fmt: skip
both_ways = click.option(
    "--both-ways/--one-way", default=True,
    help="Average predicted depths with those of the mirror image, where the network predicts any.",
)  # fmt: skip
rays = click.option(
    "--rays", type=click.IntRange(16, 65536), default=240, help="Number of directions of the light transfer."
)
jobs = click.option("--jobs", type=int, default=0, help="Number of worker processes; 0 starts one per core.")


def layer_names() -> Iterable[str]:
    """The layers that can be drawn beside the lit pictures."""
    from ..render.layers import BODY_LAYERS, LAYERS

    return (*LAYERS, *BODY_LAYERS)


def stored_layer_names() -> Iterable[str]:
    """The layers that renders can hold: those that are drawn on request, and what --backgrounds adds."""
    from ..datasets.renders.backdrops import PHOTO

    return (*layer_names(), PHOTO)


def workers(function: Callable[..., None]) -> Callable[..., None]:
    """--jobs, --backend and --scheduler: how units of work are distributed. Results do not depend on them."""

    @functools.wraps(function)
    def connected(*arguments: Any, backend: str, scheduler: str | None, **others: Any) -> None:
        from ..core.cluster import CLUSTERS, connect

        if backend in CLUSTERS:
            refuse_ignored(f"with --backend {backend}, which uses all workers of the cluster", "jobs")
        else:
            refuse_ignored(f"with --backend {backend}", "scheduler")
        with connect(backend, scheduler):
            function(*arguments, backend=backend, **others)

    spread = click.option(
        "--backend", default="loky",
        help="How work is spread: loky (processes) or threading on this machine; dask or ray on a cluster.",
    )  # fmt: skip
    where = click.option(
        "--scheduler", metavar="ADDRESS",
        help="The cluster: of Dask HOST:PORT or a scheduler file, of Ray HOST:PORT or auto.  "
        "[default: of Ray, one that is started here]",
    )  # fmt: skip
    return jobs(spread(where(connected)))


def placement(function: Callable[..., None]) -> Callable[..., None]:
    """--unit, --up, --facing, --height and --keep-parts, which the command receives as `load`, a PlacementOptions."""

    @functools.wraps(function)
    def with_load(
        *arguments: Any, unit: str | None, up: str | None, facing: str | None, height_m: float | None,
        keep_parts: bool, **others: Any,
    ) -> None:  # fmt: skip
        from ..subjects.placement import PlacementOptions

        load = PlacementOptions(unit=unit, up=up, facing=facing, height_m=height_m, keep_parts=keep_parts or None)
        function(*arguments, load=load, **others)

    return unit(up(facing(height(keep_parts(with_load)))))


def selection(function: Callable[..., None]) -> Callable[..., None]:
    """--only, --exclude and --fixes, which the command receives as `selection`, a Selection."""

    @functools.wraps(function)
    def with_selection(
        *arguments: Any, only: tuple[str, ...], exclude: tuple[str, ...], fixes: Path | None, **others: Any
    ) -> None:
        from ..subjects.selection import Selection

        function(*arguments, selection=Selection(only=tuple(only), exclude=tuple(exclude), fixes=fixes), **others)

    take = values.names(
        "--only", known=tuple, metavar="PATTERN...",
        help="Take only subjects of these names, such as 'scan_*'; * and ? stand for other letters.",
    )  # fmt: skip
    leave = values.names("--exclude", known=tuple, metavar="PATTERN...", help="Leave out subjects of these names.")
    obey = click.option(
        "--fixes", type=existing_file,
        help="TOML file with unit, up, facing, height, keep_parts and exclude of single subjects, see "
        "mpc check --write-fixes.",
    )  # fmt: skip
    return take(leave(obey(with_selection)))


def limits(function: Callable[..., None]) -> Callable[..., None]:
    """--subject-timeout and --subject-memory, which the command receives as `limits`, a guard.Limits."""

    @functools.wraps(function)
    def with_limits(*arguments: Any, timeout_s: float, memory_gib: float | None, **others: Any) -> None:
        from ..core.guard import Limits

        memory = None if memory_gib is None else int(memory_gib * 2**30)
        function(*arguments, limits=Limits(timeout_s=timeout_s or None, memory_bytes=memory), **others)

    memory = click.option(
        "--subject-memory", "memory_gib", type=click.FloatRange(min=0.5), metavar="GIB",
        help="Memory that one subject may take.  [default: 80 % of the usable memory, divided by --jobs]",
    )  # fmt: skip
    timeout = click.option(
        "--subject-timeout", "timeout_s", type=click.FloatRange(min=0), default=1800.0, metavar="SECONDS",
        help="Time that one scene of a subject may take; 0 sets no bound.",
    )  # fmt: skip
    return timeout(memory(with_limits))


def parts(function: Callable[..., None]) -> Callable[..., None]:
    """--part and --finish: several commands, which may run on several machines, share the work of one folder."""

    @functools.wraps(function)
    def with_part(*arguments: Any, part: str | None, finish: bool, **others: Any) -> None:
        from ..core.parts import Part

        if finish:
            refuse_ignored("with --finish, which sums up what the parts did", "part", "backend", "repair", "renderer")
        chosen = None if part is None else Part.parse(part)
        function(*arguments, part=chosen, finish=finish, **others)

    whole = click.option("--finish", is_flag=True, help="Finish the folder when all parts have ended.")
    one = click.option(
        "--part", metavar="K/N", help="Do the K-th of N parts of the work, beside other commands that do the others."
    )
    return one(whole(with_part))


def split(function: Function) -> Function:
    """--split and --split-file: which subjects are for training, validation and test. They exclude each other."""
    function = click.option(
        "--split-file",
        type=existing_path,
        help="Your own split instead: a JSON file, or a folder with train.txt, val.txt and test.txt.",
    )(function)
    function = click.option(
        "--group-by", metavar="REGEX",
        help="Regular expression that finds the person in a subject's name, such as '^([a-z]+)_'; subjects of one "
        "person are not parted.  [default: names of known data sets]",
    )(function)  # fmt: skip
    return values.numbers(
        "--split", "ratios", exactly=3, default=(0.8, 0.1, 0.1), metavar="TRAIN VAL TEST",
        help="Shares of train, val and test. Subjects are split, never the views of one subject.",
    )(function)  # fmt: skip


def server(function: Function) -> Function:
    """--host, --port and --open: where a page is served."""
    function = click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")(function)
    function = click.option("--port", type=click.IntRange(0, 65535), default=8080, help="Port; 0 takes a free one.")(
        function
    )
    return click.option(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="Address to listen on. The default one is reached from this machine alone; 0.0.0.0 lets in everybody.",
    )(function)  # fmt: skip


def is_given(name: str) -> bool:
    """Whether the user gave a parameter of the current command, such as "texture_size", on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse_ignored(mode: str, *names: str) -> None:
    """Raise a usage error for options that the user gave although the command ignores them.

    Args:
        mode: in which the command ignores them, such as "with --resume".
        names: parameters of the current command, such as "texture_size".
    """
    given = [
        "/".join([*parameter.opts, *parameter.secondary_opts])
        for parameter in click.get_current_context().command.params
        if parameter.name in names and is_given(parameter.name)
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: no effect {mode}")


def report(notices: Iterable[str], failures: Sequence[tuple[str, str]], folder: Path | None = None) -> None:
    """Print notices and failed units on stderr; of the notices of a subject the first, and how many more there are.

    Args:
        notices: "subject: text" or "subject/scene: text".
        failures: (name, reason).
        folder: where the command logs all notices (core/notices.py); None where it logs none.
    """
    from ..core.notices import LOG, one_a_subject

    log = None if folder is None else folder / LOG
    for subject, text, more in one_a_subject(notices):
        say(f"notice: {subject}: {text}{f' (and {more} more)' if more else ''}")
    if log is not None and log.is_file():
        with log.open("rb") as file:
            lines = sum(1 for _ in file)
        say(f"all notices, those of earlier runs included: {lines} lines in {log}")
    for name, reason in failures:
        say(f"failed: {name}: {reason}")


def say(text: str) -> None:
    """Print one line on stderr."""
    from ..core.notices import printable

    click.echo(printable(text), err=True)


def finish(failures: Sequence[tuple[str, str]]) -> None:
    """End with exit status 3 when something failed."""
    if failures:
        raise click.exceptions.Exit(3)
