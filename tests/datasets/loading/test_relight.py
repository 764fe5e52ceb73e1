"""Relit, blurred and back-grounded training pictures: against the renderer, and against what they must keep."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mpc.core.randomness import derive_rng
from mpc.datasets.loading.augment import AugmentSettings, augment
from mpc.datasets.loading.relight import draw_lights, relight
from mpc.geometry.camera import OrthographicCamera
from mpc.geometry.mesh import Material, PosedMesh
from mpc.render.light.lights import builtin_lights
from mpc.render.light.shading import display_irradiance
from mpc.render.renderer import choose_renderer, open_renderer
from mpc.render.transfer import radiance_transfer
from mpc.sampling.colour import sample_colour
from support.figures import figure

SIZE = 256
CAMERAS = [OrthographicCamera((0.0, 0.85, 0.0), 2.4, yaw) for yaw in (0.0, 130.0)]


@pytest.fixture(scope="module")
def drawn():
    """A batch of two views of a figure, the same views under two other lights, and those lights."""
    scan = figure(3)
    clay = Material(colour=(0.7, 0.5, 0.4, 1.0))
    mesh = PosedMesh(np.asarray(scan.vertices, np.float64), scan.faces.astype(np.int32), (clay,))
    transfer = radiance_transfer(mesh, rays=64)
    lights = builtin_lights().coefficients[[3, 20, 41, 60]]
    with open_renderer(choose_renderer("embree"), mesh, SIZE) as renderer:
        pictures = [
            renderer.colour(CAMERAS[k % 2], display_irradiance(transfer, light)).transpose(2, 0, 1).copy()
            for k, light in enumerate(lights)
        ]
    pools = [sample_colour(mesh, transfer, 8192, rng=derive_rng(k, "pool")) for k in (0, 1)]

    def stack(arrays):
        return torch.from_numpy(np.stack(arrays).astype(np.float32))

    batch = {
        "image": torch.from_numpy(np.stack(pictures[:2])),
        "calibration": stack([camera.calibration for camera in CAMERAS]),
        "light": torch.from_numpy(lights[:2].copy()),
        "relight_points": stack([pool.positions for pool in pools]),
        "relight_transfer": stack([pool.transfer for pool in pools]),
        "colour_albedo": stack([pool.albedo[:500] for pool in pools]),
        "colour_transfer": stack([pool.transfer[:500] for pool in pools]),
        "colours": stack([
            np.minimum(pool.albedo * display_irradiance(pool.transfer, light), 1.0)[:500]
            for pool, light in zip(pools, lights, strict=False)
        ]),
    }  # fmt: skip
    return batch, torch.from_numpy(np.stack(pictures[2:])), lights[2:]


def test_relit_pictures_are_those_the_renderer_draws(drawn):
    batch, wanted, lights = drawn
    relit = relight(batch, list(lights))
    inside = (batch["image"][:, 3:] > 250).expand(-1, 3, -1, -1)
    before = (batch["image"][:, :3].float() - wanted[:, :3].float()).abs()[inside].mean()
    after = (relit["image"][:, :3].float() - wanted[:, :3].float()).abs()[inside]
    assert before > 12, "the lights are alike"
    assert after.mean() < 3.0  # of 255; seen 1.9 where the old light's picture is 16.8 off
    assert after.quantile(0.95) < 10.0
    assert torch.equal(relit["image"][:, 3], batch["image"][:, 3])
    assert torch.equal(relit["light"], torch.from_numpy(lights))
    for row, light in enumerate(lights):
        shade = display_irradiance(batch["colour_transfer"][row].numpy(), light)
        exact = np.minimum(batch["colour_albedo"][row].numpy() * shade, 1.0)
        np.testing.assert_allclose(relit["colours"][row].numpy(), exact, atol=1e-5)


def test_relighting_with_the_old_light_changes_nothing(drawn):
    batch, _, lights = drawn
    same = relight(batch, list(batch["light"].numpy()))
    assert torch.equal(same["image"], batch["image"])
    torch.testing.assert_close(same["colours"], batch["colours"])
    assert relight(batch, [None, None]) is batch
    half = relight(batch, [None, lights[0]])
    assert torch.equal(half["image"][0], batch["image"][0])
    assert not torch.equal(half["image"][1], batch["image"][1])


def test_lights_are_drawn_alike_for_any_number_of_processes():
    first, again = (draw_lights(builtin_lights(), 64, probability=0.5, rng=derive_rng(0, "l")) for _ in range(2))
    used = [light is not None for light in first]
    assert used == [light is not None for light in again]
    assert 16 < sum(used) < 48
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True) if a is not None)


def changed(images, **settings):
    calibrations = torch.eye(4).expand(len(images), 4, 4)
    result, same = augment(
        images, calibrations, AugmentSettings(**settings), rng=np.random.default_rng(2), rows=slice(None),
        count=len(images),
    )  # fmt: skip
    assert torch.equal(same, calibrations), "pixels did not move"
    return result


def test_blur_is_a_gaussian_of_premultiplied_colours(drawn):
    images = drawn[0]["image"]
    blurred = changed(images, blur=3.0)
    rng = np.random.default_rng(2)
    rng.random((2, 8))
    for picture, found, sigma in zip(images.numpy(), blurred.numpy(), 3.0 * rng.random(2), strict=True):
        assert sigma > 0.3
        alpha = picture[3].astype(float)
        soft = gaussian_filter(alpha, sigma, mode="constant", truncate=9.0 / sigma)
        assert np.abs(found[3] - soft).max() <= 1.0
        red = gaussian_filter(picture[0] * alpha, sigma, mode="constant", truncate=9.0 / sigma)
        strong = soft > 40
        assert np.abs(found[0][strong] - (red / np.maximum(soft, 1e-9))[strong]).max() <= 1.0


def test_backgrounds_leave_the_person_alone(drawn):
    images = drawn[0]["image"].repeat(8, 1, 1, 1)
    found = changed(images, background=0.5)
    opaque = (found[:, 3] == 255).flatten(1).all(dim=1)
    assert 3 <= opaque.sum() <= 13
    assert torch.equal(found[~opaque], images[~opaque])
    person = (images[opaque][:, 3:] == 255).expand(-1, 4, -1, -1)
    assert torch.equal(found[opaque][person], images[opaque][person])
    empty = (images[opaque][:, 3] == 0)[:, None].expand(-1, 3, -1, -1)
    assert found[opaque][:, :3][empty].float().std() > 20, "the backgrounds are one colour"
    assert not torch.equal(found[opaque][0, :3, :8, :8], found[opaque][1, :3, :8, :8])
