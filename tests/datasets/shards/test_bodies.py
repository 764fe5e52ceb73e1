"""Fitted bodies beside shards: their numbers, the rows of their views, and files that are missing or damaged."""

import numpy as np
import pytest
import torch

from mpc.core.errors import InputError
from mpc.datasets.loading.body import KNOWN, body_maps
from mpc.datasets.loading.layers import PREFIX
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.shards.beside import ViewNumbers
from mpc.datasets.shards.bodies import BODIES, FITTED, SIDE, body_codes, body_values
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import verify_shards
from support import balls


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    root = tmp_path_factory.mktemp("bodies")
    settings = SampleSettings(near_points=64, uniform_points=64, colour_points=64, layers=KNOWN)
    sample_renders(balls.make_renders(root / "renders", size=32, layers=KNOWN), root / "shards", settings, jobs=1)
    return root / "shards"


def some_body(seed=0):
    rng = np.random.default_rng(seed)
    body = np.full((8, SIDE, SIDE), np.nan, np.float32)
    body[:, 16:48, 20:40] = rng.uniform(-1, 1, (8, 32, 20))
    return body


def test_numbers_of_files_are_exact_to_half_a_step():
    body = some_body()
    found = body_values(body_codes(body))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(body))
    assert np.nanmax(np.abs(found - body)) <= 0.5 / 32767 + 1e-7
    assert not body_codes(None).any()
    assert np.isnan(body_values(body_codes(None))).all()


def test_items_hold_the_body_of_their_view_in_the_size_of_its_picture(shards):
    entries = read_index(shards).shards
    with pytest.raises(InputError, match=r"lacks bodies of .*; `mpc landmarks --bodies .*` finds them once"):
        ViewDataset(shards, "train", points=0, bodies=True)
    flat = np.full((8, SIDE, SIDE), np.nan, np.float32)
    for number, entry in enumerate(entries):
        codes = []
        for row in range(entry.views):
            values = np.array([number / 10, row / 100, 1, 0, 0, 0, 1, 0], np.float32)
            flat[:, 16:48, 16:48] = values[:, None, None]
            codes.append(body_codes(flat))
        BODIES.write(shards, entry, ViewNumbers(np.stack(codes), np.ones(entry.views, bool)))
    assert verify_shards(shards) == []
    for size in (16, 32):
        data = ViewDataset(shards, "train", points=0, bodies=True, image_size=size)
        own = [number for number, entry in enumerate(entries) if entry.split == "train"]
        for view in range(len(data)):
            body = body_maps(data[view])
            assert body.shape == (8, size, size)
            shown = torch.isfinite(body).all(dim=0)
            assert shown.sum() == (size // 2) ** 2
            ref = data.views[view]
            torch.testing.assert_close(
                body[:2][:, shown].mean(dim=1), torch.tensor([own[ref.shard] / 10, ref.row / 100]), atol=1e-4, rtol=0
            )
            assert torch.isnan(body[:, ~shown]).all()
            torch.testing.assert_close(body[2:5][:, shown].norm(dim=0), torch.ones(int(shown.sum())))
    path = BODIES.path(shards, entries[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(InputError, match="damaged bodies"):
        ViewDataset(shards, entries[0].split, points=0, bodies=True)
    assert [problem.shard for problem in verify_shards(shards)] == [f"bodies/{path.name}"]
    path.unlink()


def test_the_known_body_is_the_layers_of_the_shards(shards):
    """A ball of 0.8 of the radius below each: its depths are those of a sphere; fitted bodies come first."""
    item = ViewDataset(shards, "train", points=0, layers=KNOWN)[0]
    body = body_maps(item)
    middle = (2 * torch.arange(32) + 1) / 32 - 1
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    radius = balls.BODY_SHARE * balls.RADIUS / (balls.EXTENT / 2)
    inside, outside = torch.hypot(x, y) < radius - 0.02, torch.hypot(x, y) > radius + 0.02
    depth = (radius**2 - x**2 - y**2).clamp(min=0).sqrt()
    torch.testing.assert_close(body[0][inside], -depth[inside], atol=0.01, rtol=0)
    torch.testing.assert_close(body[1][inside], depth[inside], atol=0.01, rtol=0)
    assert torch.isnan(body[:, outside]).all()
    assert (body[4][inside] < 0).all()  # the front faces the camera
    fitted = {PREFIX + name: torch.zeros(3 if "normal" in name else 1, 32, 32) for name in FITTED}
    assert not body_maps(item | fitted).any()
    assert body_maps({"image": item["image"]}) is None
