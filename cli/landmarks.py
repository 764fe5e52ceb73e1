"""`mpc landmarks`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, values


@click.command(cls=values.Command)
@click.argument("shards", type=options.existing_folder, default="shards")
@click.option(
    "--engine", type=click.Choice(["auto", "torch", "litert"]), default="auto",
    help="What runs the networks; auto takes LiteRT where the extra mask is installed.",
)  # fmt: skip
@click.option(
    "--bodies", is_flag=True,
    help="Fit a body to the landmarks of every view, too, for networks with encoder.body=fitted (extra people).",
)  # fmt: skip
@options.workers
def landmarks(shards: Path, engine: str, bodies: bool, jobs: int, backend: str) -> None:
    """Find the 33 landmarks of the person in every view of SHARDS, for networks that read them.

    They are kept beside the shards, in SHARDS/landmarks/ and SHARDS/bodies/, where `mpc train` and `mpc eval` look for
    them. The networks come from `mpc fetch`. Finished work is kept, so the same command continues after a stop.
    """
    from ..train.find_landmarks import find_all_landmarks
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = find_all_landmarks(shards, engine=engine, jobs=jobs, backend=backend, progress=progress)
    options.report((), summary.failures)
    click.echo(
        f"landmarks of {summary.views} views ({summary.found_now} looked at now; nobody is seen in {summary.nobody}) "
        f"-> {shards / 'landmarks'}/"
    )
    if bodies and not summary.failures:
        from ..train.fit_bodies import fit_all_bodies

        with TerminalProgress() as progress:
            summary = fit_all_bodies(shards, jobs=jobs, backend=backend, progress=progress)
        options.report((), summary.failures)
        click.echo(f"bodies of {summary.views} views ({summary.found_now} fitted now) -> {shards / 'bodies'}/")
    options.finish(summary.failures)
