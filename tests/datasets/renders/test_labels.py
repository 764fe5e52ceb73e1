"""Joints and labels of rendered scenes: against the calibration, and against rays cast at every face one by one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.core.errors import InputError
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import SceneRecord, read_scene_mesh
from mpc.datasets.renders.joints import read_view_joints, read_world_joints
from mpc.datasets.renders.layer_files import read_layer
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.geometry.camera import camera_of, pixel_centres, project, view_to_pixels
from mpc.geometry.labels import GARMENTS, PARTS, UNKNOWN
from mpc.geometry.mesh import PosedMesh
from mpc.motion.joints import JOINTS
from support.box_person import rig_file
from support.labelled import PLACES, body_of, figure, write_labelled_scan

SIZE = 48
LAYERS = ("mask", "part_front", "part_back", "garment_front", "body_depth_front", "body_normal_back", "depth_front")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SceneRecord]:
    root = tmp_path_factory.mktemp("labels")
    write_labelled_scan(root / "models" / "person")
    rig_file(root / "models" / "rig" / "rig.gltf", names=("walk",))
    settings = RenderSettings(
        views=2, step_deg=90, size=SIZE, rays=16, frames_per_animation=1, longest_edge_m=0.2, layers=LAYERS, fov_deg=20
    )
    summary = render_models(root / "models", root / "renders", settings, renderer="embree", jobs=1)
    assert (summary.rendered, summary.failures) == (2, ())
    return {scene.subject: scene for scene in read_renders(root / "renders").scenes}


def first_faces(mesh: PosedMesh, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N,) the first face on each ray by Moeller and Trumbore's test of all faces; -1 where there is none."""
    a, b, c = mesh.corners.transpose(1, 0, 2)
    found = np.full(len(origins), -1)
    for number, (origin, ray) in enumerate(zip(origins, directions, strict=True)):
        p = np.cross(ray, c - a)
        scale = ((b - a) * p).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = ((origin - a) * p).sum(axis=1) / scale
            q = np.cross(origin - a, b - a)
            v, t = (q @ ray) / scale, ((c - a) * q).sum(axis=1) / scale
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        if hit.any():
            found[number] = np.flatnonzero(hit)[t[hit].argmin()]
    return found


def test_label_layers_agree_with_the_mesh(scenes: dict[str, SceneRecord]) -> None:
    for scene in scenes.values():
        mesh = read_scene_mesh(scene)[0]
        assert mesh.face_part is not None
        for view in scene.views:
            mask, part, garment = (read_layer(scene, view, name) for name in ("mask", "part_front", "garment_front"))
            chosen = np.random.default_rng(0).permutation(np.argwhere(mask))[:150]
            xy = pixel_centres(SIZE, SIZE)[tuple(chosen.T)]
            origins, rays = camera_of(view.calibration).rays(xy)
            faces = first_faces(mesh, origins, np.broadcast_to(rays, origins.shape))
            # Of 150 one may pass along the edge of two boxes, where either is right.
            assert (part[tuple(chosen.T)] == mesh.face_part[faces]).mean() > 0.99
            if mesh.face_garment is None:
                assert set(np.unique(garment)) == {0, UNKNOWN}
            else:
                assert (garment[tuple(chosen.T)] == mesh.face_garment[faces]).mean() > 0.99
            assert not part[~mask].any()


def test_joints_are_where_the_calibration_puts_them(scenes: dict[str, SceneRecord]) -> None:
    scene = scenes["person"]
    world = read_world_joints(scene)
    assert world is not None
    known = [JOINTS.index(name) for name in PLACES]
    np.testing.assert_allclose(world[known], list(PLACES.values()), atol=1e-5)
    for view in scene.views:
        joints = read_view_joints(scene, view)
        assert joints is not None
        expected = project(world[known], view.calibration)
        np.testing.assert_allclose(joints.view[known], expected, atol=2e-5)
        np.testing.assert_allclose(joints.px[known], view_to_pixels(expected, SIZE, SIZE)[:, ::-1], atol=2e-3)
        assert np.isnan(np.delete(joints.px, known, axis=0)).all()
        seen = {name for name, one in zip(JOINTS, joints.visible, strict=True) if one}
        # From the side the far arm is behind the trunk; heels and toes lie on the soles, seen by all.
        assert {"head", "left_elbow", "left_toe"} <= seen if view.name == "000" else "head" in seen
        assert (
            {"left_elbow", "right_elbow"} <= seen
            if view.name == "000"
            else len(seen & {"left_elbow", "right_elbow"}) == 1
        )
    side = read_view_joints(scene, scene.views[1])
    assert side is not None
    nearer = min(("left_elbow", "right_elbow"), key=lambda name: side.view[JOINTS.index(name), 2])
    assert side.visible[JOINTS.index(nearer)]


def test_the_body_lies_behind_what_is_worn(scenes: dict[str, SceneRecord]) -> None:
    scene, body = scenes["person"], body_of(figure())
    for view in scene.views:
        depth, outer = read_layer(scene, view, "body_depth_front"), read_layer(scene, view, "depth_front")
        shown = ~np.isnan(depth)
        assert 0.7 < shown.sum() / (~np.isnan(outer)).sum() < 1
        assert (depth > outer)[shown].all()
        places = np.argwhere(shown)[::7]
        origins, rays = camera_of(view.calibration).rays(pixel_centres(SIZE, SIZE)[tuple(places.T)])
        assert (first_faces(body, origins, np.broadcast_to(rays, origins.shape)) >= 0).mean() > 0.98
    rig = scenes["rig"]
    assert np.isnan(read_layer(rig, rig.views[0], "body_depth_front")).all()
    assert not read_layer(rig, rig.views[0], "body_normal_back").any()
    assert any("no body below the clothes" in notice for notice in rig.notes["notices"])


def test_the_example_of_the_page_on_labels(scenes: dict[str, SceneRecord], capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(mpc.__file__).parent / "docs" / "labels.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    folder = scenes["rig"].folder.parent.parent
    space: dict[str, Any] = {}
    exec(example.replace('"renders"', repr(str(folder))), space)
    assert space["coco"].shape == (17, 2)
    assert set(np.flatnonzero(~np.isnan(space["coco"]).any(axis=1))) == {11, 12}  # the rig has hips alone
    for number, name in enumerate(PARTS[1:], 1):
        side, _, rest = name.partition("_")
        row = (
            f"{number}, {number + 1} | left, right {rest.replace('_', ' ')}" if side == "left" else f"{number} | {name}"
        )
        assert side == "right" or f"| {row}" in text
    assert all(re.search(rf"\b{number} \|? ?{name}", text) for number, name in enumerate(GARMENTS[1:], 1))


def test_damaged_joints_are_named(scenes: dict[str, SceneRecord]) -> None:
    scene = scenes["person"]
    content = json.loads((scene.folder / "scene.json").read_text())
    assert content["labels"]["person"] == {"height_m": 1.72, "age_years": 40.0}
    told = scene.labels["joints"].pop("names")
    with pytest.raises(InputError, match=r"scene\.json.*joints do not read"):
        read_world_joints(scene)
    with pytest.raises(InputError, match="view 000"):
        read_view_joints(scene, scene.views[0])
    scene.labels["joints"]["names"] = told
