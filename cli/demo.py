"""`mpc demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from . import options

# The part of the allowed time that both evaluations and their reports need on two slow cores.
RESERVE_MINUTES = 2.0
# Many people seen from a few sides teach more than few people seen from all sides, since neighbouring views are almost
# the same. They are drawn in half the usual size and with fewer light directions, as the network sees only 64 pixels.
VIEWS, SIZE, RAYS, FRAMES = 8, 256, 96, 2
# Metres. A person who reaches forward does not fit the usual 2.4.
EXTENT = 2.5
# A few minutes of training do not reach people who kneel or kick.
HARD_POSES = 0.0


@click.command()
@click.argument("out", type=options.folder, default="demo")
@click.option("--scans", type=click.IntRange(min=4), default=36, help="Number of static people to make.")
@click.option("--rigged", type=click.IntRange(min=2), default=6, help="Number of rigged people to make.")
@click.option(
    "--minutes", type=click.FloatRange(min=1), default=9.5, help="End within this time; training is shortened to fit."
)
@options.seed
@options.workers
def demo(out: Path, scans: int, rigged: int, minutes: float, seed: int, jobs: int, backend: str) -> None:
    """Run the whole chain with free people, in minutes on two cores; OUT/report.html shows the result.

    Makes people, renders and samples them, trains surface and texture, and evaluates on people that training never saw.
    The networks of the package are measured on the same people: OUT/base.html shows what longer training gives. Needs
    the `people` extra.
    """
    from ..core.files import write_json
    from ..core.guard import Limits
    from ..datasets.renders.build import render_models
    from ..datasets.renders.settings import RenderSettings
    from ..datasets.shards.build import sample_renders
    from ..datasets.shards.settings import SampleSettings
    from ..evaluate.compare import compare_results
    from ..evaluate.report.comparison import format_comparison
    from ..evaluate.report.run_report import write_report
    from ..evaluate.run import evaluate
    from ..evaluate.settings import EvaluationSettings, Workers
    from ..evaluate.summary import format_table
    from ..models.shipped import shipped_run
    from ..people.make import make_people
    from ..train.presets import choose_settings
    from ..train.run import train
    from .progress import TerminalProgress

    started = time.monotonic()
    with TerminalProgress() as progress:
        made = make_people(
            out / "models",
            scans=scans,
            rigged=rigged,
            seed=seed,
            hard_poses=HARD_POSES,
            jobs=jobs,
            backend=backend,
            limits=Limits(),
            progress=progress,
        )
        rendering = RenderSettings(
            seed=seed, frames_per_animation=FRAMES, views=VIEWS, step_deg=360 / VIEWS,
            size=SIZE, rays=RAYS, extent_m=EXTENT,
        )  # fmt: skip
        rendered = render_models(
            out / "models", out / "renders", rendering, progress=progress, jobs=jobs, backend=backend, limits=Limits()
        )
        # With so few people, a split by hash could be very uneven, so the last scans and rig are held out.
        split = {
            "train": [*people("scan", 0, scans - 3), *people("rig", 0, rigged - 1)],
            "val": people("scan", scans - 3, scans - 2),
            "test": [*people("scan", scans - 2, scans), *people("rig", rigged - 1, rigged)],
        }
        write_json(out / "split.json", split)
        sampling = SampleSettings(seed=seed, near_points=60_000, uniform_points=20_000, split_file=out / "split.json")
        sampled = sample_renders(
            out / "renders", out / "shards", sampling, progress=progress, jobs=jobs, backend=backend, limits=Limits()
        )
        failures = (*made.failed, *rendered.failures, *sampled.failures)
        options.report((), failures)
        left = minutes - (time.monotonic() - started) / 60 - RESERVE_MINUTES
        settings, _ = choose_settings("tiny", max_minutes=max(left, 0.5), seed=seed)
        run = train(out / "shards", out / "runs", settings, progress=progress)
        how: dict[str, Any] = {
            "settings": EvaluationSettings(views_per_scene=2, seed=seed),
            "workers": Workers(jobs=jobs, backend=backend, limits=Limits()), "progress": progress,
        }  # fmt: skip
        result = evaluate(run, out / "shards", **how)
        write_report(run, out / "shards", result, out / "report.html", progress=progress)
        shipped = evaluate(shipped_run(), out / "shards", out=out / "base", **how)
        write_report(shipped_run(), out / "shards", shipped, out / "base.html", progress=progress)
    click.echo(format_table(result, views=False))
    click.echo(format_comparison(compare_results([result.folder, shipped.folder], seed=seed)))
    click.echo(
        f"{(time.monotonic() - started) / 60:.1f} minutes -> {out / 'report.html'}; "
        f"the networks of the package on the same people -> {out / 'base.html'}"
    )
    options.finish(failures)


def people(kind: str, first: int, last: int) -> list[str]:
    """The ids of the subjects `first` to `last` - 1, as `mpc people` numbers them."""
    return [f"{kind}_{number:03d}" for number in range(max(first, 0), last)]
