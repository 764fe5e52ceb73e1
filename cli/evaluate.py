"""`mpc eval`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from . import options, values


def metric_names() -> Iterable[str]:
    """The metrics there are."""
    from ..evaluate.metrics.registry import METRICS

    return METRICS


@click.command("eval", cls=values.Command)
@values.names("--metrics", known=metric_names, metavar="NAME...", help="Metrics to measure.  [default: the protocol's]")
@click.option("--protocol", default="mpc", help="mpc, pifuhd, monoport, icon, econ, econ-exact, integratedpifu, …")
@click.option("--align", type=click.Choice(["none", "z", "icp", "icp-scale"]), default="none", help="Before measuring.")
@click.option("--run", type=options.existing_folder, help="A run, or a folder of runs: the newest.  [default: runs]")
@click.option("--shards", type=options.existing_folder, help="What `mpc sample` wrote.  [default: shards]")
@click.option("--pred", type=options.existing_folder, help="Predicted meshes, instead of a run; with --truth.")
@click.option("--truth", type=options.existing_folder, help="True meshes, matched by name.")
@click.option("--unit", type=click.Choice(["auto", "m", "cm", "mm"]), default="auto", help="Of --pred and --truth.")
@click.option("--out", type=options.folder, help="For --pred and --compare.  [default: eval/NAME, eval/compare]")
@values.paths(
    "--compare", type=options.existing_folder, metavar="DIR...", help="Folders of earlier results to compare."
)
@click.option("--split", type=click.Choice(["test", "val", "train"]), default="test", help="Whose subjects.")
@click.option(
    "--views",
    type=click.IntRange(min=0),
    help="Yaws of each scene; 0: all.  [default: the protocol's, 4 on a CPU, else all]",
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
    metrics: tuple[str, ...], run: Path | None, shards: Path | None, pred: Path | None, truth: Path | None, unit: str,
    out: Path | None, compare: tuple[Path, ...], views: int | None, report: bool, device: str, **settings: Any,
) -> None:  # fmt: skip
    """Measure a run on the test split, or anybody's meshes, or compare what was measured.

    \b
      mpc eval                              the newest run of runs/ on the test split of shards/
      mpc eval --pred DIR --truth DIR       meshes of the same name, no network needed
      mpc eval --compare DIR DIR …          earlier results side by side, with bootstrap intervals

    Distances are in centimetres unless --protocol says otherwise. Writes a table, JSON, CSV and report.html to
    RUN/eval/SPLIT/ or --out.
    """
    from ..evaluate.summary import format_table
    from .progress import TerminalProgress

    if (pred is None) != (truth is None):
        raise click.UsageError("--pred and --truth belong together")
    settings["metrics"] = metrics or None
    with TerminalProgress() as progress:
        if compare:
            from ..evaluate.compare import compare_results, format_comparison, write_comparison

            comparison = compare_results(compare, seed=settings["seed"])
            write_comparison(comparison, out or Path("eval") / "compare")
            click.echo(format_comparison(comparison))
            click.echo(f"compare.html and compare.json -> {out or Path('eval') / 'compare'}/")
            return
        if pred is not None and truth is not None:
            from ..evaluate.folders import evaluate_folders
            from ..evaluate.report.mesh_report import write_mesh_report

            for name in ("split", "resolution", "largest_component"):
                settings.pop(name)
            result = evaluate_folders(
                pred, truth, out or Path("eval") / pred.resolve().name, unit=unit, progress=progress,
                device="cpu" if device == "auto" else device, **settings,
            )  # fmt: skip
            if report:
                write_mesh_report(pred, truth, result, result.folder / "report.html", progress=progress)
        else:
            from ..evaluate.report.run_report import write_report
            from ..evaluate.run import evaluate as evaluate_run

            run, shards = _folder("--run", run, "runs"), _folder("--shards", shards, "shards")
            result = evaluate_run(run, shards, views_per_scene=views, device=device, progress=progress, **settings)
            if report:
                write_report(run, shards, result, result.folder / "report.html", progress=progress)
    click.echo(format_table(result))
    click.echo(f"table, JSON, CSV{' and report.html' if report else ''} -> {result.folder}/")
    options.finish([(record.key, record.failure) for record in result.records if record.failure])


def _folder(flag: str, given: Path | None, default: str) -> Path:
    folder = Path(default) if given is None else given
    if not folder.is_dir():
        raise click.UsageError(
            f"there is no folder {folder}/ here; say {flag} DIR, or --pred DIR --truth DIR for meshes"
        )
    return folder
