"""Colours of what is drawn: the frame's own where it shows the surface, else the network's. Balls stand for people."""

import time

import numpy as np
import pytest

from mpc.models.runs import load_run
from mpc.reconstruct.capture.framing import Framing
from mpc.reconstruct.localise.localise import localise
from mpc.view.live import pipeline as pipeline_module
from mpc.view.live.draw import draw
from mpc.view.live.paint import FramePaint
from mpc.view.live.pipeline import Pipeline
from mpc.view.live.settings import LiveSettings, Look
from mpc.view.live.shots import Seen, Shot, Surface
from support.live_film import CountingFinder, shot

GREEN = np.array([0.0, 1.0, 0.0], np.float32)
RED, BLUE = (255, 0, 0), (0, 0, 255)
SIZE = 120


class Balls:
    """A field of balls (middle and radius, view space), which a network paints green."""

    texture_features = True

    def __init__(self, *balls):
        self.balls, self.asked = balls, 0

    def occupancy(self, points):
        inside = [radius - np.linalg.norm(points - np.float32(middle), axis=1) for middle, radius in self.balls]
        return 1 / (1 + np.exp(-np.clip(np.max(inside, axis=0) / 0.05, -50, 50)))

    def depth_range(self, xy):
        return None

    def colours(self, points):
        self.asked += len(points)
        return np.tile(GREEN, (len(points), 1))


def surface_of(field, *, mode="lossless", fov_deg=0.0):
    """The balls before a camera whose picture, 240 pixels, is red to the left and blue to the right."""
    picture = np.zeros((240, 240, 4), np.uint8)
    picture[:, :120, :3], picture[:, 120:, :3] = RED, BLUE
    row, column = (np.mgrid[0:240, 0:240] + 0.5) / 120 - 1
    for (x, y, _), radius in field.balls:
        picture[..., 3] |= np.where((column - x) ** 2 + (row - y) ** 2 < radius**2, 255, 0).astype(np.uint8)
    framing = Framing(120, 120, 100, 2.4, (0.0, 1.2, 0.0), "", fov_deg)
    seen = Seen(Shot(1, 0.0, picture), picture, None)
    grid = None if mode == "visible" else localise(field.occupancy, 65, mode=mode)
    return Surface(seen, picture, framing, None, field, grid, 65)


def shown(surface, look):
    """Where a drawn picture is red, blue and green, and where the surface is."""
    drawn = draw(surface, look, SIZE, FramePaint(surface)).astype(int)
    pure = {name: (np.abs(drawn - colour).max(axis=-1) <= 2) for name, colour in
            (("red", RED), ("blue", BLUE), ("green", (0, 255, 0)))}  # fmt: skip
    return pure, (np.abs(drawn - 246) > 1).any(axis=-1)


@pytest.mark.parametrize("mode", ["lossless", "visible"])
def test_the_front_has_the_frames_colours_and_the_outline_the_networks(mode):
    field = Balls(((0.0, 0.0, 0.0), 0.6))
    surface = surface_of(field, mode=mode)
    pure, there = shown(surface, Look())
    asked = field.asked
    row, column = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / (SIZE / 2) - 1
    away = np.hypot(row, column) / 0.6
    # The mask counts less from 1.5 pixels (0.042 of the radius) inside of its edge, and not at all 0.75 pixels from it.
    inner, outer = there & (away < 0.93), there & (away > 0.99)
    assert pure["red"][inner & (column < -0.03)].all()
    assert pure["blue"][inner & (column > 0.03)].all()
    assert outer.sum() > 10
    assert pure["green"][outer].all()
    assert asked < 0.2 * there.sum()  # it is not asked where the frame says it all


def test_the_network_comes_in_smoothly_as_the_surface_turns_away():
    field = Balls(((0.0, 0.0, 0.0), 0.6))
    paint, cosine = FramePaint(surface_of(field)), np.linspace(-1, 1, 201, dtype=np.float32)
    points = np.tile(np.float32((-0.2, 0.1, -0.557)), (201, 1))
    own = paint.colours(points, cosine, field.colours, SIZE, own_place=True)
    assert (own == (1, 0, 0)).all()  # from its own place, a camera's pixels are right at any angle
    assert field.asked == 0
    colours = paint.colours(points, cosine, field.colours, SIZE, own_place=False)
    share = np.interp(cosine, [0.2, 0.5], [0, 1])
    share = share**2 * (3 - 2 * share)
    assert np.allclose(colours, np.stack([share, 1 - share, 0 * share], axis=1), atol=1e-5)
    assert field.asked == (share < 1).sum()
    # At the left edge of the mask, whose square of three pixels of 1 / 60 is covered more and more.
    points = np.stack([np.linspace(-0.65, -0.5, 151), np.zeros(151), np.zeros(151)], axis=1).astype(np.float32)
    red = paint.colours(points, np.ones(151, np.float32), field.colours, SIZE, own_place=True)[:, 0]
    inside_px = (points[:, 0] + 0.6) * 60
    assert (red[inside_px < 0.2] == 0).all()
    assert (red[inside_px > 2.5] == 1).all()
    assert (np.diff(red) >= -1e-6).all()


@pytest.mark.parametrize("mode", ["lossless", "visible"])
@pytest.mark.parametrize("fov_deg", [0.0, 30.0])
def test_the_back_has_the_networks_colours(mode, fov_deg):
    field = Balls(((0.0, 0.0, 0.0), 0.6))
    surface = surface_of(field, mode=mode, fov_deg=fov_deg)
    pure, there = shown(surface, Look(180.0))
    assert there.sum() > 1000
    assert (pure["green"] | ~there).mean() > 0.999
    pure, there = shown(surface, Look(90.0))  # half of what is seen from the side faces the camera
    half = np.mgrid[0:SIZE, 0:SIZE][1] >= SIZE / 2
    assert pure["green"][there & half].all() or pure["green"][there & ~half].all()
    # Cosines above 0.5: a segment of the disc that begins at half its radius. A perspective view space deforms balls.
    segment = (np.arccos(0.5) - 0.5 * np.sqrt(0.75)) / np.pi
    assert (pure["red"] | pure["blue"])[there].mean() == pytest.approx(segment, abs=0.06 if fov_deg else 0.04)


@pytest.mark.parametrize("mode", ["lossless", "visible"])
def test_what_is_hidden_from_the_camera_has_the_networks_colours(mode):
    """Two balls one behind the other. From above, both show the quarter that faces the camera."""
    field = Balls(((0.0, 0.0, -0.5), 0.3), ((0.0, 0.0, 0.3), 0.3))
    pure, there = shown(surface_of(field, mode=mode), Look(0.0, 80.0))
    photo = (pure["red"] | pure["blue"]) & there
    rows = np.flatnonzero(there.any(axis=1))
    middle = (rows[0] + rows[-1]) // 2
    near, far = (photo[middle:], photo[:middle]) if photo[middle:].sum() > photo[:middle].sum() else (
        photo[:middle], photo[middle:])  # fmt: skip
    assert near.sum() > 200
    assert far.sum() == 0


def test_a_close_look_shows_the_frames_own_pixels():
    """At four times the size, the frame's boundary of red and blue is sharp: one of its pixels is two of the drawn."""
    surface = surface_of(Balls(((0.0, 0.0, 0.0), 0.6)))
    drawn = draw(surface, Look(zoom=4.0), SIZE, FramePaint(surface)).astype(int)
    row = drawn[SIZE // 2, :, 0]
    between = np.flatnonzero((row > 5) & (row < 250))
    assert 1 <= len(between) <= 4
    assert abs(between.mean() - (SIZE - 1) / 2) <= 1


@pytest.mark.parametrize("photo_colours", [True, False])
def test_the_pipeline_uses_the_frames_colours_unless_told_otherwise(run_folder, photo_colours, monkeypatch):
    paints = []
    nothing = np.zeros((8, 8, 3), np.uint8)
    monkeypatch.setattr(pipeline_module, "draw", lambda *values: paints.append(values[3]) or nothing)
    came = []
    settings = LiveSettings(resolution=65, size=64, photo_colours=photo_colours)
    pipeline = Pipeline(load_run(run_folder), CountingFinder, settings, lambda name, picture: came.append(picture))
    pipeline.resolution = 33
    pipeline.look("anna", Look())
    pipeline.look("bob", Look(90.0))
    pipeline.start()
    pipeline.shots.put(shot(1))
    while len(came) < 2:
        assert not pipeline.note
        time.sleep(0.01)
    pipeline.close()
    assert len(paints) == 2
    assert paints[0] is paints[1]  # viewers share it
    assert (paints[0] is not None) == photo_colours
