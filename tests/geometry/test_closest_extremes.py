"""Closest points where float32 gives up: tiny, huge, far off, flat, thin, doubled; beside another library."""

import numpy as np
import pytest
import trimesh

from mpc.core.kernels import load_warp
from mpc.geometry import closest_kernels, sample_kernels
from mpc.geometry.closest import ClosestSurface
from mpc.geometry.device_mesh import DeviceMesh, SurfaceError

BALL = trimesh.creation.icosphere(subdivisions=1)
CORNERS, FACES = np.array(BALL.vertices), np.array(BALL.faces)
QUERIES = 1.3 * np.random.default_rng(5).normal(size=(150, 3))


def brute_force(points, vertices, faces):
    """Region by region in float64 (Ericson, Real-Time Collision Detection, 5.1.5), about a corner of each triangle."""
    best = np.full(len(points), np.inf)
    for a, b, c in vertices[faces]:
        for start, end in ((a, b), (b, c), (c, a)):
            edge = (end - start) / (np.linalg.norm(end - start) or 1.0)
            along = np.clip((points - start) @ edge, 0, np.linalg.norm(end - start))
            best = np.minimum(best, np.linalg.norm(points - start - along[:, None] * edge, axis=1))
        size = np.abs([b - a, c - a]).max() or 1.0
        normal = np.cross((b - a) / size, (c - a) / size)
        if np.linalg.norm(normal) < 1e-11:
            continue
        normal /= np.linalg.norm(normal)
        sides = [(points - start) @ np.cross(normal, (end - start) / size) for start, end in ((a, b), (b, c), (c, a))]
        best = np.where(np.min(sides, axis=0) >= 0, np.minimum(best, np.abs((points - a) @ normal)), best)
    return best


def scaled(size):
    return CORNERS * size, FACES, QUERIES * size


def shifted(offset):
    return CORNERS + offset, FACES, QUERIES + offset


def spread(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


CASES = {
    "1e-150 wide": scaled(1e-150),
    "1e-12 wide": scaled(1e-12),
    "1e12 wide": scaled(1e12),
    "1e100 wide": scaled(1e100),
    "a kilometre off": shifted(1e3),
    "ten million off": shifted(1e7),
    "a billion to one": (CORNERS * [1e9, 1, 1], FACES, QUERIES * [1e9, 1, 1]),
    "one triangle": (np.eye(3), [[0, 1, 2]], QUERIES),
    "one segment": (np.array([[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]]), [[0, 1, 2]], QUERIES),
    "one point": (np.full((3, 3), 2.0), [[0, 1, 2]], QUERIES),
    "flat": (np.concatenate([spread((50, 2)), np.zeros((50, 1))], axis=1), np.arange(48).reshape(16, 3), QUERIES),
    "each face three times": (CORNERS, np.concatenate([FACES, FACES, FACES[:, ::-1]]), QUERIES),
    "each vertex twice": (np.concatenate([CORNERS, CORNERS]), np.concatenate([FACES, FACES + len(CORNERS)]), QUERIES),
    "dot and planet": (np.concatenate([CORNERS * 1e-6, CORNERS * 1e3]), np.concatenate([FACES, FACES + 42]), QUERIES),
    "queries a million away": (CORNERS, FACES, QUERIES * 1e6),
    "vertices that no face uses": (np.concatenate([CORNERS, [[np.nan] * 3, [1e30, 0, 0]]]), FACES, QUERIES),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_equal_to_brute_force_within_a_millionth(name):
    vertices, faces, points = (np.asarray(part) for part in CASES[name])
    found = ClosestSurface(vertices, faces, device="cpu").query(points).distances
    expected = brute_force(points, vertices, faces)
    size = np.ptp(vertices[np.unique(faces)], axis=0).max()
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-13 * size)
    assert (found > 0).all()


def test_on_the_surface_itself_it_is_zero():
    corners = CORNERS[FACES]
    for points in (CORNERS, (corners[:, 0] + corners[:, 1]) / 2, corners.mean(axis=1)):
        assert ClosestSurface(CORNERS, FACES, device="cpu").query(points).distances.max() < 1e-15


def test_agrees_with_libigl():
    igl = pytest.importorskip("igl")
    mesh = trimesh.creation.torus(0.5, 0.2)
    vertices, faces = np.array(mesh.vertices), np.array(mesh.faces, np.int64)
    expected = np.sqrt(igl.point_mesh_squared_distance(QUERIES, vertices, faces)[0])
    assert np.abs(ClosestSurface(vertices, faces, device="cpu").query(QUERIES).distances - expected).max() < 1e-12


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        ([], [], "no faces"),
        (np.eye(3), [[0.0, 1.0, 2.0]], "faces of integers"),
        (np.eye(3), [[True, False, True]], "faces of integers"),
        (np.eye(3), [[0, 1, -1]], "vertex -1 of 3"),
        (np.eye(3), [[0, 1, 2, 0]], "expected vertices"),
        (np.eye(3) * 1e308 * 1.7, [[0, 1, 2]], "beyond what can be measured"),
        ([["a", "b", "c"]] * 3, [[0, 1, 2]], "no array of numbers"),
    ],
)
def test_arrays_that_are_no_mesh_are_refused(vertices, faces, words):
    with pytest.raises(SurfaceError, match=words):
        DeviceMesh(vertices, faces, device="cpu")


def test_points_of_another_width_or_too_far_are_refused():
    surface = ClosestSurface(np.eye(3), [[0, 1, 2]], device="cpu")
    for points in (np.zeros((3, 2)), np.zeros((6, 4)), np.zeros(3)):
        with pytest.raises(SurfaceError, match="expected points"):
            surface.query(points)
    with pytest.raises(SurfaceError, match="too far"):
        surface.query(np.full((1, 3), 1e200))


def test_points_are_drawn_evenly_and_never_on_a_face_without_area():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [4, 0, 0], [4, 3, 0], [7, 0, 0]]) + 100.0
    faces = np.array([[0, 0, 0], [0, 1, 2], [1, 1, 2], [3, 5, 4], [5, 5, 5]])
    points, chosen = DeviceMesh(vertices, faces, device="cpu").draw(40_000, rng=np.random.default_rng(0))
    assert set(chosen) == {1, 3}
    assert abs((chosen == 3).mean() - 0.9) < 0.01
    inside = points[chosen == 1] - 100.0
    assert (inside[:, :2] > 0).all()
    assert (inside[:, :2].sum(axis=1) < 1).all()
    assert np.abs(inside.mean(axis=0) - [1 / 3, 1 / 3, 0]).max() < 0.02


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(tmp_path):
    """For the H100's and H200's architecture, by NVRTC, which needs no GPU."""
    wp = load_warp()

    @wp.kernel(enable_backward=False, module="unique")
    def nothing(numbers: wp.array(dtype=wp.float64)):
        numbers[wp.tid()] = wp.float64(0.0)

    try:
        wp.compile_aot_module(nothing.module, arch=90, module_dir=tmp_path / "nothing", use_ptx=True)
    except RuntimeError as error:
        pytest.skip(f"no compiler for CUDA here: {error}")
    for module in (closest_kernels, sample_kernels):
        wp.compile_aot_module(module, arch=90, module_dir=tmp_path, use_ptx=True)
    found = "".join(path.read_text() for path in tmp_path.glob("*.ptx"))
    for name in ("order_triangles", "box_leaves", "box_nodes", "closest", "measure_areas", "place_points"):
        assert f"{name}_" in found


@pytest.mark.gpu
def test_a_gpu_finds_and_draws_the_same():
    if not load_warp().is_cuda_available():
        pytest.skip("no CUDA device")
    for vertices, faces, points in CASES.values():
        meshes = [DeviceMesh(vertices, faces, device=device) for device in ("cpu", "cuda")]
        first, second = (ClosestSurface.of(mesh).query(points) for mesh in meshes)
        assert np.allclose(first.distances, second.distances, rtol=1e-9, atol=1e-13 * meshes[0].scale)
    meshes = [DeviceMesh(CORNERS, FACES, device=device) for device in ("cpu", "cuda")]
    first, second = (mesh.draw(10_000, rng=np.random.default_rng(0))[0] for mesh in meshes)
    assert np.allclose(first, second, atol=1e-12)
