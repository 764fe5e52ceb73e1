"""`mpc people`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("out", type=options.folder)
@click.option("--scans", type=click.IntRange(min=0), default=6, help="Static, posed people (OBJ).")
@click.option("--rigged", type=click.IntRange(min=0), default=3, help="Rigged people with animations (GLB).")
@click.option("--assets", type=options.existing_folder, help="MakeHuman assets folder (.mhclo + .obj) to dress from.")
@click.option("--bvh", type=options.existing_folder, help="Folder of BVH clips to animate the rigs with.")
@click.option("--texture-size", type=click.IntRange(64, 8192), default=1024, help="Pixels a side of each texture.")
@options.seed
@options.workers
def people(
    out: Path,
    scans: int,
    rigged: int,
    assets: Path | None,
    bvh: Path | None,
    texture_size: int,
    seed: int,
    jobs: int,
    backend: str,
) -> None:
    """Make free, clothed people below OUT, so that nobody needs to buy scans to begin. The output is CC0.

    Needs the `people` extra (anny); every person is a function of the seed and its number alone.
    """
    from ..people.make import make_people
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = make_people(
            out,
            scans=scans,
            rigged=rigged,
            seed=seed,
            assets=assets,
            bvh=bvh,
            texture_size=texture_size,
            jobs=jobs,
            backend=backend,
            progress=progress,
        )
    click.echo(f"{len(summary.made)} people made, {len(summary.kept)} kept -> {out}/ (CC0, see LICENSE.txt there)")
    options.report((), summary.failed)
    options.finish(summary.failed)
