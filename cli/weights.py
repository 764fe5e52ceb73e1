"""`mpc import-weights` and `mpc export-model`: networks from elsewhere, and for elsewhere."""

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


@click.command(name="export-model")
@click.option(
    "--run", type=options.run_folder,
    help="Run to export, a folder of runs to take the newest of, or base, the networks of the package.  [default: "
    "runs, or base where there is no run]",
)  # fmt: skip
@click.option("--out", type=options.folder, default="model", help="Folder to write.")
def export_model(run: Path | None, out: Path) -> None:
    """Write the networks of a run as programs that PyTorch runs without mpc (torch.export), for any number of points.

    model.json beside them says what each takes and gives.
    """
    from ..models.export import export_run
    from ..models.runs import load_run
    from ..models.shipped import choose_run

    runs = Path("runs")
    folder, remark = choose_run(run or runs, None if run else runs)
    if remark:
        click.echo(remark)
    for name, size in export_run(load_run(folder), out).items():
        click.echo(f"{name}: {size / 1e6:.1f} MB")
    click.echo(f"programs -> {out}/")
