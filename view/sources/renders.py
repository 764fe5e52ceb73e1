"""A folder of renders: each scene with its cameras, pictures and layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...core.arrays import U8
from ...core.errors import InputError, MpcError
from ...datasets.renders.format import SceneRecord, ViewRecord, read_scene, read_scene_mesh, scene_folders
from ...datasets.renders.layer_files import read_layer, read_picture
from ...datasets.renders.layer_kinds import layer_kind
from ...datasets.renders.manifest import read_keys
from ...geometry.camera import camera_of
from ..content import Body, CameraMark, Content, Control, Draw, Picture, Points
from .facts import describe_mesh
from .layers import PICTURE, layer_picture, layer_points, thumbnail
from .recent import Recent

NOTED = {"height_m": "height", "unit": "unit", "up": "up", "facing": "facing", "licence": "licence", "time_s": "time"}
UNITS = {"height_m": " m", "time_s": " s"}


class Renders:
    """The scenes of a folder that `mpc render` wrote.

    Args:
        folder: the folder.
    """

    draws: Sequence[Draw] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bodies: Recent[Body] = Recent(3)
        self._marks: Recent[CameraMark] = Recent(200)

    @property
    def title(self) -> str:
        """See Source."""
        return f"renders {self.folder}"

    def names(self) -> Sequence[str]:
        """See Source; from the manifest alone, where a run has finished."""
        keys = read_keys(self.folder)
        if keys is None:
            keys = [place.relative_to(self.folder).as_posix() for place in scene_folders(self.folder)]
        if not keys:
            raise InputError(self.folder, "holds no scenes")
        return sorted(keys)

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        scene = self._scene(name)
        return (
            Control("view", [view.name for view in scene.views], slider=True, rate=6.0),
            Control("layer", (PICTURE, *layers_of(scene))),
        )

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        scene = self._scene(name)
        view = next(view for view in scene.views if view.name == chosen["view"])
        problems: list[str] = []
        bodies: tuple[Body, ...] = ()
        try:
            bodies = (self._bodies.get((name, scene.sha256), lambda: Body("surface", read_scene_mesh(scene)[0])),)
        except MpcError as error:
            problems.append(str(error))
        pictures, points = _pictures(scene, view, chosen["layer"], problems)
        content = Content(
            facts={**_describe_view(view), **_describe_scene(scene), **_size_of(bodies)},
            remarks=[str(notice) for notice in scene.notes.get("notices", ())],
            problem=" ".join(problems),
            bodies=bodies,
            pictures=pictures,
            points=points,
        )
        return replace(content, later=lambda: self._with_cameras(content, scene, view))

    def _scene(self, name: str) -> SceneRecord:
        scene = read_scene(self.folder / name)
        if scene.key != name:
            raise InputError(scene.folder / "scene.json", f"describes {scene.key}; {scene.remedy}")
        return scene

    def _with_cameras(self, content: Content, scene: SceneRecord, chosen: ViewRecord) -> Content:
        """The content with its cameras; pictures that do not read are left out and told."""
        marks, remarks = [], list(content.remarks)
        for view in scene.views:
            key = scene.key, scene.sha256, view.name, view is chosen
            try:
                marks.append(self._marks.get(key, partial(_mark, scene, view, view is chosen)))
            except MpcError as error:
                remarks.append(str(error))
        return replace(content, cameras=marks, remarks=remarks, later=None)


def layers_of(scene: SceneRecord) -> list[str]:
    """Names of the layers that a scene has."""
    return sorted({name.split(".")[1] for name in scene.files if name.count(".") == 2})


def _mark(scene: SceneRecord, view: ViewRecord, chosen: bool) -> CameraMark:
    return CameraMark(view.name, camera_of(view.calibration), thumbnail(read_picture(scene, view)), chosen=chosen)


def _pictures(
    scene: SceneRecord, view: ViewRecord, layer: str, problems: list[str]
) -> tuple[list[Picture], list[Points]]:
    """The view's picture, and the chosen layer as a picture and as points; what does not read becomes a problem."""
    pictures: list[Picture] = []
    points: list[Points | None] = []
    try:
        lit: U8 = read_picture(scene, view)
        pictures.append(Picture(PICTURE, lit))
        if layer != PICTURE:
            kind, values = layer_kind(layer), read_layer(scene, view, layer)
            pictures.insert(0, Picture(layer, layer_picture(kind, values)))
            points.append(layer_points(layer, kind, values, view.calibration, lit))
    except MpcError as error:
        problems.append(str(error))
    return pictures, [cloud for cloud in points if cloud is not None]


def _describe_view(view: ViewRecord) -> dict[str, str]:
    return {"view": f"{view.name}: yaw {view.yaw_deg:.1f}°, pitch {view.pitch_deg:.1f}°", "light": view.light_name}


def _describe_scene(scene: SceneRecord) -> dict[str, str]:
    facts = {
        "subject": f"{scene.subject} ({scene.kind})",
        "animation": f"{scene.animation}, frame {scene.frame}",
        "pictures": f"{len(scene.views)} of {scene.image_size} pixels, cube of {scene.extent_m:g} m",
    }
    for key, name in NOTED.items():
        value = scene.notes.get(key)
        if value is not None:
            shown = f"{value:.2f}" if isinstance(value, float) else str(value)
            facts[name] = shown + UNITS.get(key, "")
    return facts


def _size_of(bodies: Sequence[Body]) -> dict[str, str]:
    return describe_mesh(bodies[0].mesh) if bodies else {}
