"""`mpc eval`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command("eval", cls=options.SeveralValues)
@click.option("--metrics", multiple=True, default=("chamfer", "p2s"), help="One or more, after one flag or repeated.")
@click.option("--run", type=options.existing_folder, default="runs", help="A run, or a folder of runs: the newest.")
@click.option("--shards", type=options.existing_folder, default="shards", help="What `mpc sample` wrote.")
@click.option("--split", type=click.Choice(["test", "val", "train"]), default="test", help="Whose subjects.")
@click.option(
    "--views", type=click.IntRange(min=0), help="Yaws of each scene; 0: all.  [default: 4 on a CPU, else all]"
)
@click.option("--resolution", type=click.IntRange(min=17), default=257, help="Nodes a side of the grid.")
@click.option("--points", type=click.IntRange(min=2), default=100_000, help="Points drawn on each surface.")
@click.option("--largest-component", is_flag=True, help="Measure the reconstruction's greatest part alone.")
@click.option("--report/--no-report", default=True, help="Write report.html beside the numbers.")
@click.option("--fresh", is_flag=True, help="Measure again what was measured before.")
@options.device
@options.seed
@options.workers
def evaluate(
    metrics: tuple[str, ...], run: Path, shards: Path, views: int | None, report: bool, device: str, **settings: object
) -> None:
    """Rebuild each test view into a mesh and measure it against the true surface, in centimetres.

    Without --run and --shards: the newest run of runs/ on the test split of shards/. Writes a table, JSON, CSV and
    report.html to RUN/eval/SPLIT/.
    """
    from ..evaluate.report import write_report
    from ..evaluate.run import evaluate as evaluate_run
    from ..evaluate.summary import format_table
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        result = evaluate_run(
            run,
            shards,
            metrics=metrics,
            views_per_scene=views,
            device=device,
            progress=progress,
            **settings,  # type: ignore[arg-type]
        )
        if report:
            write_report(run, shards, result, result.folder / "report.html", progress=progress)
    click.echo(format_table(result))
    click.echo(f"table, JSON, CSV{' and report.html' if report else ''} -> {result.folder}/")
    options.finish([(record.key, record.failure) for record in result.records if record.failure])
