"""`mpc people`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options


@click.command()
@click.argument("out", type=options.folder)
@click.option("--scans", type=click.IntRange(0, 100_000), default=6, help="Number of static, posed people (OBJ).")
@click.option(
    "--rigged", type=click.IntRange(0, 100_000), default=3, help="Number of rigged people with animations (GLB)."
)
@click.option(
    "--assets", type=options.existing_folder, help="Folder of MakeHuman assets (.mhclo with .obj) to dress people in."
)
@click.option(
    "--assets-share",
    type=click.FloatRange(0, 1),
    default=1.0,
    metavar="SHARE",
    help="Share of the people that --assets dress; the others wear what is sewn here.",
)
@click.option(
    "--bvh",
    type=options.existing_folder,
    help="Folder of BVH clips that rigged people also perform, and whose frames are a third of the scans' hard poses.",
)
@click.option(
    "--hard-poses",
    type=click.FloatRange(0, 1),
    default=0.5,
    metavar="SHARE",
    help="Share of the scans that run, kneel, reach, sit on the floor ..., with limbs far ahead and behind.",
)
@click.option(
    "--rig-poses",
    type=click.IntRange(0, 10_000),
    default=0,
    metavar="N",
    help="Number of unrelated hard poses that each rigged person also takes, as frames of one more clip.",
)
@click.option("--texture-size", type=click.IntRange(64, 8192), default=1024, help="Edge of each texture, pixels.")
@click.option(
    "--benchmark",
    type=click.Choice(["v1"]),
    help="Make the 60 people of a benchmark instead, or check those that are there (docs/benchmark.md).",
)
@options.seed
@options.workers
@options.limits
def people(out: Path, benchmark: str | None, **settings: Any) -> None:
    """Make free, clothed people below OUT, so that nobody has to buy scans to begin. The output is CC0.

    Needs the `people` extra (anny). Every person depends on the seed and on its number alone.
    """
    if benchmark is not None:
        options.refuse_ignored("with --benchmark", *_ONLY_DRAWN)
        _make_benchmark(out, benchmark, settings)
        return
    if not settings["scans"]:
        options.refuse_ignored("without scans", "hard_poses")
    if not settings["rigged"] and not (settings["scans"] and settings["hard_poses"]):
        options.refuse_ignored("without rigged people and hard poses", "bvh")
    if not settings["rigged"]:
        options.refuse_ignored("without rigged people", "rig_poses")
    if not settings["assets"]:
        options.refuse_ignored("without --assets", "assets_share")
    from ..people.make import make_people
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = make_people(out, progress=progress, **settings)
    click.echo(f"{len(summary.made)} people made, {len(summary.kept)} kept -> {out}/ (CC0, see LICENSE.txt there)")
    options.report((), summary.failed)
    options.finish(summary.failed)


# Options that a benchmark leaves no choice in, by parameter name.
_ONLY_DRAWN = ("scans", "rigged", "assets", "assets_share", "bvh", "hard_poses", "rig_poses", "texture_size", "seed")


def _make_benchmark(out: Path, name: str, settings: dict[str, Any]) -> None:
    from ..people.benchmark.make import make_benchmark
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = make_benchmark(
            out, name, jobs=settings["jobs"], backend=settings["backend"], limits=settings["limits"], progress=progress
        )
    sound = len(summary.made) + len(summary.kept)
    click.echo(
        f"benchmark {name}: {len(summary.made)} people made, {len(summary.kept)} kept, {sound} are as listed -> {out}/"
    )
    options.report((), summary.failed)
    options.finish(summary.failed)
