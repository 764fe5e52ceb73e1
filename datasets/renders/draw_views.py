"""Draw the views of a prepared scene, and their crops: each one's lit picture and layers as PNG files."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ...core.arrays import F32, U8
from ...formats.png_box import encode_png_box
from ...geometry.camera import Camera
from ...render.layers import BODY_LAYERS, RenderLayers, render_body_layers
from ...render.light.shading import display_irradiance
from ...render.renderer import Renderer, RendererChoice, open_renderer
from .backdrops import PHOTO, open_backdrops
from .crops import camera_of_crop, crop_name
from .draw_scene import PreparedScene
from .layer_files import encode_layers, layer_name
from .settings import RenderSettings

# Views that wait for each drawing thread: enough that none stands still, few pictures in memory.
VIEWS_AHEAD = 3


@dataclass(frozen=True)
class Drawing:
    """How one scene is drawn; its bytes depend on none of it but the renderer.

    Attributes:
        choice: the renderer.
        threads: number of threads that gather light and draw views; with pyrender, which draws in a single thread,
            number of threads that encode pictures.
    """

    choice: RendererChoice
    threads: int = 1


@dataclass(frozen=True, eq=False)
class _Shot:
    """A picture to draw: a view's own, or one of its crops.

    Attributes:
        name: of its file, without ".png".
        view: the name of the view.
        camera: what draws it.
        size: edge of the picture, pixels.
        renderer: for pictures of that size.
    """

    name: str
    view: str
    camera: Camera
    size: int
    renderer: Renderer

    def colour(self, irradiance: F32) -> U8:
        """The lit picture."""
        return self.renderer.colour(self.camera, irradiance)


def draw_views(
    prepared: PreparedScene, settings: RenderSettings, drawing: Drawing, names: Iterable[str]
) -> Generator[tuple[str, bytes], None, None]:
    """Draw views, some ahead of the one that is taken; close the generator where not all of them are taken.

    Args:
        prepared: the scene.
        settings: what decides the pictures.
        drawing: the renderer and its threads.
        names: the views to draw.

    Yields:
        File name (without ".png") and PNG bytes: of each view its lit picture, then its layers, then those of its
        crops.
    """
    waiting: deque[Future[dict[str, bytes]]] = deque()
    with ExitStack() as stack:
        sizes = {settings.size, *([settings.crop_size] if prepared.crops else ())}
        renderers = {
            size: stack.enter_context(open_renderer(drawing.choice, prepared.mesh, size, settings.antialias))
            for size in sizes
        }
        pool = stack.enter_context(ThreadPoolExecutor(drawing.threads))

        def draw(name: str) -> list[tuple[_Shot, U8]]:
            lit = display_irradiance(prepared.transfer, prepared.lights[name].coefficients)
            return [(shot, shot.colour(lit)) for shot in _shots(prepared, settings, renderers, name)]

        def draw_and_encode(name: str) -> dict[str, bytes]:
            return _encode(prepared, settings, draw(name))

        for name in names:
            if drawing.choice.name == "embree":
                waiting.append(pool.submit(draw_and_encode, name))
            else:  # OpenGL draws only in the thread that opened it; another thread encodes
                waiting.append(pool.submit(_encode, prepared, settings, draw(name)))
            if len(waiting) > VIEWS_AHEAD * drawing.threads:
                yield from waiting.popleft().result().items()
        while waiting:
            yield from waiting.popleft().result().items()


def _shots(
    prepared: PreparedScene, settings: RenderSettings, renderers: dict[int, Renderer], name: str
) -> Iterator[_Shot]:
    camera = prepared.cameras[name]
    yield _Shot(name, name, camera, settings.size, renderers[settings.size])
    for kind, box in prepared.crops.get(name, {}).items():
        cropped, size = camera_of_crop(camera, box, settings.size), settings.crop_size
        yield _Shot(crop_name(name, kind), name, cropped, size, renderers[size])


def _encode(prepared: PreparedScene, settings: RenderSettings, drawn: list[tuple[_Shot, U8]]) -> dict[str, bytes]:
    """The files of a view and of its crops, by their names."""
    files: dict[str, bytes] = {}
    for shot, picture in drawn:
        files[shot.name] = encode_png_box(picture)
        if settings.layers:
            # Embree casts them whichever renderer draws, so another thread may do it.
            layers = _draw_layers(prepared, settings, shot)
            encoded = encode_layers(layers, settings.layers, prepared.centre_world, settings.extent_m)
            files |= {layer_name(shot.name, layer): data for layer, data in encoded.items()}
        if shot.view in prepared.backdrops and settings.backgrounds is not None:
            backdrops = open_backdrops(settings.backgrounds, settings.exposure_ev)
            photo = backdrops.behind(picture, prepared.backdrops[shot.view], shot.camera)
            files[layer_name(shot.name, PHOTO)] = encode_png_box(photo)
    return files


def _draw_layers(prepared: PreparedScene, settings: RenderSettings, shot: _Shot) -> RenderLayers:
    """The layers that the settings ask for: those of the surface, and those of the body below."""
    of_body = [name for name in settings.layers if name in BODY_LAYERS]
    layers = shot.renderer.layers(shot.camera, [name for name in settings.layers if name not in of_body])
    return replace(layers, **render_body_layers(prepared.body, shot.camera, shot.size, shot.size, of_body))
