"""`mpc check`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("models", type=options.existing_folder)
@click.option("--out", type=options.file, default="check.html", help="Page to write.")
@click.option("--json", "json_file", type=options.file, help="Write the rows as JSON, too.")
@click.option("--strict", is_flag=True, help="Warnings count as failures in the exit status.")
@options.placement
@options.workers
@options.limits
def check(
    models: Path,
    out: Path,
    json_file: Path | None,
    strict: bool,
    unit: str | None,
    up: str | None,
    facing: str | None,
    height_m: float | None,
    jobs: int,
    backend: str,
    timeout_s: float,
    memory_gb: float | None,
) -> None:
    """Say what every subject below MODELS is and what is wrong with it, without rendering.

    A table here, and a page with a small picture of each: format, unit, axes, height, faces, parts, closed or not, the
    share of the volume where inside and outside are hard to tell apart, textures, rig, clips, warnings. Exit status 3
    when a subject cannot be used.
    """
    from ..datasets.check.models import check_models, table, write_check_json
    from ..datasets.check.page import write_check_page
    from ..datasets.subjects.placement import LoadOptions
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = check_models(
            models,
            LoadOptions(unit=unit, up=up, facing=facing, height_m=height_m),
            jobs=jobs,
            backend=backend,
            limits=options.subject_limits(timeout_s, memory_gb),
            progress=progress,
        )
    write_check_page(out, summary)
    if json_file is not None:
        write_check_json(json_file, summary)
    click.echo(table(summary.reports))
    for report in summary.reports:
        for warning in report.warnings:
            options.say(f"warning: {report.id}: {warning}")
        if report.error is not None:
            options.say(f"failed: {report.id}: {report.error}")
    failed, doubtful = summary.count("failed"), summary.count("warning")
    click.echo(f"{len(summary.reports)} subjects, {doubtful} with warnings, {failed} cannot be used -> {out}")
    if failed or (strict and doubtful):
        raise click.exceptions.Exit(3)
