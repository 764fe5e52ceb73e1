"""`mpc reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options, values
from .segment import person

FORMATS = ["glb", "ply", "obj"]


class MaskPlace(click.Path):
    """A path of masks, or one of the words auto and none; a file of such a name is written ./auto."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, exists=True)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What the help shows in place of a value."""
        return "auto|none|PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Leave the words as they are."""
        return value if value in ("auto", "none") else super().convert(value, param, ctx)


@click.command(cls=values.Command)
@click.argument("images", type=options.existing_path, nargs=-1, required=True, metavar="IMAGE...")
@click.option("--out", type=options.folder, required=True, help="Folder to write to.")
@click.option(
    "--mask", type=MaskPlace(), default="auto",
    help="Picture or film of the mask (the person is white), or a folder of them. auto takes the alpha channel, and "
    "finds the person where there is none; none takes the whole picture for the person, background and all.",
)  # fmt: skip
@person
@click.option(
    "--run", type=options.run_folder,
    help="Run to use, a folder of runs to take the newest of, or base, the networks of the package.  [default: runs, "
    "or base where there is no run]",
)  # fmt: skip
@click.option(
    "--height", "height_m", type=float, default=1.7,
    help="Assumed height of the person, metres: standing where landmarks are found, otherwise as posed.",
)  # fmt: skip
@click.option(
    "--extent",
    "extent_m",
    type=float,
    help="Edge of the view cube of the training pictures, metres.  [default: the run's]",
)
@click.option(
    "--framing", type=click.Choice(["crop", "keep"]), default="crop",
    help="Crop pictures by the mask, or keep square pictures as they are.",
)  # fmt: skip
@click.option(
    "--resolution", type=click.IntRange(min=33), default=257, help="Number of nodes along an edge of the view cube."
)
@click.option(
    "--mode", type=click.Choice(["lossless", "fast"]), default="lossless",
    help="Evaluate the network wherever it matters, or interpolate the last level.",
)  # fmt: skip
@values.names(
    "--format", "formats", known=lambda: FORMATS, type=click.Choice(FORMATS), default=("glb",), metavar="FORMAT...",
    help="Formats of the meshes: glb, ply, obj.",
)  # fmt: skip
@click.option(
    "--texture-size", type=click.IntRange(0, 8192), default=0,
    help="Edge of the texture of GLB and OBJ, pixels; 0 colours the vertices instead.",
)  # fmt: skip
@click.option(
    "--turntable", type=click.Choice(["gif", "mp4", "none"]), default="gif", help="Film around each reconstruction."
)
@click.option(
    "--turntable-frames", type=click.IntRange(1, 720), default=36, help="Number of pictures of the turntable."
)
@click.option("--size", type=click.IntRange(16, 2048), default=320, help="Edge of each panel, pixels.")
@options.use_mask
@options.photo_colours
@options.both_ways
@click.option("--largest-component", is_flag=True, help="Write only the largest connected part of the mesh.")
@click.option("--every", type=click.IntRange(min=1), default=1, help="Reconstruct each n-th frame of a film.")
@click.option(
    "--sequence", is_flag=True,
    help="Write a film as one animated GLB as well, and a turntable film of the moving person.",
)  # fmt: skip
@click.option("--smooth", is_flag=True, help="Smooth the place of the square from frame to frame of a film.")
@click.option(
    "--batch", type=click.IntRange(min=0), default=0,
    help="Number of pictures processed together; 0 takes 4 on a GPU and 1 on a CPU.",
)  # fmt: skip
@click.option(
    "--memory", "memory_gib", type=float, help="Memory for a network's activations, GiB.  [default: what is free]"
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "float16", "bfloat16"]),
    default="auto",
    help="Precision of the networks; auto is float16 on CUDA and float32 elsewhere.",
)
@click.option("--compile", "compiled", is_flag=True, help="Compile the networks, which takes minutes at the start.")
@options.device
def reconstruct(
    images: tuple[Path, ...], out: Path, mask: Path | str, run: Path | None, device: str, **settings: Any
) -> None:
    """Rebuild the person in each IMAGE: a mesh, a turntable, and the input beside the result.

    IMAGE is a photograph, in which the person is found (networks of `mpc fetch`), a picture with a transparent
    background or with --mask, a folder of pictures, or a film (needs the `films` extra). One picture does not tell the
    size of a person, so --height is assumed; the result says so.
    """
    if mask != "auto":
        options.refuse_ignored("with a mask" if isinstance(mask, Path) else "with --mask none", "person")
    if mask == "none":
        options.refuse_ignored("with --mask none, which masks nothing", "use_mask")
    if "glb" not in settings["formats"]:
        options.refuse_ignored("without --format glb", "sequence")
    if set(settings["formats"]) == {"ply"}:
        options.refuse_ignored("with --format ply, which holds no texture", "texture_size")
    if settings["turntable"] == "none":
        options.refuse_ignored("with --turntable none", "turntable_frames")
    if settings["framing"] == "keep":
        options.refuse_ignored("with --framing keep", "height_m")
    from ..core.devices import choose_device
    from ..models.runs import load_run
    from ..models.shipped import choose_run
    from ..reconstruct.capture.capture import capture
    from ..reconstruct.capture.pictures import find_sources, skipped_kinds
    from ..reconstruct.capture.settings import CaptureSettings
    from .progress import TerminalProgress

    sources = find_sources(images, mask if isinstance(mask, Path) else None, whole=mask == "none")
    if not any(source.is_film for source in sources):
        options.refuse_ignored("without a film", "every", "sequence", "smooth")
    chosen = CaptureSettings(**settings)
    runs = Path("runs")
    folder, remark = choose_run(run or runs, None if run else runs)
    loaded = load_run(folder, choose_device(device)[0])
    for line in [*skipped_kinds(images), *filter(None, [remark])]:
        click.echo(line, err=True)
    with TerminalProgress() as progress:
        summary = capture(loaded, sources, out, chosen, progress=progress)
    for one in summary.done:
        took = "kept from before" if one.kept else f"{one.seconds:.1f} s"
        click.echo(f"{one.name}: {one.vertices} vertices, {one.evaluations} evaluations, {took}")
    options.report((), summary.failures)
    click.echo(f"{len(summary.done)} reconstructed, {len(summary.failures)} failed -> {out}/")
    options.finish(summary.failures)
