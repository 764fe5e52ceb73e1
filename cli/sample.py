"""`mpc sample`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("renders", type=options.existing_folder, default="renders")
@click.option("--out", type=options.folder, default="shards", help="Folder to write to.")
@click.option("--near", "near_points", type=click.IntRange(min=8), default=200_000, help="Near-surface points a scene.")
@click.option("--sigmas", default="0.05,0.01", help="Standard deviations of their noise, metres.")
@click.option("--noise", type=click.Choice(["isotropic", "normal"]), default="isotropic", help="Its direction.")
@click.option(
    "--focus", default=0.0, help="Up to so many times more near points on thin and curved parts (hands, hair)."
)
@click.option("--uniform", "uniform_points", type=click.IntRange(min=8), default=40_000, help="Uniform points a scene.")
@click.option("--colours", "colour_points", type=click.IntRange(min=8), default=50_000, help="Coloured points a scene.")
@click.option(
    "--meshes", type=click.Choice(["eval", "all"]), default="eval", help="True surfaces kept: val, test; all."
)
@click.option("--split", default="0.8,0.1,0.1", help="Shares of train, val, test (by subject, never by view).")
@click.option(
    "--split-file", type=options.existing_path, help="Your own: JSON, or a folder of train.txt, val.txt, test.txt."
)
@click.option(
    "--shard-size", "shard_mb", type=click.IntRange(min=1), default=512, help="A shard is full at so many MiB."
)
@click.option("--repair", is_flag=True, help="Rebuild the shards that `mpc verify` finds damaged.")
@options.seed
@options.workers
def sample(
    renders: Path,
    out: Path,
    sigmas: str,
    split: str,
    shard_mb: int,
    repair: bool,
    jobs: int,
    backend: str,
    **settings: object,
) -> None:
    """Turn RENDERS (what `mpc render` wrote) into HDF5 shards: pictures, occupancy and colour samples, a split.

    Finished work is kept, so the same command goes on after a stop.
    """
    from ..datasets.shards.build import sample_renders
    from ..datasets.shards.settings import SampleSettings
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = sample_renders(
            renders,
            out,
            SampleSettings(
                sigmas_m=options.numbers("--sigmas", sigmas),
                ratios=options.numbers("--split", split, 3),  # type: ignore[arg-type]
                shard_bytes=shard_mb << 20,
                **settings,  # type: ignore[arg-type]
            ),
            jobs=jobs,
            backend=backend,
            repair=repair,
            progress=progress,
        )
    options.report(summary.notices, summary.failures)
    click.echo(
        f"{summary.scenes} scenes ({summary.sampled} sampled now) in {summary.kept_shards + summary.written_shards} "
        f"shards, {summary.bytes / 2**20:.0f} MiB, subjects {summary.split} -> {out}/"
    )
    options.finish(summary.failures)
