"""Layers of items: the ball's surface in closed form, at any size and after any augmentation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mpc.core.errors import InputError
from mpc.datasets.loading.augment import AugmentSettings, augment
from mpc.datasets.loading.layers import move_layers, resize_layer
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.geometry.camera import PerspectiveCamera
from mpc.geometry.labels import PARTS, UNKNOWN
from mpc.render.layers import LAYERS
from support import balls

MOVES = AugmentSettings(flip=0.5, scale=0.3, shift=0.15)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("a")
    balls.make_renders(root / "renders", balls=3, views=4, size=128, layers=LAYERS)
    settings = SampleSettings(near_points=64, uniform_points=32, colour_points=16, layers=LAYERS, ratios=(1, 0, 0))
    sample_renders(root / "renders", root / "shards", settings, jobs=1)
    return root / "shards"


def stack(shards: Path, **options) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """All views as one batch, and the centres of their balls."""
    dataset = ViewDataset(shards, "train", points=8, layers=LAYERS, **options)
    items = [dataset[view] for view in range(len(dataset))]
    centres = np.array([balls.centre(int(view.subject.split("_")[1])) for view in dataset.views])
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}, centres


def check_ball(batch: dict[str, torch.Tensor], centres: np.ndarray) -> None:
    """Depths and positions lie on the ball, normals point away from its centre, all in the view's space."""
    size = batch["layers/mask"].shape[-1]
    middle = (2 * np.arange(size) + 1) / size - 1
    for view, centre in enumerate(centres):
        calibration = batch["calibration"][view].double().numpy()
        known = batch["layers/mask"][view, 0].numpy()
        scale = np.linalg.norm(calibration[0, :3])
        radius_px = 0.5 * scale * size / 2
        assert abs(known.sum() - np.pi * radius_px**2) < 0.25 * 2 * np.pi * radius_px  # a quarter of a pixel
        for side in ("front", "back"):
            depth = batch[f"layers/depth_{side}"][view, 0].double().numpy()
            assert np.array_equal(~np.isnan(depth), known)
            row, column = np.nonzero(known)
            seen = np.stack([middle[column], middle[row], depth[known], np.ones(len(row))], axis=1)
            world = seen @ np.linalg.inv(calibration).T
            offset = world[:, :3] / world[:, 3:] - centre
            radius = np.linalg.norm(offset, axis=1)
            # The ball is a polyhedron of 1,280 faces, and near the rim depth falls by much from pixel to pixel.
            inner = np.linalg.norm(seen[:, :2] - (calibration @ [*centre, 1])[:2], axis=1) < 0.45 * scale
            assert np.abs(radius[inner] - 0.5).max() < 0.008
            assert np.abs(radius - 0.5).max() < 0.12
            normal = batch[f"layers/normal_{side}"][view].numpy()[:, known].T
            outward = offset @ calibration[:3, :3].T
            outward /= np.linalg.norm(outward, axis=1, keepdims=True)
            assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-4)
            assert (normal * outward).sum(axis=1)[inner].min() > 0.98
            if side == "front":
                position = batch["layers/position"][view].double().numpy()[:, known].T
                assert np.abs(position - (centre + offset))[inner].max() < 0.008
        albedo = batch["layers/albedo"][view].numpy()
        assert (np.abs(albedo[:, known].T.astype(int) - [*balls.COLOUR, 255]) <= 1).all()
        assert not albedo[:, ~known].any()


@pytest.mark.parametrize("size", [128, 64, 32, 48])
def test_layers_show_the_ball_at_every_size(shards, size):
    batch, centres = stack(shards, image_size=size)
    assert batch["layers/depth_front"].shape == (12, 1, size, size)
    assert batch["layers/normal_back"].shape == (12, 3, size, size)
    assert batch["layers/mask"].dtype == torch.bool
    assert batch["layers/albedo"].dtype == torch.uint8
    check_ball(batch, centres)


def test_layers_move_with_their_pictures(shards):
    batch, centres = stack(shards)
    images, calibrations = augment(
        batch["image"], batch["calibration"], MOVES, rng=np.random.default_rng(3), rows=slice(None), count=12
    )
    signs = torch.det(calibrations[:, :3, :3]).sign()
    assert set(signs.tolist()) == {-1.0, 1.0}, "mirrored ones and others"
    moved = {**batch, **move_layers(batch, calibrations), "image": images, "calibration": calibrations}
    assert not torch.equal(moved["layers/mask"], batch["layers/mask"])
    check_ball(moved, centres)
    # Pictures are moved down by a pixel a view in these renders; at most a rim beside it differs from the mask.
    both = (moved["image"][::4, 3] > 127) == moved["layers/mask"][::4, 0]
    assert both.float().mean() > 0.985
    same = move_layers(batch, batch["calibration"])
    assert all(same[name] is batch[name] for name in same)
    assert move_layers({"calibration": batch["calibration"]}, calibrations) == {}


def test_depth_of_a_perspective_view_moves_with_its_calibration():
    """A flat wall: the new depth is that of the wall's points under the new calibration."""
    camera = PerspectiveCamera((0.0, 1.0, 0.0), 2.4, 20.0, 0.0, fov_deg=40.0)
    old = torch.from_numpy(camera.calibration).float()[None]
    plane = np.array([0.2, 0.1, 0.3])  # view z = a x + b y + c
    middle = (2 * np.arange(64) + 1) / 64 - 1
    depth = torch.from_numpy(plane[0] * middle[None, :] + plane[1] * middle[:, None] + plane[2]).float()[None, None]
    change = torch.eye(4)
    change[0, 0], change[1, 1], change[2, 2], change[0, 3], change[1, 3] = -1.2, 1.2, 1.2, 0.1, -0.2
    moved = move_layers({"calibration": old, "layers/depth_front": depth}, change @ old)["layers/depth_front"][0, 0]
    x, y = (middle[None, :] - 0.1) / -1.2, (middle[:, None] + 0.2) / 1.2
    wanted = 1.2 * (plane[0] * x + plane[1] * y + plane[2])
    known = ~moved.isnan().numpy()
    assert known.mean() > 0.8
    between = known & (np.abs(x) < 63 / 64) & (np.abs(y) < 63 / 64)  # beyond the last middles there is nothing to mix
    assert np.abs(moved.numpy() - wanted)[between].max() < 1e-4


def test_two_surfaces_are_not_mixed():
    depth = torch.full((1, 64, 64), -0.3)
    depth[:, :, 31:] = 0.4
    depth[:, :5] = torch.nan
    small = resize_layer("depth", depth, 32)
    assert ((small[~small.isnan()][:, None] - torch.tensor([-0.3, 0.4])).abs().amin(dim=1) < 1e-6).all()
    assert small[0, :2].isnan().all()
    assert not small[0, 2:].isnan().any()


def test_labels_are_taken_and_never_mixed():
    """At every size each label is that of one of the four pixels around; what they show decides the outline."""
    labels = torch.from_numpy(np.random.default_rng(0).integers(1, 16, (1, 64, 64)).astype(np.uint8))
    labels[:, :, 40:] = 0
    for size in (48, 32, 16, 100):
        small = resize_layer("label", labels, size)
        assert (small.dtype, small.shape) == (torch.uint8, (1, size, size))
        place = ((2 * np.arange(size) + 1) / size * 64 - 1) / 2
        near = [(np.floor(place), np.ceil(place))[k].clip(0, 63).astype(int) for k in (0, 1)]
        around = np.stack([labels[0].numpy()[rows[:, None], columns] for rows in near for columns in near])
        shown = (small[0].numpy() == around).any(axis=0)
        assert shown.all()
        assert (small[0, :, place < 39].numpy() > 0).all()
        assert (small[0, :, place > 40].numpy() == 0).all()


def test_parts_change_sides_in_a_mirror_image():
    left, right, torso = (PARTS.index(name) for name in ("left_hand", "right_hand", "torso"))
    parts = torch.zeros((2, 1, 8, 8), dtype=torch.uint8)
    parts[:, :, :, :2], parts[:, :, :, 3:5], parts[:, :, :, 6:] = left, torso, UNKNOWN
    flip = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
    old = torch.eye(4).expand(2, 4, 4)
    batch = {"calibration": old, "layers/part_front": parts, "layers/garment_front": parts}
    moved = move_layers(batch, torch.stack([flip, torch.diag(torch.tensor([1.0, 1, 1.0001, 1]))]))
    assert moved["layers/part_front"][0, 0, 0].tolist() == [UNKNOWN] * 2 + [0] + [torso] * 2 + [0] + [right] * 2
    assert torch.equal(moved["layers/part_front"][1], parts[1])
    assert moved["layers/garment_front"][0, 0, 0].tolist() == parts[0, 0, 0].tolist()[::-1]


def test_what_layers_cannot_follow_is_refused(shards):
    batch, _ = stack(shards)
    turn = torch.eye(4)
    turn[0, 0] = turn[2, 2] = turn[0, 2] = 0.5**0.5
    turn[2, 0] = -(0.5**0.5)
    with pytest.raises(ValueError, match="cannot follow"):
        move_layers(batch, turn @ batch["calibration"])
    parts = {"calibration": batch["calibration"], "layers/limbs": batch["layers/mask"]}
    with pytest.raises(InputError, match="limbs"):
        move_layers(parts, 2 * torch.eye(4) @ batch["calibration"])
