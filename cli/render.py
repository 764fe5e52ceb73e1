"""`mpc render`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from ..datasets.renders.dry_run import RenderPlan


@click.command(cls=options.SeveralValues)
@click.argument("models", type=options.existing_folder)
@click.option("--out", type=options.folder, default="renders", help="Folder to write to.")
@click.option("--views", type=click.IntRange(min=1), default=36, help="Pictures a scene.")
@click.option("--step", "step_deg", type=float, default=10.0, help="Degrees of yaw between views.")
@click.option("--offset", "offset_deg", type=float, default=0.0, help="Yaw of the first view, degrees.")
@click.option("--pitch", default="0", metavar="DEG[,DEG...]", help="Elevations; all yaws are drawn at each.")
@click.option("--jitter", default="0,0,0", metavar="DEG,DEG,DEG", help="Random turn of each camera: yaw, pitch, roll.")
@click.option("--fov", "fov_deg", type=float, default=0.0, help="Angle of view, degrees; 0: orthographic cameras.")
@click.option("--size", type=click.IntRange(16, 4096), default=512, help="Pictures are SIZE x SIZE pixels.")
@click.option("--extent", "extent_m", type=float, default=2.4, help="Edge of the view cube, metres.")
@click.option(
    "--centre",
    type=click.Choice(["pelvis", "surface", "box"]),
    default="pelvis",
    help="The cube's middle: pelvis (where unknown, the box), the surface's centroid, or the bounding box.",
)
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
@click.option("--rays", type=click.IntRange(min=16), default=240, help="Directions of the light transfer.")
@click.option("--longest-edge", "longest_edge_m", type=float, default=0.05, help="Halve longer mesh edges, metres.")
@click.option("--lights", type=options.existing_folder, help="Folder of .hdr/.exr panoramas.  [default: built-in set]")
@click.option("--layers", multiple=True, metavar="NAME...", help="Also draw normal_front, depth_front, mask, ...")
@click.option("--renderer", type=click.Choice(["auto", "pyrender", "embree"]), default="auto", help="Who draws.")
@options.placement
@options.seed
@options.workers
@options.limits
@click.option("--dry-run", is_flag=True, help="Count scenes and pictures, estimate size and time, write nothing.")
def render(
    models: Path,
    out: Path,
    pitch: str,
    jitter: str,
    layers: tuple[str, ...],
    renderer: str,
    frames: str | None,
    poses: str | None,
    unit: str | None,
    up: str | None,
    facing: str | None,
    height_m: float | None,
    jobs: int,
    backend: str,
    timeout_s: float,
    memory_gb: float | None,
    dry_run: bool,
    **chosen: object,
) -> None:
    """Pose every subject below MODELS and draw it from all around, lit.

    Static scans (OBJ, PLY, STL, GLB/glTF, FBX) give one scene; rigged people (GLB/glTF, FBX with skin) give random
    frames of each animation, their own and those of --animations. Finished scenes are kept, so the same command goes
    on after a stop.
    """
    if frames is not None and poses is not None:
        raise click.UsageError("--frames and --poses exclude each other")
    from ..datasets.renders.build import render_models
    from ..datasets.renders.dry_run import plan_renders
    from ..datasets.renders.settings import RenderSettings
    from ..datasets.subjects.placement import LoadOptions
    from .progress import TerminalProgress

    yaw, tilt, roll = options.numbers("--jitter", jitter, 3)
    settings = RenderSettings(
        pitch_deg=options.numbers("--pitch", pitch),
        jitter_deg=(yaw, tilt, roll),
        layers=layers,
        poses=poses or frames or "random",
        load=LoadOptions(unit=unit, up=up, facing=facing, height_m=height_m),
        **chosen,  # type: ignore[arg-type]
    )
    if dry_run:
        click.echo(describe(plan_renders(models, out, settings, renderer=renderer, jobs=jobs)))
        return
    with TerminalProgress() as progress:
        summary = render_models(
            models,
            out,
            settings,
            renderer=renderer,
            jobs=jobs,
            backend=backend,
            limits=options.subject_limits(timeout_s, memory_gb),
            progress=progress,
        )
    options.report(summary.notices, summary.failures)
    click.echo(
        f"{summary.rendered} scenes rendered, {summary.kept} kept, {len(summary.failures)} failed, "
        f"of {summary.subjects} subjects -> {out}/"
    )
    options.finish(summary.failures)


def describe(plan: RenderPlan) -> str:
    """The lines of --dry-run."""
    lines = [
        f"{plan.subjects} subjects, {plan.scenes} scenes ({plan.kept} rendered already)",
        f"{plan.pictures:,} pictures to draw, about {plan.total_bytes / 1e6:,.0f} MB",
    ]
    if plan.measured:
        time = f"{plan.seconds / 3600:.1f} h" if plan.seconds >= 5400 else f"{plan.seconds / 60:.1f} min"
        lines.append(f"about {time} with {plan.workers} workers ({plan.renderer}, measured on {plan.measured})")
    return "\n".join(lines)
