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
@click.option("--rays", type=click.IntRange(min=16), default=128, help="Occlusion rays a vertex (light transfer).")
@click.option("--lights", type=options.existing_folder, help="Folder of .hdr panoramas.  [default: built-in set]")
@click.option("--renderer", type=click.Choice(["auto", "pyrender", "embree"]), default="auto", help="Who draws.")
@options.placement
@options.seed
@options.workers
@options.limits
def render(
    models: Path,
    out: Path,
    renderer: str,
    unit: str | None,
    up: str | None,
    facing: str | None,
    height_m: float | None,
    jobs: int,
    backend: str,
    timeout_s: float,
    memory_gb: float | None,
    **settings: object,
) -> None:
    """Pose every subject below MODELS and draw it from all around, lit.

    Static scans (OBJ, PLY, STL, GLB/glTF) give one scene; rigged people (GLB/glTF with skin) give random frames of
    each animation. Finished scenes are kept, so the same command goes on after a stop.
    """
    from ..datasets.build_renders import RenderSettings, render_models
    from ..datasets.units_axes import LoadOptions
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        summary = render_models(
            models,
            out,
            RenderSettings(
                load=LoadOptions(unit=unit, up=up, facing=facing, height_m=height_m),
                **settings,  # type: ignore[arg-type]
            ),
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
