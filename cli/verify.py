"""`mpc verify`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("folder", type=options.existing_folder, default="shards")
@click.option("--deep", is_flag=True, help="Of renders, compare the checksum of every file, and not only its size.")
@click.option("--json", "json_file", type=options.file, help="Also write the report to this JSON file.")
@options.jobs
def verify(folder: Path, deep: bool, json_file: Path | None, jobs: int) -> None:
    """Check that a FOLDER of renders or shards is complete and undamaged, and name what is not.

    The exit status is 3 when something is damaged. `mpc render --repair` and `mpc sample --repair` put it right.
    """
    from ..datasets.verify import verify_folder, write_verify_json
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        report = verify_folder(folder, deep=deep, jobs=jobs, progress=progress)
    if json_file is not None:
        write_verify_json(json_file, report)
    for line in report.lines():
        click.echo(line)
    if report.problems:
        raise click.exceptions.Exit(3)
