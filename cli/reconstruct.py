"""`mpc reconstruct`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("images", type=options.existing_path, nargs=-1, required=True, metavar="IMAGE...")
@click.option("--out", type=options.folder, required=True, help="Folder to write to.")
@click.option(
    "--mask", type=options.existing_path, help="Picture or film of the mask (white: the person), or a folder."
)
@click.option("--run", type=options.existing_folder, default="runs", help="A run, or a folder of runs: the newest.")
@click.option("--height", "height_m", type=float, default=1.7, help="Assumed height of the person as posed, metres.")
@click.option(
    "--extent", "extent_m", type=float, help="Edge of the training pictures' cube, metres.  [default: the run's]"
)
@click.option(
    "--framing", type=click.Choice(["crop", "keep"]), default="crop", help="crop by the mask, or keep square pictures."
)
@click.option("--resolution", type=click.IntRange(min=33), default=257, help="Nodes a side: 129, 257, 513, 1025.")
@click.option(
    "--mode", type=click.Choice(["lossless", "fast"]), default="lossless", help="fast: interpolate the last level."
)
@click.option(
    "--format", "formats", multiple=True, default=("glb",), type=click.Choice(["glb", "ply", "obj"]), help="Repeatable."
)
@click.option(
    "--texture-size", type=click.IntRange(0, 8192), default=0, help="Texture of GLB and OBJ, pixels; 0: vertex colours."
)
@click.option("--turntable", type=click.Choice(["gif", "mp4", "none"]), default="gif", help="Of each picture.")
@click.option("--turntable-frames", type=click.IntRange(1, 720), default=36, help="Pictures in it.")
@click.option("--size", type=click.IntRange(16, 2048), default=320, help="Pixels a side of each panel.")
@click.option("--use-mask/--ignore-mask", default=True, help="Localise with what the mask says.")
@click.option("--largest-component", is_flag=True, help="Write the mesh's greatest part alone.")
@click.option("--every", type=click.IntRange(min=1), default=1, help="Keep each n-th frame of a film.")
@click.option("--batch", type=click.IntRange(min=0), default=0, help="Pictures at once; 0: 4 on a GPU, else 1.")
@click.option(
    "--memory", "memory_gib", type=float, help="Bound on a network's activations, GiB.  [default: what is free]"
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "float16", "bfloat16"]),
    default="auto",
    help="auto: float16 on CUDA, else float32.",
)
@click.option("--compile", "compiled", is_flag=True, help="Compile the networks: minutes at the start.")
@options.device
def reconstruct(
    images: tuple[Path, ...], out: Path, mask: Path | None, run: Path, device: str, **settings: object
) -> None:
    """Rebuild the person in each IMAGE: a mesh, a turntable, and the input beside the result.

    IMAGE is a picture with a transparent background, a picture with --mask, a folder of pictures, or a film (needs the
    `films` extra). One picture does not tell size: --height is assumed, and said.
    """
    from ..core.devices import choose_device
    from ..models.runs import load_run
    from ..reconstruct.capture.capture import capture
    from ..reconstruct.capture.pictures import find_sources
    from ..reconstruct.capture.settings import CaptureSettings
    from .progress import TerminalProgress

    sources = find_sources(images, mask)
    loaded = load_run(run, choose_device(device)[0])
    with TerminalProgress() as progress:
        summary = capture(loaded, sources, out, CaptureSettings(**settings), progress=progress)  # type: ignore[arg-type]
    for one in summary.done:
        click.echo(f"{one.name}: {one.vertices} vertices, {one.evaluations} evaluations, {one.seconds:.1f} s")
    options.report((), summary.failures)
    click.echo(f"{len(summary.done)} reconstructed, {len(summary.failures)} failed -> {out}/")
    options.finish(summary.failures)
