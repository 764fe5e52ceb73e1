"""The search on its device: node for node that of the NumPy reference, and without waits between its rounds."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from mpc.core.kernels import load_warp
from mpc.geometry.camera import OrthographicCamera
from mpc.reconstruct.localise import interpolate, run, search
from mpc.reconstruct.localise.device import Device
from mpc.reconstruct.localise.field import FieldError
from mpc.reconstruct.localise.localise import localise, localise_many
from mpc.reconstruct.surface.camera_rays import orthographic_rays
from mpc.reconstruct.surface.direct import render_surface
from support.fields import on_device, random_field
from support.numpy_search.localise import localise as reference


def same(one, other, *, rounding=0.0):
    assert np.array_equal(one.nodes, other.nodes)
    assert np.abs(one.values - other.values).max(initial=0) <= rounding
    assert one.levels == other.levels
    assert one.evaluations == other.evaluations
    assert one.surface_box == other.surface_box


def options(field, number):
    """Mask, bracket and seeds in all combinations, by number."""
    chosen = {"mask": field.mask} if number & 1 else {}
    if number & 2:
        chosen["bracket"] = field.bracket
    if number & 4:
        chosen["seeds"] = field.seeds
    return chosen


@pytest.mark.parametrize("kind", ["blobs", "noise", "hard"])
@pytest.mark.parametrize("mode", ["lossless", "visible", "fast"])
def test_every_node_is_that_of_the_reference(kind, mode):
    resolution = 33 if kind == "noise" else 65
    for seed in range(4 if kind == "blobs" else 2):
        field = random_field(seed, kind)
        chosen = options(field, 2 * seed + (mode == "visible") + (kind == "noise"))
        if mode == "fast":
            chosen.pop("bracket", None)  # which it does not use
        elif seed == 3:
            chosen["levels"] = (17, 33, 65)
        # Logarithms and exponentials of the interpolated level differ by rounding.
        same(
            localise(field.values, resolution, mode=mode, **chosen),
            reference(field.values, resolution, mode=mode, **chosen),
            rounding=1e-6 if mode == "fast" else 0.0,
        )


@pytest.mark.parametrize(
    "chosen", [{"start": 5}, {"start": 9}, {"start": 65}, {"levels": (33, 65)}, {"threshold": 0.7}]
)
def test_every_node_is_that_of_the_reference_from_any_start(chosen):
    field = random_field(7, "blobs")
    same(localise(field.values, 65, **chosen), reference(field.values, 65, **chosen))


def test_levels_in_between_are_skipped_as_in_the_reference():
    for radius in (0.15, 0.45):

        def ball(points, radius=radius):
            return (np.linalg.norm(points - 0.05, axis=1) < radius).astype(np.float32)

        same(localise(ball, 257, start=17), reference(ball, 257, start=17))


@contextmanager
def blind(monkeypatch):
    """The host works ahead, and looks at no memory of a device but in `Device.read`; yields the number of waits."""
    wp = load_warp()
    plain, read = wp.array.numpy, Device.read
    reading, first = [False], Device.waits

    def numpy(array):
        assert reading[0], "memory of the device was read between two waits"
        return plain(array)

    def counted(device, *arrays):
        reading[0] = True
        try:
            return read(device, *arrays)
        finally:
            reading[0] = False

    with monkeypatch.context() as patch:
        patch.setattr(Device, "blind", True)
        patch.setattr(wp.array, "numpy", numpy)
        patch.setattr(Device, "read", counted)
        for name in ("item", "tolist", "cpu", "__bool__", "__int__", "__float__", "nonzero"):
            patch.setattr(torch.Tensor, name, lambda *_, name=name: pytest.fail(f"Tensor.{name} is a wait"))
        yield lambda: Device.waits - first


@pytest.mark.parametrize("mode", ["lossless", "visible", "fast"])
def test_a_frame_waits_twice(mode, monkeypatch):
    """Once for what was found, once for the picture; and everything is what the host finds step by step."""
    field = random_field(3, "blobs")
    chosen = {"mode": mode, "mask": field.mask}
    camera = OrthographicCamera((0.0, 0.0, 0.0), 2.4, 30.0)
    rays = orthographic_rays(np.diag([1.0, -1.0, -1.0, 1.0]), camera.calibration, 60, 70)
    expected = localise(field.values, 65, **chosen)
    drawn = render_surface(expected, field.values, rays, colour=np.abs, refinements=2)
    there = on_device(field.values)
    with blind(monkeypatch) as waits:
        found = localise(there, 65, **chosen)
        assert waits() == 1
        seen = render_surface(found, there, rays, colour=on_device(np.abs), refinements=2)
        assert waits() == 2
    same(found, expected, rounding=1e-6)
    assert seen.mask.sum() > 300
    assert seen.evaluations == drawn.evaluations
    for name in ("mask", "points", "depth", "normals", "colours"):
        assert np.allclose(getattr(seen, name), getattr(drawn, name), atol=1e-6, equal_nan=True)


def test_a_search_that_needs_more_calls_than_were_queued_goes_on(monkeypatch):
    monkeypatch.setattr(run, "CALLS_AHEAD", 9)
    monkeypatch.setattr(run, "CALLS_OF_LEVEL", 2)
    field = random_field(5, "blobs")
    for mode in ("lossless", "fast"):
        expected = localise(field.values, 65, mode=mode)
        with blind(monkeypatch) as waits:
            found = localise(on_device(field.values), 65, mode=mode, max_batch=700)
            assert waits() > 2
        same(found, expected, rounding=1e-6)


def test_several_fields_wait_together(monkeypatch):
    fields = [random_field(seed, "blobs") for seed in (8, 9)]

    def values(points):
        return np.stack([field.values(part) for field, part in zip(fields, points, strict=True)])

    with blind(monkeypatch) as waits:
        found = localise_many(
            on_device(values), 2, 65, masks=[fields[0].mask, None], brackets=[None, fields[1].bracket]
        )
        assert waits() == 1
    same(found[0], localise(fields[0].values, 65, mask=fields[0].mask))
    same(found[1], localise(fields[1].values, 65, bracket=fields[1].bracket, start=17))


@pytest.mark.parametrize("mode", ["lossless", "fast"])
def test_a_search_without_room_begins_anew(mode, monkeypatch):
    field = random_field(2, "noise")
    expected = localise(field.values, 65, mode=mode)
    monkeypatch.setattr(search, "FACES", 1 / 8)
    monkeypatch.setattr(search, "LEAST_ROOM", 100)
    same(localise(field.values, 65, mode=mode), expected)
    with blind(monkeypatch):
        same(localise(on_device(field.values), 65, mode=mode), expected)


def test_values_that_are_not_finite_are_an_error_ahead_too_unless_another_precision_mends_them(monkeypatch):
    field = random_field(1, "blobs")
    broken = [True]

    def values(points):
        return np.where(broken[0] & (points[:, 0] > 0), np.nan, field.values(points))

    def mend():
        changed, broken[0] = broken[0], False
        return changed

    with blind(monkeypatch), pytest.raises(FieldError, match="not finite"):
        localise(on_device(values), 33)
    with blind(monkeypatch):
        found = localise(on_device(values, mend), 33)
    same(found, localise(field.values, 33))


def test_a_part_found_outside_the_box_around_the_surface_begins_anew_in_a_wider_one(monkeypatch):
    """A blade of one node's thickness that stands on a box, and that no node of the level before touches."""

    def field(points):
        box = np.abs(points) - np.float32([0.308, 0.5, 0.3])
        blade = np.abs(points - np.float32([0.5, 5 / 32, 0])) < np.float32([0.3, 0.4 / 32, 0.2])
        return np.where(blade.all(axis=1), 0.6, 1 / (1 + np.exp(np.clip(box.max(axis=1) / 0.05, -30, 30))))

    begun = []
    restart = interpolate.InterpolatedLevel.restart
    monkeypatch.setattr(interpolate.InterpolatedLevel, "restart", lambda level: (begun.append(0), restart(level))[1])
    expected = reference(field, 65, mode="fast")
    same(localise(field, 65, mode="fast"), expected, rounding=1e-6)
    monkeypatch.setattr(interpolate, "MARGIN", 1)
    begun.clear()
    same(localise(field, 65, mode="fast"), expected, rounding=1e-6)
    assert len(begun) > 1
