"""Drawing through pyrender: flat shading, irradiance as vertex colours, multisampling, on EGL or OSMesa."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.arrays import F32, U8
from ..core.errors import SettingsError
from ..core.pictures import straight_alpha
from ..geometry.camera import Camera, CroppedCamera, PerspectiveCamera
from ..geometry.mesh import PosedMesh
from .layers import RenderLayers, render_layers
from .parts import MeshPart, split_parts
from .subpixels import shifts

TRIANGLES = 4
# Alpha of one of the graphics card's four samples.
QUARTER = np.float32(255 / 4)

_context: dict[str, Any] = {}


def shared_context(platform: str, height: int, width: int, devices: tuple[int, ...] = ()) -> Any:
    """This process's one pyrender.OffscreenRenderer, resized.

    There is only one because ending a second would terminate their common display (eglTerminate), and because making a
    context and compiling its shaders takes longer than drawing a view. It stays on the graphics card of the first call:
    `devices[0]`, unless the user set EGL_DEVICE_ID.

    Args:
        platform: "egl" or "osmesa".
        height: pixels.
        width: pixels.
        devices: EGL_DEVICE_ID of the graphics card; empty for the default.

    Raises:
        SettingsError: called from another thread than before, or OpenGL was loaded for another platform.
    """
    here = (os.getpid(), threading.get_ident())
    if _context.get("owner", here) != here:
        raise SettingsError(
            "OpenGL draws only in the thread and process that opened it; use processes (--backend loky)"
        )
    if not _context:
        loaded = os.environ.setdefault("PYOPENGL_PLATFORM", platform)
        if loaded != platform:
            raise SettingsError(f"PYOPENGL_PLATFORM is {loaded!r}, but {platform!r} was chosen")
        if devices:
            os.environ.setdefault("EGL_DEVICE_ID", str(devices[0]))
        import pyrender

        try:
            renderer = pyrender.OffscreenRenderer(width, height)
        except Exception as error:  # the driver, PyOpenGL's bindings and pyrender's assertions raise many types
            raise SettingsError(f"no OpenGL context in this process ({error!r}); use --renderer embree") from error
        _context.update(owner=here, renderer=renderer)
        atexit.register(close_context)
    renderer = _context["renderer"]
    renderer.viewport_width, renderer.viewport_height = width, height
    return renderer


def close_context() -> None:
    """Free this process's OpenGL context; the next call of `shared_context` makes a new one."""
    if _context and _context["owner"][0] == os.getpid():
        renderer = _context["renderer"]
        _context.clear()
        renderer.delete()


class PyrenderRenderer:
    """Draws one mesh with pyrender; the interface is `renderer.Renderer`.

    Args:
        platform: "egl" or "osmesa".
        mesh: drawn from both sides.
        height: pixels.
        width: pixels.
        devices: EGL_DEVICE_ID of the graphics card; empty for the default.
        samples: of a pixel on an edge, of ANTIALIAS. The card's own multisampling has four; for more the picture is
            drawn several times, shifted by parts of a pixel.
    """

    def __init__(
        self, platform: str, mesh: PosedMesh, height: int, width: int, devices: tuple[int, ...] = (), samples: int = 4
    ) -> None:
        self._mesh = mesh
        self._shifts = shifts(samples)
        self._size = (height, width)
        self._offscreen = shared_context(platform, height, width, devices)
        import pyrender

        self._flags = pyrender.RenderFlags.FLAT | pyrender.RenderFlags.RGBA | pyrender.RenderFlags.SKIP_CULL_FACES
        self._parts = split_parts(mesh)
        self._materials = [_material(part) for part in self._parts]
        self._scene = pyrender.Scene(bg_color=np.zeros(4))
        self._camera_node: Any = None
        self._mesh_node: Any = None

    def colour(self, camera: Camera, vertex_irradiance: F32) -> U8:
        """See render/renderer.py."""
        import pyrender

        primitives = [
            pyrender.Primitive(
                positions=part.positions,
                texcoord_0=part.uv,
                color_0=part.colours(vertex_irradiance),
                indices=part.faces,
                material=material,
                mode=TRIANGLES,
            )
            for part, material in zip(self._parts, self._materials, strict=True)
        ]
        # A new mesh with the same materials: pyrender uploads the vertices again (a few ms) and keeps the textures.
        if self._mesh_node is not None:
            self._scene.remove_node(self._mesh_node)
        self._mesh_node = self._scene.add(pyrender.Mesh(primitives))
        picture = self._draw(camera)
        if len(self._shifts) == 1:
            return straight_alpha(picture)
        total = np.zeros(picture.shape, np.float32)
        for shift in self._shifts:
            moved = self._draw(camera, *shift).astype(np.float32)
            moved[..., 3] = np.rint(moved[..., 3] / QUARTER) * QUARTER  # whole samples, before they are averaged
            total += moved
        return _with_edges(picture, total / np.float32(len(self._shifts)))

    def _draw(self, camera: Camera, down: float = 0.0, right: float = 0.0) -> U8:
        """The picture (H, W, 4), colours times alpha, with its samples moved by parts of a pixel."""
        self._place(camera, down, right)
        # Renderers of pictures of another size share the context.
        self._offscreen.viewport_height, self._offscreen.viewport_width = self._size
        with _coverage_from_alpha(any(part.cut_out for part in self._parts)):
            picture: U8 = self._offscreen.render(self._scene, flags=self._flags)[0]
        return picture

    def albedo(self, camera: Camera) -> U8:
        """See render/renderer.py."""
        return self.colour(camera, np.ones((len(self._mesh.vertices), 3), np.float32))

    def layers(self, camera: Camera, names: Sequence[str]) -> RenderLayers:
        """See render/layers.py. Embree casts them: a rasteriser's are not exact and do not include the back."""
        return render_layers(self._mesh, camera, *self._size, names)

    def close(self) -> None:
        """Free the mesh's buffers and textures; the context stays for the next mesh."""
        import pyrender

        empty = pyrender.Scene(bg_color=np.zeros(4))
        empty.add(pyrender.OrthographicCamera(1.0, 1.0, znear=0.1, zfar=10.0))
        self._offscreen.render(empty, flags=self._flags)

    def _place(self, camera: Camera, down_px: float, right_px: float) -> None:
        import pyrender

        seen, camera = camera, camera.whole if isinstance(camera, CroppedCamera) else camera
        extent = camera.extent_m
        if self._camera_node is not None:
            self._scene.remove_node(self._camera_node)
        pose = np.eye(4)
        right, down, away = camera.rotation
        pose[:3, :3] = np.stack([right, -down, -away], axis=1)
        if isinstance(camera, PerspectiveCamera):
            fov, distance = np.radians(camera.fov_deg), camera.distance_m
            near = max(distance - extent, distance / 20)
            lens = pyrender.PerspectiveCamera(yfov=fov, znear=near, zfar=distance + extent, aspectRatio=1.0)
            pose[:3, 3] = camera.eye_world
        else:
            # The cube lies between 1.5 and 2.5 extents from the eye; half an extent before and behind it is drawn too.
            lens = pyrender.OrthographicCamera(extent / 2, extent / 2, znear=extent, zfar=3 * extent)
            pose[:3, 3] = np.asarray(camera.centre_world) - away * 2 * extent
            # pyrender widens the view of a picture that is not square; view space always spans the picture.
            height, width = self._size
            pose[:3, 0] *= height / width
        if isinstance(seen, CroppedCamera):
            _zoom(lens, 1.0 / seen.share, (seen.middle[1] / seen.share, -seen.middle[0] / seen.share))
        if down_px or right_px:
            _zoom(lens, 1.0, (2.0 * down_px / self._size[0], -2.0 * right_px / self._size[1]))
        self._camera_node = self._scene.add(lens, pose=pose)


def _zoom(lens: Any, times: float, shift: tuple[float, float]) -> None:
    """Enlarge what a camera of pyrender sees, and move it up and to the right, in halves of the picture's edges."""
    project, moved = lens.get_projection_matrix, np.diag([times, times, 1.0, 1.0])
    moved[:2, 3] = shift[1], shift[0]
    lens.get_projection_matrix = lambda width=None, height=None: moved @ project(width, height)


def _with_edges(picture: U8, mean: F32) -> U8:
    """A picture with straight alpha: its pixels within the surface, and elsewhere the mean of shifted pictures.

    Args:
        picture: (H, W, 4), colours times alpha.
        mean: (H, W, 4) the same of the shifted pictures, not rounded.
    """
    result = np.array(picture, order="C")
    edge = np.minimum(mean[..., 3], picture[..., 3]) < 255.0
    partial = mean[edge]
    colours = partial[:, :3] * (255.0 / np.maximum(partial[:, 3:], 1.0))
    result[edge] = np.rint(np.minimum(np.concatenate([colours, partial[:, 3:]], axis=1), 255.0)).astype(np.uint8)
    result *= (result[..., 3:] > 0).astype(np.uint8)
    return result


@contextmanager
def _coverage_from_alpha(wanted: bool) -> Iterator[None]:
    """For cut-outs: pyrender's flat shader discards no pixel, so alpha decides how many of its samples are drawn."""
    from OpenGL.GL import GL_SAMPLE_ALPHA_TO_COVERAGE, GL_SAMPLE_ALPHA_TO_ONE, glDisable, glEnable

    states = (GL_SAMPLE_ALPHA_TO_COVERAGE, GL_SAMPLE_ALPHA_TO_ONE) if wanted else ()
    for state in states:
        glEnable(state)
    try:
        yield
    finally:
        for state in states:
            glDisable(state)


def _material(part: MeshPart) -> Any:
    import pyrender

    from .gl_texture import MipmappedTexture

    texture = None if part.texture is None else MipmappedTexture(part.texture, part.wrap)
    # Floats throughout: pyrender reads an integer factor as a share of 255.
    factor = np.array([*part.colour[:3], 1.0], np.float32)
    return pyrender.MetallicRoughnessMaterial(
        baseColorTexture=texture, baseColorFactor=factor, doubleSided=True, alphaMode="OPAQUE"
    )
