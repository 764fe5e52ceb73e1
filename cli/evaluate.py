"""`mpc eval`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, values

if TYPE_CHECKING:
    from ..evaluate.settings import Workers
    from ..evaluate.summary import EvaluationResult


def metric_names() -> Iterable[str]:
    """The metrics there are."""
    from ..evaluate.metrics.registry import METRICS

    return METRICS


@click.command("eval", cls=values.Command)
@values.names("--metrics", known=metric_names, metavar="NAME...", help="Metrics to measure.  [default: the protocol's]")
@click.option(
    "--protocol",
    default="mpc",
    help="Protocol to measure by: mpc, pifuhd, monoport, icon, econ, sith, synchuman and others.",
)
@click.option(
    "--align",
    type=click.Choice(["none", "z", "icp", "icp-scale"]),
    default="none",
    help="How to align a prediction with the truth before it is measured.",
)
@click.option(
    "--run",
    type=options.run_folder,
    help="Run to evaluate, a folder of runs to take the newest of, or base, the networks of the package, which is "
    "written about in runs/base/.  [default: runs]",
)
@click.option(
    "--baseline", type=click.Choice(["mean", "inflated", "nearest", "true-depth"]),
    help="Measure, instead of a run, the mean occupancy of the training people, the inflated outline, the nearest "
    "training person by outline, or the ceiling of true depth maps.",
)  # fmt: skip
@click.option("--shards", type=options.existing_folder, help="Folder that `mpc sample` wrote.  [default: shards]")
@click.option(
    "--training", type=options.existing_folder,
    help="Shards whose training people baselines know, --baseline nearest with --meshes all.  [default: --shards]",
)  # fmt: skip
@click.option(
    "--pred",
    type=options.existing_folder,
    help="Folder of predicted meshes to measure instead of a run; needs --truth.",
)
@click.option("--truth", type=options.existing_folder, help="Folder of the true meshes, which are matched by name.")
@click.option(
    "--unit",
    type=click.Choice(["auto", "m", "cm", "mm"]),
    default="auto",
    help="Unit of the meshes of --pred and --truth.",
)
@click.option(
    "--out",
    type=options.folder,
    help="Folder to write to.  [default: RUN/eval/SPLIT, eval/BASELINE, eval/NAME of --pred, eval/compare]",
)
@values.paths(
    "--compare", type=options.existing_folder, metavar="DIR...", help="Folders of earlier results to compare."
)
@click.option(
    "--split", type=click.Choice(["test", "val", "train"]), default="test", help="Split whose subjects are evaluated."
)
@click.option(
    "--views",
    type=click.IntRange(min=0),
    help="Number of yaws of each scene; 0 takes all.  [default: the protocol's; without one, 4 on a CPU, else all]",
)
@click.option(
    "--image-size",
    type=click.IntRange(min=16),
    help="Edge of the pictures of a baseline, pixels.  [default: as stored]",
)
@click.option(
    "--resolution", type=click.IntRange(min=17), default=257, help="Number of nodes along an edge of the view cube."
)
@click.option("--points", type=click.IntRange(min=2), default=100_000, help="Number of points drawn on each surface.")
@options.use_mask
@options.photo_colours
@options.both_ways
@click.option(
    "--largest-component", is_flag=True, help="Measure only the largest connected part of the reconstruction."
)
@click.option(
    "--landmarks/--no-landmarks", default=True,
    help="Tell the landmarks beside the shards (mpc landmarks) to networks that read them.",
)  # fmt: skip
@click.option(
    "--body", type=click.Choice(["trained", "none", "known", "fitted"]), default="trained",
    help="Body below the clothes for networks that read one: from the shards' layers, fitted (mpc landmarks --bodies), "
    "or as they were trained.",
)  # fmt: skip
@click.option("--report/--no-report", default=True, help="Write report.html beside the numbers.")
@click.option("--fresh", is_flag=True, help="Measure everything again, also what earlier runs measured.")
@options.device
@options.seed
@options.workers
@options.limits
def evaluate(compare: tuple[Path, ...], pred: Path | None, truth: Path | None, out: Path | None, **given: Any) -> None:
    """Measure a run on the test split, or anybody's meshes, or compare what was measured.

    \b
      mpc eval                              the newest run of runs/ on the test split of shards/
      mpc eval --baseline inflated          what needs no learning, on the same views
      mpc eval --pred DIR --truth DIR       meshes of the same name, no network needed
      mpc eval --compare DIR DIR …          earlier results side by side, with bootstrap intervals

    Distances are in centimetres unless --protocol says otherwise. Writes a table, JSON, CSV and report.html to
    RUN/eval/SPLIT/ or --out.
    """
    if (pred is None) != (truth is None):
        raise click.UsageError("--pred and --truth belong together")
    given["metrics"] = tuple(given["metrics"]) or None
    if compare:
        options.refuse_ignored("with --compare", *_ONLY_MEASURING, *_ONLY_RUNS, *_ONLY_FOLDERS)
        _compare(compare, out or Path("eval") / "compare", given["seed"])
    elif pred is not None and truth is not None:
        options.refuse_ignored("with --pred", *_ONLY_RUNS)
        _evaluate_folders(pred, truth, out or Path("eval") / pred.resolve().name, given)
    else:
        options.refuse_ignored("without --pred or --compare", *_ONLY_FOLDERS)
        if given["baseline"]:
            options.refuse_ignored("with --baseline", "run")
        else:
            options.refuse_ignored("without --baseline", "image_size")
        _evaluate_views(out, given)


# Options that only some of the three modes use, by parameter name.
_ONLY_RUNS = (
    "run", "baseline", "shards", "training", "split", "views", "image_size", "resolution", "use_mask",
    "photo_colours", "both_ways", "largest_component", "landmarks", "body",
)  # fmt: skip
_ONLY_FOLDERS = ("pred", "truth", "unit")
_ONLY_MEASURING = (
    "metrics", "protocol", "align", "points", "report", "fresh", "device", "jobs", "backend", "timeout_s", "memory_gib",
)  # fmt: skip


def _compare(folders: Sequence[Path], out: Path, seed: int) -> None:
    from ..evaluate.compare import compare_results
    from ..evaluate.report.comparison import format_comparison, write_comparison

    comparison = compare_results(folders, seed=seed)
    write_comparison(comparison, out)
    click.echo(format_comparison(comparison))
    click.echo(f"compare.html and compare.json -> {out}/")


def _evaluate_folders(pred: Path, truth: Path, out: Path, given: dict[str, Any]) -> None:
    from ..evaluate.folders import evaluate_folders
    from ..evaluate.report.mesh_report import write_mesh_report
    from ..evaluate.settings import FolderSettings
    from .progress import TerminalProgress

    device = "cpu" if given["device"] == "auto" else given["device"]
    settings = FolderSettings(**{name: given[name] for name in (*_MEASURE, "unit")})
    with TerminalProgress() as progress:
        result = evaluate_folders(
            pred, truth, out, settings, workers=_workers(given, device), fresh=given["fresh"], progress=progress
        )
        if given["report"]:
            write_mesh_report(pred, truth, result, result.folder / "report.html", progress=progress)
    _show(result, given["report"])


def _evaluate_views(out: Path | None, given: dict[str, Any]) -> None:
    from ..evaluate.report.run_report import write_report
    from ..evaluate.run import evaluate as evaluate_run
    from ..evaluate.run import evaluate_baseline
    from ..evaluate.settings import EvaluationSettings
    from .progress import TerminalProgress

    baseline, training = given["baseline"], given["training"]
    run = None if baseline else _folder("--run", given["run"], "runs")
    shards = _folder("--shards", given["shards"], "shards")
    names = (
        *_MEASURE, "split", "image_size", "resolution", "use_mask", "photo_colours", "both_ways",
        "largest_component", "landmarks", "body",
    )  # fmt: skip
    settings = EvaluationSettings(views_per_scene=given["views"], **{name: given[name] for name in names})
    with TerminalProgress() as progress:
        how: dict[str, Any] = {
            "training": training, "workers": _workers(given, given["device"]), "fresh": given["fresh"],
            "progress": progress,
        }  # fmt: skip
        if run is None:
            result = evaluate_baseline(baseline, shards, out or Path("eval") / baseline, settings, **how)
        else:
            result = evaluate_run(run, shards, settings, out=out, **how)
        if given["report"]:
            write_report(run, shards, result, result.folder / "report.html", training=training, progress=progress)
    _show(result, given["report"])


# The options that fill MeasureSettings.
_MEASURE = ("metrics", "protocol", "align", "points", "seed")


def _workers(given: dict[str, Any], device: str) -> Workers:
    from ..evaluate.settings import Workers

    return Workers(jobs=given["jobs"], backend=given["backend"], device=device, limits=given["limits"])


def _show(result: EvaluationResult, report: bool) -> None:
    """Print the table and where the files are; end with status 3 where something failed."""
    from ..evaluate.summary import format_table

    click.echo(format_table(result))
    click.echo(f"table, JSON, CSV{' and report.html' if report else ''} -> {result.folder}/")
    options.finish([(record.key, record.failure) for record in result.records if record.failure])


def _folder(flag: str, given: Path | None, default: str) -> Path:
    if given is None and not Path(default).is_dir():
        raise click.UsageError(
            f"there is no folder {default}/ here; say {flag} DIR, or --pred DIR --truth DIR for meshes"
        )
    return Path(default) if given is None else given
