"""Mip-maps: rounded once, without drift, and the same on OpenGL and in software."""

from __future__ import annotations

import numpy as np
import pytest

from mpc.geometry.camera import OrthographicCamera
from mpc.geometry.mesh import Material, PosedMesh
from mpc.render.gl_probe import find_gl
from mpc.render.renderer import choose_renderer, open_renderer
from mpc.render.textures import SCALE, MipTexture, mip_levels

needs_gl = pytest.mark.skipif(not find_gl().platform, reason=f"no OpenGL here: {find_gl().reason}")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)


def area_average(texture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The exact averages over height x width equal parts of a texture, by integrals in float64."""

    def along(values: np.ndarray, parts: int) -> np.ndarray:
        total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
        at = np.arange(parts + 1) * len(values) / parts
        low = np.minimum(at.astype(int), len(values) - 1)
        integral = total[low] + (at - low)[:, None, None] * values[low]
        return np.diff(integral, axis=0) * parts / len(values)

    return along(along(texture.astype(np.float64), height).swapaxes(0, 1), width).swapaxes(0, 1)


@pytest.mark.parametrize("shape", [(256, 256), (128, 512), (77, 301), (250, 1), (1, 5)])
@pytest.mark.parametrize("content", ["noise", "ramp"])
def test_every_level_is_the_average_of_the_texture(shape, content):
    texture = noise(*shape)
    if content == "ramp":
        texture[..., :3] = (np.linspace(0, 255, shape[1])[:, None]).astype(np.uint8)
    levels = mip_levels(texture)
    assert levels[-1].shape[:2] == (1, 1)
    for number, level in enumerate(levels, start=1):
        height, width = max(1, shape[0] >> number), max(1, shape[1] >> number)
        assert level.shape[:2] == (height, width)
        difference = level / SCALE - area_average(texture, height, width)
        assert np.abs(difference.mean(axis=(0, 1))).max() < 0.01, (number, difference.mean(axis=(0, 1)))
        if all(edge & (edge - 1) == 0 for edge in shape):
            assert np.abs(difference).max() < 0.51 / SCALE + 1e-4


def test_samples_of_a_level_are_its_texels():
    texture = noise(16, 8)
    mips = MipTexture(texture)
    for number in range(5):
        height, width = max(1, 16 >> number), max(1, 8 >> number)
        rows, columns = np.indices((height, width)).reshape(2, -1)
        found = mips.sample((columns + 0.5) / width, 1 - (rows + 0.5) / height, np.full(len(rows), float(number)))
        expected = area_average(texture, height, width).reshape(-1, 4).T[:3]
        np.testing.assert_allclose(found, expected, atol=0.01)


def quad(texture: np.ndarray) -> PosedMesh:
    vertices = np.array([[-0.8, -0.8, 0.0], [0.8, -0.8, 0], [0.8, 0.8, 0], [-0.8, 0.8, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return PosedMesh(vertices, faces, (Material(texture=texture),), uv=uv, face_uv=faces)


@pytest.mark.parametrize("name", ["embree", pytest.param("pyrender", marks=needs_gl)])
@pytest.mark.parametrize("size", [80, 40, 20])
def test_pictures_are_as_bright_as_their_texture(name, size):
    """A 512 texture of noise on 64, 32 and 16 pixels: the mean is the texture's (8-bit mip-maps: 1.5 to 3 above)."""
    texture = noise(512, 512, seed=4)
    texture[..., 3] = 255
    with open_renderer(choose_renderer(name), quad(texture), size) as renderer:
        picture = renderer.albedo(OrthographicCamera((0.0, 0.0, 0.0), 2.0))
    whole = picture[picture[..., 3] == 255][:, :3]
    assert len(whole) >= (0.8 * size) ** 2 * 0.8
    # 512 x 512 values of noise: the mean is known to 0.15, of pixels inside the quad's edge a little less.
    assert abs(whole.mean() - texture[..., :3].mean()) < 0.4


@needs_gl
def test_opengl_holds_the_same_levels():
    from OpenGL.GL import GL_RGBA, GL_TEXTURE_2D, GL_UNSIGNED_SHORT, glBindTexture, glGetTexImage

    from mpc.render.pyrender_renderer import PyrenderRenderer

    texture = noise(64, 48)
    texture[..., 3] = 255
    choice = choose_renderer("pyrender")
    renderer = PyrenderRenderer(choice.platform, quad(texture), 32, 32, choice.devices[:1])
    try:
        renderer.albedo(OrthographicCamera((0.0, 0.0, 0.0), 2.0))
        glBindTexture(GL_TEXTURE_2D, renderer._materials[0].baseColorTexture._texid)
        for number, level in enumerate([texture.astype(np.uint16) * SCALE, *mip_levels(texture)]):
            found = np.frombuffer(glGetTexImage(GL_TEXTURE_2D, number, GL_RGBA, GL_UNSIGNED_SHORT), np.uint16)
            assert (found.reshape(level.shape)[::-1] == level).all(), number
        glBindTexture(GL_TEXTURE_2D, 0)
    finally:
        renderer.close()
