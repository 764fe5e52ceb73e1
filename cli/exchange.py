"""`mpc export` and `mpc import`: to and from the training folders of PIFu and ICON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from . import options

layout = click.option(
    "--format", "layout", type=click.Choice(["pifu", "icon"]), required=True, help="Whose training folder."
)


@click.command(name="export")
@click.argument("renders", type=options.existing_folder, default="renders")
@click.argument("out", type=options.folder)
@layout
@click.option("--split", default="0.8,0.1,0.1", help="Shares of train, val, test (by subject, never by view).")
@click.option(
    "--split-file", type=options.existing_path, help="Your own: JSON, or a folder of train.txt, val.txt, test.txt."
)
@options.seed
@options.workers
def export_(
    renders: Path,
    out: Path,
    layout: Literal["pifu", "icon"],
    split: str,
    split_file: Path | None,
    seed: int,
    jobs: int,
    backend: str,
) -> None:
    """Write RENDERS (what `mpc render` wrote) to OUT as another toolkit's training folder.

    PIFu's loader wants a picture a degree: render with `--views 360 --step 1`. For ICON, OUT is the folder of one set;
    its views go to OUT_<N>views beside it.
    """
    from ..datasets.exchange.export import export_renders
    from .progress import TerminalProgress

    ratios: Any = options.numbers("--split", split, 3)
    with TerminalProgress() as progress:
        summary = export_renders(
            renders, out, layout, ratios=ratios, split_file=split_file, seed=seed, jobs=jobs, backend=backend,
            progress=progress,
        )  # fmt: skip
    options.report(summary.notices, summary.failures)
    click.echo(f"{summary.written} scenes written, {summary.kept} kept, {len(summary.failures)} failed -> {out}/")
    options.finish(summary.failures)


@click.command(name="import")
@click.argument("source", type=options.existing_folder)
@click.option("--out", type=options.folder, default="renders", help="Renders folder to write to.")
@layout
@click.option("--unit", type=click.Choice(["m", "dm", "cm", "mm", "in"]), help="Of the meshes.  [default: detected]")
@click.option("--up", type=click.Choice(["+x", "-x", "+y", "-y", "+z", "-z"]), help="Up axis.  [default: detected]")
@click.option("--height", "height_m", type=float, help="Scale to this height, metres.  [default: as they are]")
@click.option("--rays", type=click.IntRange(min=16), default=240, help="Directions of the light transfer.")
@options.workers
def import_(
    source: Path,
    out: Path,
    layout: Literal["pifu", "icon"],
    unit: str | None,
    up: str | None,
    height_m: float | None,
    rays: int,
    jobs: int,
    backend: str,
) -> None:
    """Make a renders folder, ready for `mpc sample`, of PIFu's dataroot or one set of ICON's at SOURCE."""
    from ..datasets.exchange.import_folder import import_folder
    from ..datasets.subjects.placement import LoadOptions
    from .progress import TerminalProgress

    load = LoadOptions(unit=unit, up=up, height_m=height_m)
    with TerminalProgress() as progress:
        summary = import_folder(
            source, out, layout, load=load, rays=rays, jobs=jobs, backend=backend, progress=progress
        )
    options.report(summary.notices, summary.failures)
    click.echo(f"{summary.written} scenes imported, {summary.kept} kept, {len(summary.failures)} failed -> {out}/")
    options.finish(summary.failures)
