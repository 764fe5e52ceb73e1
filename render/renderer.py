"""One interface to both renderers: choose one, open it for a mesh, draw views."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ..core.arrays import F32, U8
from ..core.errors import SettingsError
from ..geometry.camera import Camera
from ..geometry.mesh import PosedMesh
from .gl_probe import find_gl, software_driver
from .layers import RenderLayers

logger = logging.getLogger(__name__)

RENDERERS = ("auto", "pyrender", "embree")


@dataclass(frozen=True)
class RendererChoice:
    """The renderer that draws, and why it was chosen; picklable, so that one choice serves all workers.

    Attributes:
        name: "pyrender" or "embree".
        reason: one line for the user.
        platform: the value of PYOPENGL_PLATFORM for pyrender, "" for Embree.
        devices: EGL_DEVICE_ID of the graphics cards that share the work; a process draws with the first.
    """

    name: Literal["pyrender", "embree"]
    reason: str
    platform: str = ""
    devices: tuple[int, ...] = ()

    def for_worker(self, number: int) -> RendererChoice:
        """The same choice for worker `number`: workers use the graphics cards in turn."""
        turn = number % max(len(self.devices), 1)
        return replace(self, devices=self.devices[turn:] + self.devices[:turn])


class Renderer(Protocol):
    """Draws one mesh; made by `open_renderer`, and used only in the thread that opened it."""

    def colour(self, camera: Camera, vertex_irradiance: F32) -> U8:
        """Draw the lit picture.

        Args:
            camera: any camera; the whole mesh must be in front of a perspective one.
            vertex_irradiance: (V, 3) float32 display values that multiply the albedo, see render/light/shading.py.

        Returns:
            (H, W, 4) uint8 RGBA, sRGB, straight alpha, antialiased, transparent background (0, 0, 0, 0); contiguous.
        """

    def albedo(self, camera: Camera) -> U8:
        """Draw the unlit picture: `colour` with irradiance 1."""

    def layers(self, camera: Camera, names: Sequence[str]) -> RenderLayers:
        """Compute exact layers at the pixels' centres, see render/layers.py."""


def choose_renderer(name: str = "auto") -> RendererChoice:
    """Choose a renderer: "auto" is pyrender where a graphics card provides OpenGL, otherwise Embree.

    Mesa's software driver draws the same picture on the same cores as Embree, only slower (docs/rendering.md).

    Raises:
        SettingsError: the name is unknown, or it is "pyrender" and OpenGL does not work here.
    """
    if name not in RENDERERS:
        raise SettingsError(f"unknown renderer {name!r}; one of {', '.join(RENDERERS)}")
    if name == "embree":
        return RendererChoice("embree", "asked for")
    support = find_gl()
    software = software_driver(support.reason)
    if name == "auto" and support.platform and software:
        choice = RendererChoice("embree", f"OpenGL is drawn on the CPU here ({software}), which Embree does faster")
    elif support.platform:
        choice = RendererChoice("pyrender", support.reason, support.platform, support.devices)
    elif name == "pyrender":
        raise SettingsError(
            f"pyrender cannot draw here ({support.reason}); install an EGL driver (Debian, Ubuntu: libegl1 "
            "libgl1-mesa-dri) or use --renderer embree"
        )
    else:
        choice = RendererChoice("embree", f"no OpenGL context here ({support.reason})")
    logger.info("renderer: %s (%s)", choice.name, choice.reason)
    return choice


@contextmanager
def open_renderer(
    choice: RendererChoice, mesh: PosedMesh, size: int | tuple[int, int], samples: int = 4
) -> Iterator[Renderer]:
    """Open a renderer that holds the mesh and its textures until the block ends.

    Args:
        choice: made by `choose_renderer`.
        mesh: drawn from both sides; a "mask" material is cut out.
        size: pixels, an edge or (height, width).
        samples: of a pixel on an edge: 4, 8 or 16 (render/subpixels.py); alpha has one value more than these.

    Raises:
        SettingsError: another number of samples.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if choice.name == "embree":
        from .embree_renderer import EmbreeRenderer

        yield EmbreeRenderer(mesh, height, width, samples)
        return
    from .pyrender_renderer import PyrenderRenderer

    renderer = PyrenderRenderer(choice.platform, mesh, height, width, choice.devices[:1], samples)
    try:
        yield renderer
    finally:
        renderer.close()
