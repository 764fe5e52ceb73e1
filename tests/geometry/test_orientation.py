"""Faces are turned outward where they are not, and left alone where the file is right."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import trimesh

from mpc.geometry import orientation
from mpc.geometry.mesh import PosedMesh
from mpc.geometry.orientation import orient_mesh
from mpc.geometry.topology import find_half_edges, weld
from mpc.sampling.inside import InsideOracle
from mpc.sampling.winding.winding import winding_number
from support.dressed import SECTIONS, dressed_person


def turned(mesh: PosedMesh, which=slice(None)) -> PosedMesh:
    faces = mesh.faces.copy()
    faces[which] = faces[which, ::-1]
    return replace(mesh, faces=faces)


def posed(*parts: trimesh.Trimesh) -> PosedMesh:
    mesh = trimesh.util.concatenate(parts)
    return PosedMesh(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int32))


@dataclass(frozen=True)
class Truth:
    """Points near a mesh (10 mm) and in its box, and their labels by float64 solid angles of its faces as they are."""

    points: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, mesh: PosedMesh, count: int = 800) -> "Truth":
        rng = np.random.default_rng(0)
        weights = rng.dirichlet((1, 1, 1), count)
        on = np.einsum("nc,nci->ni", weights, mesh.corners[rng.integers(len(mesh.faces), size=count)])
        points = np.concatenate([on + rng.normal(0, 0.01, on.shape), rng.uniform(*mesh.bounds, (count // 3, 3))])
        exact = winding_number(mesh.corners, points)
        settled = np.abs(exact - 0.5) > 1e-9
        return cls(points[settled], exact[settled] > 0.5)

    def wrong(self, mesh: PosedMesh) -> int:
        """The number of labels that a mesh gets wrong when its faces are taken as they are."""
        return int((InsideOracle(mesh).inside(self.points) != self.inside).sum())


@pytest.fixture(scope="module")
def dressed():
    """The person of `dressed_person`, its parts, and its labels."""
    mesh, parts = dressed_person()
    return mesh, parts, Truth.of(mesh)


def test_a_collar_and_a_cuff_stay_as_they_are(dressed):
    mesh, parts, truth = dressed
    half = find_half_edges(weld(mesh)[1])
    pairs = np.flatnonzero(half.count == 2)[::2]
    assert (half.forward[pairs] == half.forward[pairs + 1]).sum() == 2 * SECTIONS, (
        "the folds are conflicts of two rings"
    )
    found = orient_mesh(mesh)
    assert found.mesh is mesh
    assert found.notices == ()
    assert truth.wrong(found.mesh) == 0
    # The labels do depend on it: turned as their neighbours are, collar and cuff spoil some.
    assert truth.wrong(turned(mesh, parts["collar"] | parts["cuff"])) > 5


def test_flipped_patches_are_mended_beside_the_collar(dressed):
    mesh, parts, truth = dressed
    middle = mesh.corners.mean(axis=1)
    patch = parts["shirt"] & (middle[:, 2] > 0.1) & (np.abs(middle[:, 1] - 0.35) < 0.12)
    patch |= parts["collar"] & (middle[:, 2] < -0.05) & (middle[:, 0] > 0) & (middle[:, 1] < 0.665)
    patch |= parts["sleeve"] & (middle[:, 0] > 0.3) & (middle[:, 0] < 0.4)
    assert patch.sum() > 100
    found = orient_mesh(turned(mesh, patch))
    assert (found.mesh.faces == mesh.faces).all()
    assert found.notices == (f"{patch.sum()} of {len(weld(mesh)[1])} faces turned to agree with their neighbours",)
    assert truth.wrong(found.mesh) == 0
    assert truth.wrong(turned(mesh, patch)) > 5


@pytest.mark.parametrize("also", [None, "collar", "hand"])
def test_inside_out_as_a_whole_is_the_same_as_right(dressed, also):
    """Whatever else is turned, the result is that of the mesh before all its faces were turned."""
    mesh, parts, _ = dressed
    mesh = mesh if also is None else turned(mesh, parts[also])
    real = np.setdiff1d(np.arange(len(mesh.faces)), np.flatnonzero(mesh.face_areas == 0))
    found, right = orient_mesh(turned(mesh)), orient_mesh(mesh)
    assert (found.mesh.faces[real] == right.mesh.faces[real]).all()
    if also is None:
        assert "the surface faced inward" in found.notices[0]


def test_what_rays_cannot_tell_agrees_with_its_neighbours_or_the_larger_area(monkeypatch):
    """Within a closed box nothing escapes: a half-open shell with a flipped part in it is undecided."""
    room = trimesh.creation.box((4, 4, 4))
    bowl = trimesh.creation.icosphere(subdivisions=3)
    bowl.update_faces(bowl.triangles_center[:, 1] < 0.6)
    bowl.remove_unreferenced_vertices()
    mesh = posed(room, bowl)
    patch = np.zeros(len(mesh.faces), bool)
    patch[12:] = bowl.triangles_center[:, 1] < -0.5
    found = orient_mesh(turned(mesh, patch))
    assert (found.mesh.faces == mesh.faces).all()
    most = turned(mesh, np.arange(len(mesh.faces)) >= 12)
    assert (orient_mesh(turned(most, patch)).mesh.faces == most.faces).all(), "the larger area leads"
    # A closed ball with a patch turned is mended by its volume, though the larger area faces inward.
    ball = posed(room, trimesh.creation.icosphere(subdivisions=3))
    some = np.arange(len(ball.faces)) >= 12
    some[12:] &= ball.corners[12:].mean(axis=1)[:, 1] < 0.5
    assert (orient_mesh(turned(ball, some)).mesh.faces == ball.faces).all()
    # A decided piece of the patch wins over the larger, hidden area.
    alone, small = posed(bowl), patch[12:]
    monkeypatch.setattr(orientation, "_cast_votes", lambda _, used, piece, pieces: np.where(
        np.bincount(piece)[pieces] == small.sum(), 1, 0))  # fmt: skip
    assert (orient_mesh(turned(alone, small)).mesh.faces == turned(alone).faces).all()


def test_cloth_with_both_sides_in_one_place_is_left_alone():
    """Coincident faces that oppose each other add nothing to the winding number; one turned would count double."""
    skirt = trimesh.creation.cylinder(0.5, 1.0, sections=32)
    skirt.update_faces(np.abs(skirt.triangles_center[:, 2]) < 0.49)
    lining = skirt.copy()
    lining.invert()
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.3)
    ball.update_faces(ball.triangles_center[:, 2] < 0.25)
    mesh = posed(skirt, lining, ball)
    assert orient_mesh(mesh).mesh is mesh
    # A third copy is no twin: it faces outward as a single sheet does.
    inward = turned(posed(skirt, lining, ball, skirt), slice(-len(skirt.faces), None))
    faces = orient_mesh(inward).mesh.faces
    assert Truth.of(posed(skirt, ball)).wrong(replace(inward, faces=faces)) == 0


def test_uv_and_materials_follow_their_faces():
    ball = posed(trimesh.creation.icosphere(subdivisions=1))
    uv = ball.vertices[:, :2].astype(np.float32)
    ball = replace(ball, uv=uv, face_uv=ball.faces.copy())
    inside_out = replace(turned(ball), face_uv=np.ascontiguousarray(ball.face_uv[:, ::-1]))
    found = orient_mesh(inside_out).mesh
    assert (found.faces == ball.faces).all()
    assert (found.face_uv == ball.face_uv).all()
    assert found.face_uv.dtype == np.int32
