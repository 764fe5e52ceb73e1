"""Draw contents into the scene of one browser. What is drawn already is not sent again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from ..core.arrays import F64, U8
from ..formats.png import encode_png
from ..geometry.camera import Camera, PerspectiveCamera
from ..geometry.mesh import Material, PosedMesh
from .content import Board, Body, CameraMark, Content, Points

if TYPE_CHECKING:
    import viser

Style = Literal["colours", "plaster", "wireframe"]
STYLES: tuple[Style, ...] = ("colours", "plaster", "wireframe")
PLASTER = (205, 200, 194)
CHOSEN, OTHER = (214, 96, 30), (70, 78, 88)
MOST_TEXELS = 1024  # larger textures are shrunk: a page shows a person at that size at most
# Frusta stand this many edges of the view cube from its centre, and are this wide at their picture.
AWAY, MARK_M = 1.0, 0.34
FRAMES_IN_SIGHT = np.radians(40.0)


Drawable = Body | Points | CameraMark | Board


@dataclass
class _Node:
    """Something in the browser's scene.

    Attributes:
        drawn: what it shows; kept so that no other object gets its number.
        handle: of viser.
    """

    drawn: Drawable
    handle: Any


class Stage:
    """The scene of one browser.

    Args:
        client: the browser.
        choose: receives the control and the value that a click on a camera chooses.
    """

    def __init__(self, client: viser.ClientHandle, choose: Callable[[str, str], None]) -> None:
        self._client, self._choose = client, choose
        self._nodes: OrderedDict[tuple[int, Style], _Node] = OrderedDict()
        self._count = 0
        self._fitted: F64 | None = None

    def draw(self, content: Content, style: Style, keep: Iterable[Content] = ()) -> None:
        """Show a content, and nothing else.

        Args:
            content: what is shown.
            style: of its surfaces.
            keep: contents that will be shown again soon; they stay in the browser, hidden.
        """
        shown = {self._key(one, style): one for one in _parts(content)}
        waiting = {self._key(one, style) for kept in keep for one in _parts(kept)}
        self._aim(content.bounds)
        with self._client.atomic():
            for key, one in shown.items():
                if key in self._nodes:
                    self._nodes[key].handle.visible = True
                else:
                    self._nodes[key] = _Node(one, self._add(one, style))
            for key in [key for key in self._nodes if key not in shown]:
                if key in waiting:
                    self._nodes[key].handle.visible = False
                else:
                    self._nodes.pop(key).handle.remove()

    def _key(self, one: Drawable, style: Style) -> tuple[int, Style]:
        return id(one), style if isinstance(one, Body) else "colours"

    def _add(self, one: Drawable, style: Style) -> Any:
        self._count += 1
        name, scene = f"/shown/{self._count}", self._client.scene
        if isinstance(one, Points):
            return scene.add_point_cloud(
                name, one.places, one.colours, point_size=one.size_m, point_shape="circle", precision="float32"
            )
        if isinstance(one, CameraMark):
            return self._add_camera(name, one)
        if isinstance(one, Board):
            width = one.height_m * one.pixels.shape[1] / one.pixels.shape[0]
            # viser's pictures have y down, as cameras do; turned about the x axis, they stand upright.
            return scene.add_image(
                name, one.pixels, width, one.height_m, wxyz=(0, 1, 0, 0), position=(0.0, one.height_m / 2, 0.0)
            )
        if style == "colours":
            return scene.add_glb(name, encode_body(one))
        wire = style == "wireframe"
        return scene.add_mesh_simple(
            name, one.mesh.vertices, one.mesh.faces, color=PLASTER, wireframe=wire, side="double"
        )

    def _add_camera(self, name: str, mark: CameraMark) -> Any:
        import viser.transforms

        camera = mark.camera
        matrix = camera.rotation.T
        pose = viser.transforms.SO3.from_matrix(matrix)
        fov = FRAMES_IN_SIGHT if not isinstance(camera, PerspectiveCamera) else np.radians(camera.fov_deg)
        handle = self._client.scene.add_camera_frustum(
            name,
            fov=float(fov),
            aspect=1.0,
            scale=MARK_M,
            thickness=0.012 if mark.chosen else 0.005,
            color=CHOSEN if mark.chosen else OTHER,
            image=mark.picture,
            wxyz=pose.wxyz,
            position=camera_place(camera),
        )

        @handle.on_click
        def _(_: Any) -> None:
            self._choose(mark.control, mark.name)

        return handle

    def _aim(self, bounds: F64 | None) -> None:
        """Turn the browser's view to what is shown, at first and where something is shown elsewhere or much larger."""
        if bounds is None or not _moved(self._fitted, bounds):
            return
        self._fitted = bounds
        size = float(np.linalg.norm(bounds[1] - bounds[0]))
        centre = bounds.mean(axis=0) + np.array([0.1 * size, 0.0, 0.0])  # the panel covers the right of the window
        camera = self._client.camera
        with self._client.atomic():
            camera.up_direction = (0.0, 1.0, 0.0)
            camera.fov = float(np.radians(40.0))
            camera.near, camera.far = max(size * 0.01, 1e-4), max(size * 60.0, 50.0)
            flat = bounds[1, 2] - bounds[0, 2] < 1e-3 * size  # a picture is looked at from the front
            camera.position = centre + np.array([0.0, 0.0, 1.5] if flat else [0.6, 0.27, 1.35]) * size
            camera.look_at = centre


def _parts(content: Content) -> list[Drawable]:
    return [*content.bodies, *content.points, *content.cameras, *content.boards]


def _moved(before: F64 | None, now: F64) -> bool:
    """Whether what is shown has left the box that the view was turned to, or is of quite another size."""
    if before is None:
        return True
    size, other = (float(np.linalg.norm(box[1] - box[0])) for box in (before, now))
    shift = float(np.linalg.norm(before.mean(axis=0) - now.mean(axis=0)))
    return shift > 0.5 * max(size, 1e-9) or not 0.5 < other / max(size, 1e-9) < 2.0


def camera_place(camera: Camera) -> F64:
    """Where a camera's frustum is drawn, (3,) world metres: of a parallel projection, which has no place, before it."""
    if isinstance(camera, PerspectiveCamera):
        return camera.eye_world
    place: F64 = np.asarray(camera.centre_world) - camera.rotation[2] * camera.extent_m * AWAY
    return place


def encode_body(body: Body) -> bytes:
    """A surface as GLB, its textures shrunk to `MOST_TEXELS`."""
    from ..formats.gltf.write import encode_glb  # takes a while to import; the page is to be there first

    mesh = body.mesh
    if mesh.uv is not None and any(material.texture is not None for material in mesh.materials):
        mesh = replace(mesh, materials=tuple(_shrunk(material) for material in mesh.materials))
    elif _is_bare(mesh):
        plaster = Material(colour=tuple(value / 255 for value in (*PLASTER, 255)))  # type: ignore[arg-type]
        mesh = replace(mesh, materials=(plaster,) * len(mesh.materials))
    # The page computes the normals of each material's faces anew, in place: shared ones would be those of the last.
    return encode_glb(mesh, lit=body.lit, encode=_encode_once, apart=True)


def _is_bare(mesh: PosedMesh) -> bool:
    """Whether a surface has no colours of its own."""
    return mesh.vertex_colours is None and all(m.texture is None and m.colour == (1,) * 4 for m in mesh.materials)


# By the number of the texture's array, which is kept so that no other array gets that number.
_SHRUNK: OrderedDict[int, tuple[U8, U8]] = OrderedDict()


def _shrunk(material: Material) -> Material:
    texture = material.texture
    if texture is None or max(texture.shape[:2]) <= MOST_TEXELS:
        return material
    known = _SHRUNK.get(id(texture))
    if known is None:
        factor = -(-max(texture.shape[:2]) // MOST_TEXELS)
        small = np.asarray(Image.fromarray(texture).reduce(factor), np.uint8)
        while len(_SHRUNK) >= 8:
            _SHRUNK.popitem(last=False)
        known = _SHRUNK[id(texture)] = texture, small
    return replace(material, texture=known[1])


def _encode_once(pixels: U8) -> bytes:
    return _encode(pixels.tobytes(), pixels.shape)


@lru_cache(maxsize=8)
def _encode(data: bytes, shape: tuple[int, ...]) -> bytes:
    """A texture as PNG; the frames of a clip share theirs."""
    return encode_png(np.frombuffer(data, np.uint8).reshape(shape), level=1)
