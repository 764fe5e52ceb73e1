"""`mpc import-weights`: make a run of published networks."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command(name="import-weights")
@click.argument("net_g", type=options.existing_file)
@click.argument("net_c", type=options.existing_file, required=False)
@click.option("--out", type=options.folder, default="runs/pifu", help="Folder of the run to make.")
def import_weights(net_g: Path, net_c: Path | None, out: Path) -> None:
    """Make a run of PIFu's published checkpoints: NET_G (surface) and NET_C (colour), for `mpc reconstruct --run`."""
    from ..models.public_weights import write_pifu_run

    write_pifu_run(out, net_g, net_c)
    click.echo(f"run -> {out}/")
