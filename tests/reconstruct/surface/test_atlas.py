"""Texture atlases against closed forms: areas, colours of texels and across seams, files as trimesh reads them."""

import numpy as np
import pytest
import trimesh
from scipy.ndimage import map_coordinates

from mpc.core.errors import SettingsError
from mpc.formats.mesh_files import write_mesh
from mpc.reconstruct.localise.localise import localise
from mpc.reconstruct.surface.atlas import make_atlas
from mpc.reconstruct.surface.mesh import extract_mesh
from mpc.reconstruct.surface.texture import bake_texture


def colours(points, normals=None):
    """Smooth, and different everywhere."""
    return np.stack([np.sin(3 * points[:, 0]), np.cos(2 * points[:, 1]), np.sin(4 * points[:, 2])], 1) * 0.4 + 0.5


def figure(points):
    """A body with two arms and a thin disc through it: folds and hidden sides."""
    body = np.linalg.norm(points * [1.6, 0.8, 1.8], axis=1) - 0.6
    ring = np.hypot(np.hypot(points[:, 0], points[:, 2]) - 0.6, points[:, 1] - 0.2) - 0.09
    return 1 / (1 + np.exp(np.clip(np.minimum(body, ring) / 0.01, -50, 50)))


@pytest.fixture(scope="module")
def mesh():
    return extract_mesh(localise(figure, 65))


def helix(turns=2.5, steps=400):
    """A spiral ramp: all its faces look up, and its turns lie above one another."""
    angle = np.linspace(0, 2 * np.pi * turns, steps)
    edges = [np.stack([r * np.cos(angle), r * np.sin(angle), 0.1 * angle], 1) for r in (0.4, 1.0)]
    low = np.arange(steps - 1)
    one = np.stack([low, low + steps, low + 1], 1)
    other = np.stack([low + 1, low + steps, low + steps + 1], 1)
    return np.concatenate(edges), np.concatenate([one, other]).astype(np.int32)


def uv_areas(atlas):
    a, b, c = (atlas.uv[atlas.faces[:, corner]] for corner in range(3))
    u, v = b - a, c - a
    return np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2


@pytest.mark.parametrize("shape", ["figure", "helix"])
def test_no_two_faces_share_a_texel(mesh, shape):
    vertices, faces = (mesh.vertices, mesh.faces) if shape == "figure" else helix()
    atlas = make_atlas(vertices, faces, 512)
    assert np.array_equal(vertices[atlas.source[atlas.faces]], vertices[faces])
    assert atlas.uv.min() > 1
    assert atlas.uv.max() < 511
    covered = len(atlas.texels()[0])
    assert covered > 0.25 * 512**2
    assert uv_areas(atlas).sum() == pytest.approx(covered, rel=0.01)  # were faces on top of others, it would be more
    if shape == "helix":
        assert atlas.charts >= 3
    stretch = uv_areas(atlas) / mesh_areas(vertices, faces)
    assert np.quantile(stretch, 0.99) / np.quantile(stretch, 0.05) < 3


def mesh_areas(vertices, faces):
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def test_texels_have_the_colour_of_their_point_and_seams_are_padded(mesh):
    textured = bake_texture(mesh.vertices, mesh.faces, 512, colours)
    rng = np.random.default_rng(0)
    faces = rng.integers(0, len(mesh.faces), 20_000)
    weights = rng.dirichlet([0.3, 0.3, 0.3], 20_000)[..., None]  # many near edges and corners, where seams are
    points = (mesh.vertices[mesh.faces[faces]] * weights).sum(axis=1)
    at = (textured.uv[textured.face_uv[faces]] * weights).sum(axis=1)
    at = np.stack([at[:, 0], 1 - at[:, 1]], axis=1) * 512 - 0.5  # rows count from above
    texture = textured.materials[0].texture.astype(float) / 255
    found = np.stack([map_coordinates(texture[..., c], at[:, ::-1].T, order=1) for c in range(3)], axis=1)
    error = np.abs(found - colours(points)).max(axis=1)
    assert error.max() < 0.05  # without padding, black bleeds in: errors of 0.5
    assert np.median(error) < 0.003
    bare = bake_texture(mesh.vertices, mesh.faces, 512, lambda p, n: np.full((len(p), 3), 0.5))
    assert (bare.materials[0].texture[..., :3] == 128).all()  # no texel anywhere is left empty


def test_a_small_texture_is_refused(mesh):
    with pytest.raises(SettingsError, match="larger"):
        make_atlas(mesh.vertices, mesh.faces, 16)


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_textured_files_are_read_back_by_trimesh(mesh, tmp_path, suffix):
    textured = bake_texture(mesh.vertices, mesh.faces, 256, colours)
    write_mesh(tmp_path / f"p.{suffix}", textured, lit=False)
    read = trimesh.load(tmp_path / f"p.{suffix}", process=False, force="mesh")
    assert len(read.faces) == len(mesh.faces)
    assert read.area == pytest.approx(mesh_areas(mesh.vertices, mesh.faces).sum(), rel=1e-4)
    material = read.visual.material
    picture = np.asarray((material.baseColorTexture if suffix == "glb" else material.image).convert("RGB"))
    assert np.array_equal(picture, textured.materials[0].texture[..., :3])
    # trimesh counts v from the bottom.
    at = np.stack([(1 - read.visual.uv[:, 1]) * 256 - 0.5, read.visual.uv[:, 0] * 256 - 0.5])
    found = np.stack([map_coordinates(picture[..., c] / 255, at, order=1) for c in range(3)], axis=1)
    assert np.abs(found - colours(read.vertices)).max() < 0.08
    names = {path.name for path in tmp_path.iterdir()}
    assert names == ({"p.glb"} if suffix == "glb" else {"p.obj", "p.mtl", "p_texture.png"})
