"""`mpc train`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("shards", type=options.existing_folder, default="shards")
@click.option("--out", "runs", type=options.folder, default="runs", help="Folder of runs; each run gets one in it.")
@click.option("--name", help="Name of the run.  [default: date and time]")
@click.option("--preset", default="auto", help="auto, tiny, small or paper; auto looks at the machine and says so.")
@click.option("--config", type=options.existing_file, help="TOML file of settings on top of the preset.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. surface.steps=500.")
@click.option("--stage", type=click.Choice(["both", "surface", "texture"]), help="What to train.  [default: both]")
@click.option("--mining", type=click.Choice(["none", "item", "point", "both"]), help="Hard examples.  [default: item]")
@click.option("--max-minutes", type=click.FloatRange(min=0), help="End within this time.  [default: no limit]")
@click.option("--resume", is_flag=True, help="Go on with the newest run (or --name) where it stopped.")
@click.option("--device", help="auto, cpu, cuda or cuda:N.  [default: auto]")
@click.option("--seed", type=click.IntRange(min=0), help="Of weights, draws and points.  [default: 0]")
def train(
    shards: Path,
    runs: Path,
    name: str | None,
    preset: str,
    config: Path | None,
    assignments: tuple[str, ...],
    resume: bool,
    **flags: object,
) -> None:
    """Train on SHARDS: the surface network, then the texture network, with online hard example mining.

    Ctrl-C saves; --resume goes on. Every setting: docs/training.md.
    """
    from ..models.runs import find_run
    from ..train.presets import choose_settings
    from ..train.run import train as train_networks
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        settings, remark = choose_settings(preset, config=config, assignments=assignments, **flags)  # type: ignore[arg-type]
        earlier = find_run(runs / name if name else runs) if resume else None
        if remark and not resume:
            progress.message(remark)
        run = train_networks(shards, runs, settings, name=name, resume=earlier, progress=progress)
    click.echo(f"run -> {run}/")
