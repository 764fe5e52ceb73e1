"""Each protocol against the other code's formula, written out again in a few lines on the same points."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from mpc.core.errors import SettingsError
from mpc.evaluate.metrics.measure import measure_pair
from mpc.evaluate.metrics.pair import MeshPair
from mpc.evaluate.metrics.protocols import PROTOCOLS, find_protocol
from mpc.evaluate.metrics.recipes import take_sides


@pytest.fixture(scope="module")
def pair():
    """A coarse, bent body with a loose ball, and another; 2.0 high, metres."""
    true = trimesh.creation.icosphere(subdivisions=2, radius=1.0)
    true.apply_scale([0.3, 1.0, 0.2])
    predicted = trimesh.creation.icosphere(subdivisions=2, radius=1.0)
    predicted.apply_scale([0.32, 0.97, 0.21])
    ball = trimesh.creation.icosphere(subdivisions=1, radius=0.05)
    ball.apply_translation([0.6, 0.5, 0.0])
    predicted = trimesh.util.concatenate([predicted, ball])
    meshes = ((mesh.vertices, mesh.faces) for mesh in (predicted, true))
    return MeshPair.of(*meshes, points=2000, seed=3, key="p", device="cpu")


def exact(points, vertices, faces):
    """Point to surface in float64: every triangle, region by region (Ericson, Real-Time Collision Detection, 5.1.5)."""
    best = np.full(len(points), np.inf)
    for a, b, c in vertices[faces]:
        ab, ac, normal = b - a, c - a, np.cross(b - a, c - a)
        edges = np.min([segment(points, *ends) for ends in ((a, b), (b, c), (c, a))], axis=0)
        weights = np.linalg.solve(np.stack([ab, ac, normal], axis=1), (points - a).T)
        inside = (weights[0] >= 0) & (weights[1] >= 0) & (weights[0] + weights[1] <= 1)
        best = np.minimum(best, np.where(inside, np.abs((points - a) @ normal) / np.linalg.norm(normal), edges))
    return best


def segment(points, a, b):
    along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)


def to_edges(points, vertices, faces):
    return np.min([segment(points, *vertices[[f[i], f[i - 1]]]) for f in faces for i in range(3)], axis=0)


def drawn(pair, name):
    """The protocol's points, back in metres, and its factor."""
    recipe = PROTOCOLS[name].recipe
    sides = take_sides(pair, recipe)
    factor = recipe.factor * (1.7578125 / 2.0 if recipe.space == "cube" else 1.0)
    return sides.points[0] / factor, sides.points[1] / factor


def value(pair, protocol, metric):
    return measure_pair(pair, protocol, [metric])[metric].value


def test_pifuhd(pair):
    src, tgt = drawn(pair, "pifuhd")
    assert len(src) == len(tgt) == 10_000
    there = exact(src[:300], pair.true.mesh.positions, pair.true.mesh.triangles)
    assert np.allclose(take_sides(pair, PROTOCOLS["pifuhd"].recipe).there[:300], 100 * there, rtol=1e-9)
    sides = take_sides(pair, PROTOCOLS["pifuhd"].recipe)
    assert value(pair, "pifuhd", "p2s") == pytest.approx(sides.there.mean())
    assert value(pair, "pifuhd", "chamfer") == pytest.approx((sides.there.mean() + sides.back.mean()) / 2)


def test_monoport_sees_the_greatest_component_from_the_truth(pair):
    pred_points, gt_points = drawn(pair, "monoport")
    assert 500 < len(gt_points) <= 1000
    body = pair.predicted.mesh.triangles[:320]  # the ball's faces come after the body's
    back, there = (
        exact(gt_points, pair.predicted.mesh.positions, body),
        exact(pred_points, pair.true.mesh.positions, pair.true.mesh.triangles),
    )
    assert value(pair, "monoport", "p2s") == pytest.approx(back.mean(), rel=1e-9)
    assert value(pair, "monoport", "chamfer") == pytest.approx(0.5 * (back.mean() + there.mean()), rel=1e-9)
    apart = np.linalg.norm(gt_points[:, None] - gt_points[None], axis=2)[np.triu_indices(len(gt_points), 1)]
    area = trimesh.Trimesh(pair.true.mesh.positions, pair.true.mesh.triangles).area
    assert apart.min() > 0.99 * np.sqrt(area / 3000)


def test_icon_measures_from_the_truth_in_its_cube(pair):
    pred_points, gt_points = drawn(pair, "icon")
    dist_pred_gt = exact(gt_points, pair.predicted.mesh.positions, pair.predicted.mesh.triangles)
    dist_gt_pred = exact(pred_points, pair.true.mesh.positions, pair.true.mesh.triangles)
    cube = 180 / 0.4 / 256 / np.ptp(pair.true.mesh.positions[:, 1])
    assert value(pair, "icon", "p2s") == pytest.approx(100 * cube * dist_pred_gt.mean(), rel=1e-9)
    assert value(pair, "icon", "chamfer") == pytest.approx(
        50 * cube * (dist_pred_gt.mean() + dist_gt_pred.mean()), rel=1e-9
    )


def test_econ_counts_small_triangles_by_their_edges(pair):
    pred_points, gt_points = drawn(pair, "econ")
    assert len(gt_points) == 1000
    cube = 180 / 0.4 / 256 / np.ptp(pair.true.mesh.positions[:, 1])

    def point_face(points, vertices, faces):
        corners = vertices[faces] * cube
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        assert (area < 5e-3).any()
        assert (area > 5e-3).any()
        large = exact(points, vertices, faces[area >= 5e-3])
        return np.minimum(to_edges(points, vertices, faces[area < 5e-3]), large) * cube

    p2s = point_face(gt_points, pair.predicted.mesh.positions, pair.predicted.mesh.triangles) * 100
    back = point_face(pred_points, pair.true.mesh.positions, pair.true.mesh.triangles) * 100
    assert value(pair, "econ", "p2s") == pytest.approx(p2s.mean(), rel=1e-9)
    assert value(pair, "econ", "chamfer") == pytest.approx((p2s.mean() + back.mean()) * 0.5, rel=1e-9)
    points = drawn(pair, "econ-exact")[1]
    exactly = exact(points, pair.predicted.mesh.positions, pair.predicted.mesh.triangles) * 100 * cube
    assert value(pair, "econ-exact", "p2s") == pytest.approx(exactly.mean(), rel=1e-9)


def test_integratedpifu_squares(pair):
    src, _ = drawn(pair, "integratedpifu")
    sides = take_sides(pair, PROTOCOLS["integratedpifu"].recipe)
    squares = np.square(exact(src[:300], pair.true.mesh.positions, pair.true.mesh.triangles))
    assert np.allclose(sides.there[:300], squares, rtol=1e-9)
    assert value(pair, "integratedpifu", "p2s") == pytest.approx(sides.there.mean())
    assert value(pair, "integratedpifu", "chamfer") == pytest.approx((sides.there.mean() + sides.back.mean()) / 2)


def test_sith_measures_between_drawn_points_after_its_icp(pair):
    _, moved, _ = trimesh.registration.icp(pair.predicted.mesh.positions, pair.true.mesh.positions)
    pred, gt = drawn(pair, "sith")
    assert len(pred) == 100_000
    sides = take_sides(pair, PROTOCOLS["sith"].recipe)
    assert np.allclose(sides.surfaces[0][0], 1000 * moved)
    tree = cKDTree(gt)
    c1, nearest = tree.query(pred[:2000])
    assert np.allclose(sides.there[:2000], 1000 * c1)
    c1, c2 = sides.there / 1000, sides.back / 1000
    assert value(pair, "sith", "p2s") == pytest.approx(c1.mean() * 1000)
    assert value(pair, "sith", "s2p") == pytest.approx(c2.mean() * 1000)
    precision, recall = (c1 <= 1e-2).mean() * 100, (c2 <= 1e-2).mean() * 100
    assert value(pair, "sith", "fscore") == pytest.approx(2 * precision * recall / (precision + recall))
    assert np.array_equal(sides.nearest[0][:2000], nearest)
    normals = [trimesh.Trimesh(*surface, process=False).face_normals for surface in sides.surfaces]
    there = np.abs((normals[0][sides.faces[0]] * normals[1][sides.faces[1]][sides.nearest[0]]).sum(axis=1)).mean()
    back = np.abs((normals[1][sides.faces[1]] * normals[0][sides.faces[0]][sides.nearest[1]]).sum(axis=1)).mean()
    assert value(pair, "sith", "normals") == pytest.approx((there + back) / 2, rel=1e-6)


def sheet(height_at, *edges):
    """Strips between the planes y = +-1/2 with these x, folded to the height of each."""
    rows = [(x, y, height_at(x)) for x in edges for y in (-0.5, 0.5)]
    faces = [f for k in range(0, 2 * len(edges) - 2, 2) for f in ((k, k + 2, k + 1), (k + 2, k + 3, k + 1))]
    return np.array(rows), np.array(faces)


def test_synchuman_in_closed_form():
    """A square sheet against a roof over it: both are 1 long, and the roof is rise high, so its middle moves down."""
    slope = 0.1
    flat = sheet(lambda x: 0.0, -0.5, 0.5)
    roof = sheet(lambda x: slope * (0.5 - abs(x)), -0.5, 0.0, 0.5)
    rise = slope / 2
    # The roof is from -rise / 2 to rise / 2 about the sheet, evenly: its mean distance from it is rise / 4. Seen from
    # the sheet the roof is at a right angle to its slope, up to what the ridge and the eaves end.
    moved = roof[0] * 7.5 + [3.0, -2.0, 40.0]
    scores = measure_pair(MeshPair.of((moved, roof[1]), flat, seed=1, device="cpu"), "synchuman")
    assert list(scores) == ["chamfer", "p2s", "normals"]
    assert scores["p2s"].value == pytest.approx(100 * rise / 4, rel=0.01)
    assert scores["chamfer"].value == pytest.approx(100 * rise / 4 * (1 + np.cos(np.arctan(slope))) / 2, rel=0.01)
    assert scores["normals"].value == pytest.approx(np.cos(np.arctan(slope)), rel=1e-6)
    # Two sheets apart are one of the same place and size at once: nothing is left to measure.
    far = (flat[0] * [0.2, 0.2, 1.0] + [9.0, 9.0, 9.0], flat[1])
    same = measure_pair(MeshPair.of(far, flat, seed=1, device="cpu"), "synchuman")
    assert same["chamfer"].value == pytest.approx(0.0, abs=1e-9)
    assert same["normals"].value == pytest.approx(1.0)


def test_synchuman_scales_either_mesh_by_its_longest_axis(pair):
    """Restated in a few lines on the same points; a stray ball far out shrinks the body."""
    sides = take_sides(pair, PROTOCOLS["synchuman"].recipe)
    meshes = [(side.mesh.positions, side.mesh.triangles) for side in (pair.predicted, pair.true)]
    units = [(v - (v.max(0) + v.min(0)) / 2) / np.ptp(v, axis=0).max() for v, _ in meshes]
    assert [np.ptp(unit, axis=0).max() for unit in units] == pytest.approx([1.0, 1.0])
    there = exact(sides.points[0][:300] / 100, units[1], meshes[1][1])
    back = exact(sides.points[1][:300] / 100, units[0], meshes[0][1])
    assert np.allclose(sides.there[:300], 100 * there, rtol=1e-9)
    assert np.allclose(sides.back[:300], 100 * back, rtol=1e-9)
    assert value(pair, "synchuman", "p2s") == pytest.approx(sides.there.mean())
    assert value(pair, "synchuman", "chamfer") == pytest.approx((sides.there.mean() + sides.back.mean()) / 2)
    grown = MeshPair.of((3 * meshes[0][0] + 5, meshes[0][1]), meshes[1], points=2000, seed=3, key="p", device="cpu")
    assert value(grown, "synchuman", "chamfer") == pytest.approx(value(pair, "synchuman", "chamfer"), rel=1e-6)


def test_p3d_is_a_sum_of_squares_between_points(pair):
    x, y = drawn(pair, "p3d")
    expected = (cKDTree(y).query(x)[0] ** 2).mean() + (cKDTree(x).query(y)[0] ** 2).mean()
    assert value(pair, "p3d", "chamfer") == pytest.approx(expected)


def test_protocols_have_seeds_and_say_what_they_do(pair):
    for name, protocol in PROTOCOLS.items():
        for metric in protocol.choose(None):
            assert "squared" in metric.summary or metric.unit in ("%", "cos")
        assert protocol.quirks or name == "mpc"
    shapes = pair.shapes
    again, other = (MeshPair.of(*shapes, points=2000, seed=seed, key="p", device="cpu") for seed in (3, 4))
    assert value(pair, "icon", "p2s") == value(again, "icon", "p2s")
    assert value(pair, "icon", "p2s") != value(other, "icon", "p2s")


def test_wrong_names_are_answered_with_the_right_ones(pair):
    with pytest.raises(SettingsError, match=r"unknown protocol 'icom' \(did you mean icon\?\)"):
        find_protocol("icom")
    with pytest.raises(SettingsError, match="the protocol icon has no metric 'fscore'; it has chamfer, p2s"):
        find_protocol("icon").choose(["fscore"])
    with pytest.raises(SettingsError, match="fscore@X"):
        find_protocol("mpc").choose(["fscore@wide"])
