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
    "--preset", default="auto", help="Settings to start from: tiny, small, paper, or auto for what suits this machine."
)
@click.option("--config", type=options.existing_file, help="TOML file of settings that replace those of the preset.")
@values.assignments(
    "--set", "assignments", metavar="KEY=VALUE...", help="Single settings to replace, such as surface.steps=500."
)
@click.option("--stage", type=click.Choice(["both", "surface", "texture"]), help="Networks to train.  [default: both]")
@click.option(
    "--mining", type=click.Choice(["none", "item", "point", "both"]), help="Hard example mining.  [default: item]"
)
@click.option("--max-minutes", type=click.FloatRange(min=0), help="End within this time.  [default: no limit]")
@click.option("--resume", is_flag=True, help="Continue the newest run, or the one of --name, where it stopped.")
@click.option("--device", help="Device to compute on: auto, cpu, cuda or cuda:N.  [default: auto]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of weights, drawn views and points.  [default: 0]")
def train(shards: Path, runs: Path, name: str | None, preset: str, resume: bool, **chosen: Any) -> None:
    """Train on SHARDS: the surface network, then the texture network, with online hard example mining.

    Ctrl-C saves the state; --resume continues from it with the run's own settings. docs/training.md explains every
    setting.
    """
    if resume:
        options.refuse_ignored(
            "with --resume, which continues with the settings of the run",
            "preset", "config", "assignments", "mining", "max_minutes", "seed",
        )  # fmt: skip
    from ..models.runs import find_run
    from ..train.presets import choose_settings
    from ..train.run import train as train_networks
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        settings, remark = choose_settings(preset, **chosen)
        earlier = find_run(runs / name if name else runs) if resume else None
        if remark and not resume:
            progress.message(remark)
        run = train_networks(shards, runs, settings, name=name, resume=earlier, progress=progress)
    click.echo(f"run -> {run}/")
