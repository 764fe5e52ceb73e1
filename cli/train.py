"""`mpc train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options, values


@click.command(cls=values.Command)
@click.argument("shards", type=options.existing_folder, default="shards")
@click.option("--out", "runs", type=options.folder, default="runs", help="Folder of runs; each run gets one in it.")
@click.option("--name", help="Name of the run.  [default: date and time]")
@click.option(
    "--preset", default="auto",
    help="Settings to start from: tiny, small, base, paper, pifuhd, or auto for what suits this machine.",
)  # fmt: skip
@click.option("--config", type=options.existing_file, help="TOML file of settings that replace those of the preset.")
@values.assignments(
    "--set", "assignments", metavar="KEY=VALUE...", help="Single settings to replace, such as surface.steps=500."
)
@click.option(
    "--stage", type=click.Choice(["both", "maps", "surface", "texture"]),
    help="Networks to train; both: all that the preset has.  [default: both]",
)  # fmt: skip
@click.option(
    "--mining", type=click.Choice(["none", "item", "point", "both"]), help="Hard example mining.  [default: item]"
)
@click.option(
    "--backgrounds", type=options.existing_folder,
    help="Folder of photographs that stand behind people, where masks are damaged or augment.background is set.  "
    "[default: smooth colours]",
)  # fmt: skip
@click.option("--max-minutes", type=click.FloatRange(min=0), help="End within this time.  [default: no limit]")
@click.option(
    "--minutes-now", type=click.FloatRange(min=0), default=0.0,
    help="Stop after this time so that --resume continues; 0: no limit.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue the newest run, or the one of --name, where it stopped.")
@click.option(
    "--init", type=options.run_folder, help="Run whose weights the new run starts from; base: those of the package."
)
@click.option("--anneal", type=options.existing_folder, help="Run of which a copy is trained with a falling rate.")
@click.option("--device", help="Device to compute on: auto, cpu, cuda or cuda:N.  [default: auto]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of weights, drawn views and points.  [default: 0]")
def train(
    shards: Path, runs: Path, name: str | None, preset: str, resume: bool, init: Path | None, anneal: Path | None,
    minutes_now: float, **chosen: Any,
) -> None:  # fmt: skip
    """Train on SHARDS, with online hard example mining: maps where the preset has them, then surface, then texture.

    Ctrl-C saves the state; --resume continues from it, with the run's own settings unless others are given.
    docs/training.md explains every setting.
    """
    if resume:
        options.refuse_ignored("with --resume, which continues a run as it began", "preset", "seed", "init", "anneal")
    if anneal:
        options.refuse_ignored("with --anneal, which ends the last stage of a run", "preset", "seed", "stage", "init")
    from ..models.runs import find_run
    from ..models.shipped import choose_run
    from ..train.presets import choose_settings
    from ..train.run import train as train_networks
    from ..train.start import read_settings, settings_to_anneal
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        earlier = find_run(runs / name if name else runs) if resume else None
        ended, start = (None if folder is None else choose_run(folder)[0] for folder in (anneal, init))
        before = read_settings(earlier) if earlier else settings_to_anneal(ended) if ended else None
        settings, remark = choose_settings(preset, run=before, shards=shards, **chosen)
        if remark:
            progress.message(remark)
        run = train_networks(
            shards, runs, settings, name=name, resume=earlier, init=start, anneal=ended, minutes_now=minutes_now,
            progress=progress,
        )  # fmt: skip
    click.echo(f"run -> {run}/")
