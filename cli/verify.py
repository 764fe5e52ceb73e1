"""`mpc verify`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("shards", type=options.existing_folder, default="shards")
def verify(shards: Path) -> None:
    """Check that a folder of SHARDS is complete and undamaged, and name what is not.

    The exit status is 3 when something is damaged.
    """
    from ..datasets.shards.verify import verify_shards

    problems = verify_shards(shards)
    for problem in problems:
        click.echo(str(problem))
    click.echo(f"{len(problems)} problems in {shards}/")
    if problems:
        raise click.exceptions.Exit(3)
