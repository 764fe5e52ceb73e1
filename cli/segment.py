"""`mpc segment`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options

person = click.option(
    "--person", default="1", metavar="N|all",
    help="Number of the person where several are found, by falling certainty; all takes everybody.",
)  # fmt: skip


@click.command()
@click.argument("pictures", type=options.existing_path, nargs=-1, required=True, metavar="PICTURE...")
@click.option("--out", type=options.folder, required=True, help="Folder to write to.")
@person
@click.option("--every", type=click.IntRange(min=1), default=1, help="Take each n-th frame of a film.")
@click.option(
    "--engine", type=click.Choice(["auto", "torch", "litert"]), default="auto",
    help="What runs the networks; auto takes LiteRT where the extra mask is installed.",
)  # fmt: skip
def segment(pictures: tuple[Path, ...], out: Path, **settings: Any) -> None:
    """Find the person in each PICTURE: mask, 33 landmarks, and an overlay that shows both.

    PICTURE is a photograph, a folder of them, or a film (needs the `films` extra). OUT/masks can be given to
    `mpc reconstruct --mask`. The networks come from `mpc fetch`.
    """
    from ..reconstruct.capture.pictures import find_sources, skipped_kinds
    from ..reconstruct.capture.segment import SegmentSettings
    from ..reconstruct.capture.segment import segment as segment_sources
    from .progress import TerminalProgress

    chosen = SegmentSettings(**settings)
    sources = find_sources(pictures)
    if not any(source.is_film for source in sources):
        options.refuse_ignored("without a film", "every")
    for line in skipped_kinds(pictures):
        click.echo(line, err=True)
    with TerminalProgress() as progress:
        summary = segment_sources(sources, out, chosen, progress=progress)
    options.report((), summary.failures)
    click.echo(f"{len(summary.done)} segmented, {len(summary.failures)} failed -> {out}/")
    options.finish(summary.failures)
