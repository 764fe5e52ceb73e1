"""`mpc sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, values

if TYPE_CHECKING:
    from ..core.guard import Limits
    from ..core.parts import Part

MOST_POINTS = 100_000_000


@click.command(cls=values.Command)
@click.argument("renders", type=options.existing_folder, default="renders")
@click.option("--out", type=options.folder, default="shards", help="Folder to write the shards to.")
@click.option(
    "--near", "near_points", type=click.IntRange(8, MOST_POINTS), default=200_000,
    help="Number of points near the surface of a scene.",
)  # fmt: skip
@values.numbers(
    "--sigmas", "sigmas_m", default=(0.05, 0.01), metavar="METRES...",
    help="Standard deviations of the distance of near points from the surface, metres.",
)  # fmt: skip
@click.option(
    "--noise", type=click.Choice(["isotropic", "normal"]), default="isotropic",
    help="Direction in which near points are moved away from the surface.",
)  # fmt: skip
@click.option(
    "--focus", type=click.FloatRange(0, 100), default=0.0,
    help="Draw up to so many times more near points on thin and curved parts such as hands and hair.",
)  # fmt: skip
@click.option(
    "--uniform", "uniform_points", type=click.IntRange(8, MOST_POINTS), default=40_000,
    help="Number of uniform points of a scene.",
)  # fmt: skip
@click.option(
    "--colours", "colour_points", type=click.IntRange(8, MOST_POINTS), default=50_000,
    help="Number of coloured points of a scene.",
)  # fmt: skip
@click.option(
    "--meshes", type=click.Choice(["eval", "all"]), default="eval",
    help="Keep the true surfaces of the val and test splits (eval), or of all splits.",
)  # fmt: skip
@values.names(
    "--layers", known=options.stored_layer_names, metavar="NAME...",
    help="Layers of `mpc render --layers` that the shards are to hold too: depth_front, normal_back and others.",
)  # fmt: skip
@click.option(
    "--joints", is_flag=True,
    help="Keep the 39 joints of each person: in the world, in each view, and whether they are seen there.",
)  # fmt: skip
@options.split
@click.option(
    "--shard-size", "shard_mib", type=click.IntRange(1, 1 << 30), default=512, help="Size of a full shard, MiB."
)
@click.option("--repair", is_flag=True, help="Rebuild the shards that `mpc verify` reports as damaged.")
@options.seed
@options.workers
@options.limits
@options.parts
def sample(
    renders: Path,
    out: Path,
    shard_mib: int,
    repair: bool,
    part: Part | None,
    finish: bool,
    jobs: int,
    backend: str,
    limits: Limits,
    **settings: Any,
) -> None:
    """Turn RENDERS (what `mpc render` wrote) into HDF5 shards of pictures, occupancy and colour samples.

    Subjects are split into train, val and test. Finished work is kept, so the same command continues after a stop.
    """
    if settings["split_file"] is not None:
        options.refuse_ignored("with --split-file", "ratios")
    if part is not None:
        options.refuse_ignored("with --part; repair without it", "repair")
    from ..datasets.shards.build import sample_renders
    from ..datasets.shards.settings import SampleSettings
    from .progress import TerminalProgress

    chosen = SampleSettings(shard_bytes=shard_mib << 20, **settings)
    with TerminalProgress() as progress:
        summary = sample_renders(
            renders,
            out,
            chosen,
            jobs=jobs,
            backend=backend,
            limits=limits,
            repair=repair,
            part=part,
            finish=finish,
            progress=progress,
        )
    options.report(summary.notices, summary.failures, out)
    done = "" if part is None else f" (part {part}; `mpc sample --finish` when all parts have ended)"
    click.echo(
        f"{summary.scenes} scenes ({summary.sampled} sampled now) in {summary.kept_shards + summary.written_shards} "
        f"shards, {summary.bytes / 2**20:.0f} MiB, subjects {summary.split} -> {out}/{done}"
    )
    options.finish(summary.failures)
