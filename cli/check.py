"""`mpc check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options, values

if TYPE_CHECKING:
    from ..core.guard import Limits
    from ..subjects.placement import PlacementOptions
    from ..subjects.selection import Selection


@click.command(cls=values.Command)
@click.argument("models", type=options.existing_folder)
@click.option("--out", type=options.file, default="check.html", help="HTML page to write.")
@click.option("--json", "json_file", type=options.file, help="Also write the rows to this JSON file.")
@click.option(
    "--write-fixes", type=options.file, metavar="FILE.toml",
    help="Also write what was found of each subject, for you to correct and to give as --fixes.",
)  # fmt: skip
@click.option(
    "--extent", "extent_m", type=float, metavar="METRES",
    help="Warn of people who do not fit a view cube of this edge (mpc render --extent).",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="End with exit status 3 where there are warnings, too.")
@options.placement
@options.selection
@options.workers
@options.limits
def check(
    models: Path,
    out: Path,
    json_file: Path | None,
    write_fixes: Path | None,
    extent_m: float | None,
    strict: bool,
    load: PlacementOptions,
    selection: Selection,
    jobs: int,
    backend: str,
    limits: Limits,
) -> None:
    """Report what every subject below MODELS is and what is wrong with it, without rendering.

    Prints a table and writes a page with a small picture of each subject: format, unit, axes, height, faces, parts,
    whether the surface is closed, the share of the volume where inside and outside are hard to tell apart, textures,
    rig, clips and warnings. The exit status is 3 when a subject or a folder cannot be used.
    """
    from ..datasets.check.models import check_models, suggest_fixes, table, write_check_json
    from ..datasets.check.page import write_check_page
    from ..subjects import fixes
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = check_models(
            models,
            load,
            extent_m=extent_m,
            jobs=jobs,
            backend=backend,
            limits=limits,
            selection=selection,
            progress=progress,
        )
    write_check_page(out, summary)
    if json_file is not None:
        write_check_json(json_file, summary)
    if write_fixes is not None:
        fixes.write_fixes(write_fixes, suggest_fixes(summary))
    click.echo(table(summary.reports))
    for report in summary.reports:
        for warning in report.warnings:
            options.say(f"warning: {report.id}: {warning}")
        if report.error is not None:
            options.say(f"failed: {report.id}: {report.error}")
    for place, reason in summary.failures:
        options.say(f"failed: {place}: {reason}")
    failed, doubtful = summary.count("failed"), summary.count("warning")
    click.echo(f"{len(summary.reports)} subjects, {doubtful} with warnings, {failed} cannot be used -> {out}")
    if failed or summary.failures or (strict and doubtful):
        raise click.exceptions.Exit(3)
