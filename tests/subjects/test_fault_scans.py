"""Scans as people really have them: two-sided, far from 0, with a floor or a second person, upside down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.geometry.mesh import PosedMesh
from mpc.sampling.inside import InsideOracle, label_inside
from mpc.sampling.winding.winding import winding_number
from mpc.subjects.bystanders import find_person
from mpc.subjects.find import find_subjects
from mpc.subjects.load import LoadedSubject, load_subject
from mpc.subjects.placement import PlacementOptions
from support.box_person import POSES
from support.fault_cases import Obj, Scan, disc, doubled, one_surface, person, quad, write_obj, write_ply
from support.fault_folders import CASES, GEO, Z_UP, moved, turned


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """Loads a case as its folder stands; each is built once."""
    root = tmp_path_factory.mktemp("models")

    def of(case: str, **options) -> LoadedSubject:
        if not (root / case).exists():
            CASES[case](root / case)
        return load_subject(find_subjects(root / case)[0], PlacementOptions(**options))

    return of


@pytest.fixture(scope="module")
def probes() -> tuple[np.ndarray, np.ndarray]:
    """Points around the standing person of boxes, and whether they are in one of its parts: by float64 solid angles."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.4, 0.01, -0.2], [0.4, 1.73, 0.25], (3000, 3))
    clean = person()
    return points, winding_number(clean.vertices[clean.faces], points) > 0.5


def inside(mesh: PosedMesh, points: np.ndarray) -> np.ndarray:
    return InsideOracle(mesh).inside(points)


@pytest.mark.parametrize("case", ["62_doubled", "62_doubled_own", "62_doubled_half", "63_inward"])
def test_two_sided_and_inward_scans_are_labelled_as_the_plain_one(load, probes, case: str) -> None:
    points, truth = probes
    assert 0.1 < truth.mean() < 0.9
    loaded = load(case)
    np.testing.assert_array_equal(inside(loaded.mesh, points), truth)
    assert len(loaded.mesh.faces) == len(person().faces)
    assert any(("backs of others" if "62" in case else "turned over") in notice for notice in loaded.notices)
    clean = person()
    volume = np.linalg.det(clean.vertices[clean.faces]).sum()  # six times the parts' own, faces outward
    assert np.linalg.det(loaded.mesh.corners).sum() == pytest.approx(volume, rel=1e-4)


def test_meshes_of_unknown_origin_are_labelled_likewise(probes) -> None:
    points, truth = probes
    for scan in (doubled(person()), doubled(person(), own=True), doubled(person(), upper=True)):
        mesh = PosedMesh(scan.vertices, scan.faces.astype(np.int32))
        np.testing.assert_array_equal(label_inside(mesh, points), truth)


def test_a_two_sided_sheet_beside_a_body_encloses_nothing(tmp_path: Path, probes) -> None:
    points, truth = probes
    vertices, faces = disc(0.15, 1.8)
    write_obj(person().plus(vertices, np.concatenate([faces, faces[:, ::-1]])), Obj(tmp_path / "a"))
    loaded = load_subject(find_subjects(tmp_path)[0])
    np.testing.assert_array_equal(inside(loaded.mesh, points), truth)
    assert len(loaded.mesh.faces) == len(person().faces) + 2 * len(faces)


@pytest.mark.parametrize("case", ["06_geo", "06_far_2e5", "06_far_2e4", "06_far_1e3"])
def test_a_scan_far_from_the_origin_is_moved_to_it(load, case: str) -> None:
    loaded, clean = load(case), person()
    low, high = loaded.mesh.bounds
    assert np.abs(loaded.mesh.bounds).max() < 2.5
    np.testing.assert_allclose(high - low, np.ptp(clean.vertices, axis=0), atol=1e-5)
    assert loaded.placement.up == "+z"
    assert any("moved to the world's" in notice for notice in loaded.notices)
    offset = GEO if case == "06_geo" else np.array([1, 1, 0]) * float(case.rpartition("_")[2])
    # The place that was moved to 0 is that of the person's soles, turned to y up, to half a metre.
    np.testing.assert_allclose(loaded.describe()["moved_m"], offset @ Z_UP, atol=0.6)


def test_a_scan_near_the_origin_stays_where_it_is(load) -> None:
    loaded = load("63_inward")
    assert "moved_m" not in loaded.describe()
    np.testing.assert_array_equal(loaded.to_world[:3, 3], 0)


def test_digits_that_were_lost_far_from_the_origin_are_refused(tmp_path: Path) -> None:
    far = moved(turned(person(), Z_UP), GEO)
    write_ply(tmp_path / "a" / "mesh.ply", far)
    write_obj(far, Obj(tmp_path / "b", form="%.6g"))
    reasons = "32 bits, in steps of 0.5", "six digits, in steps of 10"
    for subject, words in zip(find_subjects(tmp_path), reasons, strict=True):
        with pytest.raises(InputError, match=words):
            load_subject(subject)


WITH = {
    "60_disc": ("a floor, wall or board of 1.2 x 1.2 m", "arms down", 1.2),
    "60_floor": ("a floor, wall or board of 4 x 4 m", "arms down", 4.0),
    "60_wall": ("a floor, wall or board of 2 x 2 m", "sitting", 2.0),
    "60_board": ("a floor, wall or board of 1 x 1 m", "sitting", 1.0),
    "60_second_person": ("a second person", "arms down", 2.5),
    "60_speck": ("a speck", "arms down", 50.0),
}


@pytest.mark.parametrize("case", WITH)
def test_what_is_no_person_decides_nothing_and_is_left_out(load, tmp_path: Path, case: str) -> None:
    words, pose, reach = WITH[case]
    write_obj(person(pose), Obj(tmp_path / "alone"))
    alone, loaded, kept = load_subject(find_subjects(tmp_path)[0]), load(case), load(case, keep_parts=True)
    assert any(words in notice and "left out (--keep-parts keeps it)" in notice for notice in loaded.notices)
    for one in (loaded, kept):
        told = one.placement
        assert (told.unit, told.up, told.facing) == (alone.placement.unit, "+y", "+z")
        assert told.facing_world == alone.placement.facing_world
        np.testing.assert_allclose(told.height_m, alone.placement.height_m, atol=1e-6)
    assert len(loaded.mesh.faces) == len(alone.mesh.faces)
    np.testing.assert_allclose(loaded.mesh.bounds, alone.mesh.bounds, atol=1e-6)
    assert np.ptp(kept.mesh.bounds, axis=0).max() >= reach
    assert any("kept, but not counted" in notice for notice in kept.notices)


@pytest.mark.parametrize(("ground", "pose"), [("floor", "arms down"), ("slab", "arms down"), ("wall", "sitting")])
def test_a_floor_that_is_one_surface_with_the_person_decides_nothing(load, tmp_path: Path, ground, pose) -> None:
    write_obj(turned(one_surface(pose), Z_UP), Obj(tmp_path / "alone"))
    alone = load_subject(find_subjects(tmp_path)[0])
    loaded, kept = load(f"60_fused_{ground}"), load(f"60_fused_{ground}", keep_parts=True)
    for one in (loaded, kept):
        assert (one.placement.unit, one.placement.up, one.placement.facing) == ("m", "+z", alone.placement.facing)
        assert (one.placement.facing_world is None) == (alone.placement.facing_world is None)
        if alone.placement.facing_world is not None:
            assert one.placement.facing_world == pytest.approx(alone.placement.facing_world, abs=0.05)
        assert one.placement.height_m == pytest.approx(alone.placement.height_m, abs=0.05)
    np.testing.assert_allclose(loaded.mesh.bounds, alone.mesh.bounds, atol=0.05)
    assert np.ptp(kept.mesh.bounds, axis=0).max() >= 1.8
    (told,) = [notice for notice in loaded.notices if "no part of the person" in notice]
    assert "a floor, wall or board of 2 x " in told or "a floor, wall or board of 1.9 x 1.9" in told


@pytest.mark.parametrize("pose", [*POSES, None])
def test_a_person_of_one_surface_stands_on_no_floor(pose: str | None) -> None:
    scan = one_surface(pose)
    assert find_person(PosedMesh(scan.vertices, scan.faces.astype(np.int32))).alone


def test_a_file_of_fixes_keeps_parts_of_one_subject(load, tmp_path: Path) -> None:
    given = PlacementOptions(keep_parts=True)
    assert PlacementOptions().with_given(given).keep_parts is True
    assert PlacementOptions(keep_parts=True).with_given(PlacementOptions(keep_parts=False)).keep_parts is False
    assert PlacementOptions(keep_parts=True).with_given(PlacementOptions()).keep_parts is True


@pytest.mark.parametrize("pose", POSES)
def test_a_person_of_many_parts_is_one_person(pose: str) -> None:
    scan = person(pose)
    hat = quad((-0.1, scan.vertices[:, 1].max() + 0.03, -0.1), (0.2, 0, 0), (0, 0, 0.2))  # 3 cm above the head
    for one in (scan, scan.plus(*hat)):
        for size in (1.0, 100.0):
            mesh = PosedMesh(one.vertices * size, one.faces.astype(np.int32))
            assert find_person(mesh).alone


def test_a_heap_of_triangles_is_kept_whole() -> None:
    rng = np.random.default_rng(1)
    middle = rng.uniform(-1, 1, (400, 1, 3))
    vertices = (middle + rng.normal(0, 0.01, (400, 3, 3))).reshape(-1, 3)
    mesh = PosedMesh(vertices, np.arange(1200, dtype=np.int32).reshape(-1, 3))
    assert find_person(mesh).alone


@pytest.mark.parametrize(("case", "words"), [("05b_upside_down", "on its head"), ("05b_lying", "seems to lie")])
def test_a_scan_on_its_head_or_side_is_doubted(load, case: str, words: str) -> None:
    loaded = load(case)
    told = [notice for notice in loaded.notices if words in notice]
    assert len(told) == 1
    assert "up" in loaded.placement.unsure
    up = told[0].partition("give --up ")[2][:2]
    better = load(case, up=up)
    assert not any(words in notice for notice in better.notices)
    assert better.placement.height_m == pytest.approx(1.72, abs=0.01)


@pytest.mark.parametrize("pose", ["arms down", "arms wide", "arms forward"])
def test_an_upright_scan_is_not_doubted(tmp_path: Path, pose: str) -> None:
    write_obj(person(pose), Obj(tmp_path / "a"))
    loaded = load_subject(find_subjects(tmp_path)[0])
    assert loaded.notices == ()


def test_default_weights_of_morph_targets_count(load) -> None:
    loaded = load("22_morph")
    expected = person().vertices * [1.6, 1.0, 1.6]
    np.testing.assert_allclose(loaded.mesh.bounds, [expected.min(axis=0), expected.max(axis=0)], atol=1e-6)


def test_hidden_nodes_are_left_out(load) -> None:
    loaded = load("23_hidden")
    assert len(loaded.mesh.faces) == len(person().faces)
    assert "a hidden node is left out" in loaded.notices


def test_scan_of_boxes_is_what_the_cases_take_it_for() -> None:
    scan = person()
    assert isinstance(scan, Scan)
    assert 0.3 < scan.upper.mean() < 0.7
