"""`mpc render`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("models", type=options.existing_folder)
@click.option("--out", type=options.folder, default="renders", help="Folder to write to.")
@click.option("--views", type=click.IntRange(min=1), default=36, help="Pictures a scene.")
@click.option("--step", "step_deg", type=float, default=10.0, help="Degrees of yaw between views.")
@click.option("--offset", "offset_deg", type=float, default=0.0, help="Yaw of the first view, degrees.")
@click.option("--pitch", "pitch_deg", type=click.FloatRange(-85, 85), default=0.0, help="Camera elevation, degrees.")
@click.option("--size", type=click.IntRange(16, 4096), default=512, help="Pictures are SIZE x SIZE pixels.")
@click.option("--extent", "extent_m", type=float, default=2.4, help="Edge of the view cube, metres.")
@click.option("--frames-per-animation", type=click.IntRange(min=1), default=3, help="Random frames of each clip.")
@click.option("--frames", type=click.Choice(["all"]), help="All frames of each clip instead.")
@click.option("--poses", help="kmeans:K takes K frames a rig instead, one for each cluster of its poses.")
@click.option(
    "--pose-filter/--no-pose-filter",
    default=True,
    help="Leave out frames with the head under the hips or outside the cube.",
    show_default=True,
)
@click.option("--animations", type=options.existing_path, help="Folder of .bvh, .fbx, .glb clips for every rig.")
@click.option("--bone-map", type=options.existing_file, help="TOML with the names of bones that are not known.")
@click.option("--rays", type=click.IntRange(min=16), default=128, help="Occlusion rays a vertex (light transfer).")
@click.option("--lights", type=options.existing_folder, help="Folder of .hdr panoramas.  [default: built-in set]")
@click.option("--renderer", type=click.Choice(["auto", "pyrender", "embree"]), default="auto", help="Who draws.")
@click.option("--unit", type=click.Choice(["m", "dm", "cm", "mm", "in"]), help="Unit of scans.  [default: detected]")
@click.option("--up", type=click.Choice(["+x", "-x", "+y", "-y", "+z", "-z"]), help="Up axis.  [default: detected]")
@click.option(
    "--facing", type=click.Choice(["+x", "-x", "+y", "-y", "+z", "-z"]), help="Where people look.  [default: detected]"
)
@click.option("--height", "height_m", type=float, help="Scale scans to this height, metres.  [default: as they are]")
@options.seed
@options.workers
def render(
    models: Path,
    out: Path,
    renderer: str,
    frames: str | None,
    poses: str | None,
    unit: str | None,
    up: str | None,
    facing: str | None,
    height_m: float | None,
    jobs: int,
    backend: str,
    **settings: object,
) -> None:
    """Pose every subject below MODELS and draw it from all around, lit.

    Static scans (OBJ, PLY, STL, GLB/glTF, FBX) give one scene; rigged people (GLB/glTF, FBX with skin) give random
    frames of each animation, their own and those of --animations. Finished scenes are kept, so the same command goes
    on after a stop.
    """
    if frames is not None and poses is not None:
        raise click.UsageError("--frames and --poses exclude each other")
    from ..datasets.build_renders import RenderSettings, render_models
    from ..datasets.units_axes import LoadOptions
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = render_models(
            models,
            out,
            RenderSettings(
                poses=poses or frames or "random",
                load=LoadOptions(unit=unit, up=up, facing=facing, height_m=height_m),
                **settings,  # type: ignore[arg-type]
            ),
            renderer=renderer,
            jobs=jobs,
            backend=backend,
            progress=progress,
        )
    options.report(summary.notices, summary.failures)
    click.echo(
        f"{summary.rendered} scenes rendered, {summary.kept} kept, {len(summary.failures)} failed, "
        f"of {summary.subjects} subjects -> {out}/"
    )
    options.finish(summary.failures)
