"""Layers as files: 16-bit PNG against another reader, and back to within the stated step."""

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.core.files import file_sha256
from mpc.datasets.renders.format import SceneRecord, ViewRecord
from mpc.datasets.renders.layer_files import encode_layers, layer_name, read_layer
from mpc.render.layers import BODY_LAYERS, LAYERS, RenderLayers

CENTRE, EXTENT = (0.2, 0.9, -0.1), 2.4
ALL = (*LAYERS, *BODY_LAYERS)


@pytest.fixture
def scene(tmp_path):
    """A scene's folder with random layers of one view, a third of the pixels empty."""
    rng = np.random.default_rng(2)
    mask = rng.random((12, 12)) < 0.66
    normal = rng.normal(size=(2, 12, 12, 3))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    normal[0, 0, 0] = [0, 0, -1]
    depth = rng.uniform(-1, 1, (2, 12, 12)).astype(np.float32)
    depth[0, 0, :2], mask[0, :3] = (-1.0, 1.0), True
    layers = RenderLayers(
        mask=mask,
        albedo=np.where(mask[..., None], rng.integers(0, 256, (12, 12, 4)), 0).astype(np.uint8),
        depth_front=np.where(mask, depth[0], np.nan).astype(np.float32),
        depth_back=np.where(mask, depth[1], np.nan).astype(np.float32),
        normal_front=np.where(mask[..., None], normal[0], 0).astype(np.float32),
        normal_back=np.where(mask[..., None], normal[1], 0).astype(np.float32),
        smooth_normal_front=np.where(mask[..., None], normal[0, ::-1], 0).astype(np.float32),
        smooth_normal_back=np.where(mask[..., None], normal[1, ::-1], 0).astype(np.float32),
        position=np.where(mask[..., None], CENTRE + rng.uniform(-1.2, 1.2, (12, 12, 3)), np.nan).astype(np.float32),
        **{
            f"{name}_{side}": np.where(mask, rng.integers(1, 256, (12, 12)), 0).astype(np.uint8)
            for name in ("part", "garment") for side in ("front", "back")
        },
        body_depth_front=np.where(mask, depth[1, ::-1], np.nan).astype(np.float32),
        body_depth_back=np.full((12, 12), np.nan, np.float32),
        body_normal_front=np.where(mask[..., None], normal[1, :, ::-1], 0).astype(np.float32),
        body_normal_back=np.zeros((12, 12, 3), np.float32),
    )  # fmt: skip
    for name, data in encode_layers(layers, ALL, CENTRE, EXTENT).items():
        (tmp_path / f"{layer_name('010', name)}.png").write_bytes(data)
    view = ViewRecord(
        name="010",
        path=tmp_path / "010.png",
        yaw_deg=10.0,
        pitch_deg=0.0,
        calibration=np.eye(4),
        light=np.zeros((9, 3), np.float32),
        light_name="noon",
    )
    record = SceneRecord(
        key="a/b_0000",
        subject="a",
        animation="b",
        frame=0,
        kind="scan",
        folder=tmp_path,
        centre_world=CENTRE,
        extent_m=EXTENT,
        image_size=12,
        views=(view,),
        notes={},
        files={path.name: file_sha256(path) for path in tmp_path.iterdir()},
    )
    return record, view, layers


def test_layers_come_back_to_within_a_step(scene):
    record, view, layers = scene
    steps = dict.fromkeys(("depth", "normal", "smooth", "body"), 1 / 65534) | {"position": EXTENT / 65534}
    for name in ALL:
        found, wanted = read_layer(record, view, name), getattr(layers, name)
        assert found.dtype == wanted.dtype
        step = steps.get(name.split("_")[0], 0.0)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=step * 1.01, err_msg=name)
        assert step == 0.0 or np.array_equal(np.isnan(found), np.isnan(wanted))


def test_a_missing_and_a_damaged_layer_are_named(scene):
    record, view, _ = scene
    path = record.folder / "010.normal_back.png"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"010\.normal_back"):
        read_layer(record, view, "normal_back")
    path.unlink()
    with pytest.raises(InputError, match="--layers normal_back"):
        read_layer(record, view, "normal_back")
