"""`mpc render`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from . import options, values

if TYPE_CHECKING:
    from ..core.guard import Limits
    from ..core.parts import Part
    from ..datasets.renders.dry_run import RenderPlan
    from ..subjects.placement import PlacementOptions
    from ..subjects.selection import Selection


def light_names() -> Iterable[str]:
    """The names of the built-in lights."""
    from ..render.light.lights import builtin_lights

    return builtin_lights().names


def crop_names() -> Iterable[str]:
    """The crops of a view that can be drawn."""
    from ..datasets.renders.crops import CROPS

    return CROPS


@click.command(cls=values.Command)
@click.argument("models", type=options.existing_folder)
@click.option("--out", type=options.folder, default="renders", help="Folder to write the renders to.")
@click.option(
    "--views",
    type=click.IntRange(1, 3600),
    default=36,
    help="Number of yaws of a scene; each is drawn at every --pitch.",
)
@click.option("--step", "step_deg", type=float, default=10.0, help="Degrees of yaw between two views.")
@click.option("--offset", "offset_deg", type=float, default=0.0, help="Yaw of the first view, degrees.")
@values.numbers("--pitch", "pitch_deg", default=(0.0,), metavar="DEG...", help="Elevations, degrees.")
@values.numbers(
    "--jitter", "jitter_deg", exactly=3, default=(0.0, 0.0, 0.0), metavar="YAW PITCH ROLL",
    help="Largest random turn of each camera, degrees.",
)  # fmt: skip
@click.option(
    "--fov", type=values.Span(), default=(0.0, 0.0), metavar="DEG|LOW:HIGH",
    help="Angle of view, degrees, or 20:60 for one between the two at random for each camera, hence its distance; 0 "
    "for orthographic cameras.",
)  # fmt: skip
@click.option(
    "--cameras", "camera_file", type=options.existing_path,
    help="Cameras of a real rig in place of those around the person: transforms.json, a JSON file of OpenCV's K, R and "
    "t, or a folder with a COLMAP model as text.",
)  # fmt: skip
@click.option(
    "--cameras-up", "camera_up", type=click.Choice(["y", "z"]), default="y",
    help="Axis that points up in the world of --cameras; people stand at its origin.",
)  # fmt: skip
@click.option("--size", type=click.IntRange(16, 4096), default=512, help="Edge of the pictures, pixels.")
@click.option(
    "--antialias", type=click.IntRange(4, 16), default=4, metavar="4|8|16",
    help="Samples of a pixel on an edge; alpha has one value more than these.",
)  # fmt: skip
@click.option(
    "--extent", type=values.NumberOr("auto"), default=2.4, metavar="METRES|auto",
    help="Edge of the view cube, metres, or auto: the smallest that holds everybody, for which all scenes are posed "
    "once more.",
)  # fmt: skip
@click.option(
    "--centre",
    type=click.Choice(["surface", "pelvis", "box"]),
    default="surface",
    help="Middle of the view cube: the centroid of the surface, the pelvis (where it is unknown, the box), or the "
    "middle of the bounding box. A folder that is there already keeps its own.",
)
@click.option(
    "--frames-per-animation", type=click.IntRange(1, 100_000), default=3, help="Number of random frames of each clip."
)
@click.option(
    "--frames", type=click.Choice(["all", "spread"]),
    help="Take all frames of each clip, or spread the frames evenly over the clip instead of drawing each at random.",
)  # fmt: skip
@click.option("--poses", help="kmeans:K takes K frames of each rig instead, one for each cluster of its poses.")
@click.option(
    "--pose-filter/--no-pose-filter",
    default=True,
    help="Skip frames where the head is under the hips or the person leaves the view cube.",
)
@click.option(
    "--animations", type=options.existing_path, help="Folder of .bvh, .fbx and .glb clips that every rig also performs."
)
@click.option("--bone-map", type=options.existing_file, help="TOML file that names bones which mpc does not know.")
@options.rays
@click.option(
    "--longest-edge", "longest_edge_m", type=float, default=0.05,
    help="Halve mesh edges longer than this before light is gathered, metres.",
)  # fmt: skip
@click.option(
    "--lights", type=options.existing_folder, help="Folder of .hdr and .exr panoramas.  [default: built-in lights]"
)
@click.option(
    "--lights-per-view", type=click.IntRange(1, 100), default=1,
    help="Number of pictures that each camera takes, each in a light of its own.",
)  # fmt: skip
@values.names(
    "--light-names", known=light_names, metavar="NAME...",
    help="Lights to use, such as 'studio_*' or room_lamp_02; * and ? stand for other letters.  [default: all lights]",
)  # fmt: skip
@click.option(
    "--backgrounds", type=options.existing_folder,
    help="Folder of photographs and panoramas: the layer photo shows each view in front of one of them; panoramas also "
    "light the person.",
)  # fmt: skip
@click.option(
    "--exposure", "exposure_ev", type=click.FloatRange(-8, 8), default=0.0, metavar="STOPS",
    help="Exposure, photographic stops: 1 doubles the light, -1 halves it.",
)  # fmt: skip
@values.names(
    "--layers", known=options.layer_names, metavar="NAME...",
    help="Layers to draw beside the lit pictures: normal_front, depth_front, mask and others.",
)  # fmt: skip
@values.names(
    "--crops", known=crop_names, metavar="face|upper...",
    help="Also draw each view's face, or upper body, as a picture of its own with its calibration, where joints are "
    "known.",
)  # fmt: skip
@click.option(
    "--crop-size", type=click.IntRange(16, 4096), default=512, help="Edge of the pictures of --crops, pixels."
)
@click.option(
    "--body-model", type=options.existing_file,
    help="Your own SMPLX_*.npz: with it the fits of THuman2, CustomHumans and X-Humans give bodies, joints and parts.",
)  # fmt: skip
@click.option("--renderer", type=click.Choice(["auto", "pyrender", "embree"]), default="auto", help="Renderer to use.")
@options.placement
@options.selection
@options.seed
@options.workers
@options.limits
@click.option(
    "--repair", is_flag=True, help="Compare all files with their checksums, and render what is damaged again."
)
@click.option(
    "--prune", is_flag=True, help="Remove the scenes of people who are gone, and those that a new source replaces."
)
@options.parts
@click.option("--dry-run", is_flag=True, help="Count scenes and pictures, estimate size and time, and write nothing.")
def render(
    models: Path,
    out: Path,
    renderer: str,
    frames: str | None,
    poses: str | None,
    extent: float | Literal["auto"],
    fov: tuple[float, float],
    load: PlacementOptions,
    selection: Selection,
    jobs: int,
    backend: str,
    limits: Limits,
    repair: bool,
    prune: bool,
    part: Part | None,
    finish: bool,
    dry_run: bool,
    **settings: Any,
) -> None:
    """Pose every subject below MODELS and draw it from all around, lit.

    A static scan (OBJ, PLY, STL, GLB/glTF, FBX) gives one scene. A rigged person (GLB/glTF, FBX with skin) gives random
    frames of each animation, its own and those of --animations. Finished scenes are kept, so the same command
    continues after a stop.
    """
    if frames is not None and poses is not None:
        raise click.UsageError("--frames and --poses exclude each other")
    if frames == "all":
        options.refuse_ignored("with --frames all", "frames_per_animation")
    if settings["camera_file"] is not None:
        options.refuse_ignored("with --cameras", "views", "step_deg", "offset_deg", "pitch_deg", "jitter_deg", "fov")
    else:
        options.refuse_ignored("without --cameras", "camera_up")
    if not settings["crops"]:
        options.refuse_ignored("without --crops", "crop_size")
    if part is not None:
        options.refuse_ignored("with --part; --finish removes", "prune")
    from ..datasets.renders.build import render_models
    from ..datasets.renders.camera_files import read_cameras
    from ..datasets.renders.dry_run import plan_renders
    from ..datasets.renders.extent import choose_extent
    from ..datasets.renders.folder import keep_centre
    from ..datasets.renders.settings import RenderSettings
    from .progress import TerminalProgress

    settings["fov_deg"], settings["fov_most_deg"] = fov
    if extent != "auto":
        settings["extent_m"] = extent
    chosen = RenderSettings(poses=poses or frames or "random", load=load, **settings)
    if chosen.camera_file is not None:
        distorted = [camera.name for camera in read_cameras(chosen.camera_file, chosen.camera_up) if camera.distorted]
        if distorted:
            click.echo(f"{chosen.camera_file}: the distortion of {', '.join(distorted)} is left out", err=True)
    if not options.is_given("centre"):
        chosen = keep_centre(out, chosen)
        if chosen.centre != settings["centre"]:
            click.echo(f"{out}/ was made with --centre {chosen.centre}, and goes on with it", err=True)
    if extent == "auto":
        with TerminalProgress() as progress:
            extent_m = choose_extent(
                models, out, chosen, jobs=jobs, backend=backend, limits=limits, selection=selection, progress=progress
            )
        chosen = replace(chosen, extent_m=extent_m)
    if dry_run:
        options.refuse_ignored("with --dry-run", "repair", "prune", "part", "finish")
        click.echo(describe(plan_renders(models, out, chosen, renderer=renderer, jobs=jobs, selection=selection)))
        return
    with TerminalProgress() as progress:
        summary = render_models(
            models,
            out,
            chosen,
            renderer=renderer,
            jobs=jobs,
            backend=backend,
            limits=limits,
            repair=repair,
            prune=prune,
            part=part,
            finish=finish,
            selection=selection,
            progress=progress,
        )
    options.report(summary.notices, summary.failures, out)
    done = "" if part is None else f" (part {part}; `mpc render MODELS --finish` when all parts have ended)"
    click.echo(
        f"{summary.rendered} scenes rendered, {summary.kept} kept, {len(summary.failures)} failed, "
        f"of {summary.subjects} subjects -> {out}/{done}"
    )
    options.finish(summary.failures)


def describe(plan: RenderPlan) -> str:
    """The lines that --dry-run prints."""
    lines = [
        f"{plan.subjects} subjects, {plan.scenes} scenes ({plan.kept} rendered already)",
        f"{plan.pictures:,} pictures to draw, about {plan.total_bytes / 1e6:,.0f} MB",
    ]
    if plan.measured:
        time = f"{plan.seconds / 3600:.1f} h" if plan.seconds >= 5400 else f"{plan.seconds / 60:.1f} min"
        lines.append(f"about {time} with {plan.workers} workers ({plan.renderer}, measured on {plan.measured})")
    return "\n".join(lines)
