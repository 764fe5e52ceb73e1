"""`mpc stats`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("shards", type=options.existing_folder, default="shards")
@click.option("--out", type=options.file, default="stats.html", help="HTML page to write.")
@click.option("--json", "json_file", type=options.file, help="Also write the statistics to this JSON file.")
@click.option(
    "--card", "card_file", type=options.file, metavar="FILE.md",
    help="Also write a data set card in Markdown, to be published with the data.",
)  # fmt: skip
@options.workers
def stats(shards: Path, out: Path, json_file: Path | None, card_file: Path | None, jobs: int, backend: str) -> None:
    """Say what a folder of SHARDS (what `mpc sample` wrote) holds.

    Prints tables and writes a page: people, scenes, views and points by split, how many points are inside and how far
    they are from the surface, yaws, lights, sizes, and what is known of the people's licences.
    """
    from ..datasets.stats.card import write_card
    from ..datasets.stats.collect import collect_stats, write_stats_json
    from ..datasets.stats.page import write_stats_page
    from ..datasets.stats.table import table
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        found = collect_stats(shards, jobs=jobs, backend=backend, progress=progress)
    write_stats_page(out, found)
    if json_file is not None:
        write_stats_json(json_file, found)
    if card_file is not None:
        write_card(card_file, found)
    click.echo(table(found))
    click.echo(f"-> {out}")
