"""`mpc export` and `mpc import`: to and from the training data of other toolkits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from . import options, values

EXPORTS = ["pifu", "icon", "webdataset", "nerf", "coco", "pshuman", "era3d", "pamir", "monoport"]
IMPORTS = ["pifu", "icon", "webdataset"]
# Formats in which something is random, and those whose pictures are drawn anew.
SEEDED = {"pifu", "era3d", "pamir", "monoport"}
DRAWN = {"pshuman", "era3d"}


def layout(choices: list[str]) -> Callable[[Any], Any]:
    """--format, one of these."""
    return click.option(
        "--format", "layout", type=click.Choice(choices), required=True, help="Format of the other toolkit."
    )


prune = click.option("--prune", is_flag=True, help="Remove the scenes of earlier runs whose source is gone.")


@click.command(name="export", cls=values.Command)
@click.argument("renders", type=options.existing_folder, default="renders")
@click.argument("out", type=options.folder)
@layout(EXPORTS)
@options.split
@prune
@options.seed
@click.option(
    "--size",
    type=click.IntRange(16, 4096),
    default=768,
    show_default=True,
    help="Edge of the pictures that pshuman and era3d have drawn anew, pixels.",
)
@options.workers
@options.limits
def export_(renders: Path, out: Path, layout: Any, **settings: Any) -> None:
    """Write RENDERS (what `mpc render` wrote) to OUT as another toolkit's training data (docs/exchange.md).

    PIFu's loader expects a picture per degree: render with `--views 360 --step 1`. For ICON, OUT is the folder of one
    set; its views go to OUT_<N>views beside it. pshuman, era3d and pamir have pictures drawn anew from the meshes.
    """
    if settings["split_file"] is not None:
        options.refuse_ignored("with --split-file", "ratios")
    if layout not in SEEDED:
        options.refuse_ignored(f"with --format {layout}, in which nothing is random", "seed")
    if layout not in DRAWN:
        options.refuse_ignored(f"with --format {layout}, whose pictures are those of RENDERS", "size")
    from ..datasets.exchange.export import export_renders
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = export_renders(renders, out, layout, progress=progress, **settings)
    options.report(summary.notices, summary.failures)
    click.echo(f"{summary.written} scenes written, {summary.kept} kept, {len(summary.failures)} failed -> {out}/")
    options.finish(summary.failures)


@click.command(name="import")
@click.argument("source", type=options.existing_folder)
@click.option("--out", type=options.folder, default="renders", help="Renders folder to write to.")
@layout(IMPORTS)
@options.unit
@options.up
@options.height
@options.rays
@prune
@options.workers
@options.limits
def import_(
    source: Path,
    out: Path,
    layout: Any,
    unit: str | None,
    up: str | None,
    height_m: float | None,
    **settings: Any,
) -> None:
    """Make a renders folder, ready for `mpc sample`, of what is at SOURCE.

    SOURCE is PIFu's dataroot, one set of ICON's, or what `mpc export --format webdataset` wrote.
    """
    if layout == "webdataset":
        options.refuse_ignored(
            "with --format webdataset, which holds scenes as they were", "unit", "up", "height_m", "rays"
        )
    from ..datasets.exchange.import_folder import import_folder
    from ..subjects.placement import PlacementOptions
    from .progress import TerminalProgress

    load = PlacementOptions(unit=unit, up=up, height_m=height_m)
    with TerminalProgress() as progress:
        summary = import_folder(source, out, layout, load=load, progress=progress, **settings)
    options.report(summary.notices, summary.failures, out)
    click.echo(f"{summary.written} scenes imported, {summary.kept} kept, {len(summary.failures)} failed -> {out}/")
    options.finish(summary.failures)
