"""The stages of `mpc live`: overlapping, the newest frame wins, each frame on its own, and nothing ends the work."""

import threading
import time

import numpy as np
import pytest

from mpc.core.errors import MpcError, SettingsError
from mpc.core.pictures import mask_of
from mpc.models.runs import load_run
from mpc.reconstruct.capture.panels import FieldRenderer
from mpc.reconstruct.localise.localise import localise
from mpc.view.live import pipeline as pipeline_module
from mpc.view.live import reconstruct as surfaces_module
from mpc.view.live.draw import camera_for, draw, input_panel
from mpc.view.live.find import NobodyHereError, StageOfFinding
from mpc.view.live.meter import Meter
from mpc.view.live.newest import Newest
from mpc.view.live.pipeline import Pipeline
from mpc.view.live.reconstruct import StageOfSurfaces
from mpc.view.live.settings import MODES, LiveSettings, Look
from mpc.view.live.shots import MOST_SIDE, BrokenFrameError, decode
from support.live_film import CountingFinder, jpeg, masked_frame, shot

LONG = 120.0  # nothing here takes so long, unless the machine is busy with other things
SETTINGS = LiveSettings(resolution=65, size=64)


@pytest.fixture(scope="module")
def run(run_folder):
    return load_run(run_folder)


class Viewer:
    """Collects what a pipeline delivers, and waits for it."""

    def __init__(self):
        self.pictures, self._came = [], threading.Condition()

    def __call__(self, viewer, picture):
        with self._came:
            self.pictures.append((viewer, picture))
            self._came.notify_all()

    def wait_for(self, count):
        with self._came:
            assert self._came.wait_for(lambda: len(self.pictures) >= count, LONG)
            return list(self.pictures)


@pytest.fixture
def viewer():
    return Viewer()


@pytest.fixture
def pipeline(run, viewer):
    made = Pipeline(run, CountingFinder, SETTINGS, viewer)
    made.resolution = 33  # the surface of untrained networks is everywhere
    yield made
    made.close()


def wait_until(true):
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_newest_value_wins():
    place = Newest()
    for number in range(5):
        place.put(number)
    assert (place.take(), place.dropped, place.take(timeout=0.0)) == (4, 4, None)
    place.close()
    place.put(6)
    assert place.take() is None


@pytest.mark.parametrize("mode", MODES)
def test_a_frame_depends_on_no_other_frame(run, mode):
    """Given its square and mask: alone, and after other frames, in another order and at another resolution."""
    finding, alone, busy = StageOfFinding(CountingFinder), StageOfSurfaces(run, 1.7), StageOfSurfaces(run, 1.7)
    frames = [finding.find(shot(number)) for number in range(3)]
    squares = [alone.frame(seen) for seen in frames]
    for seen, framing in zip(frames[::-1], squares[::-1], strict=True):
        busy.reconstruct(seen, 33, "lossless")
        busy.localise(seen, framing, 33, "fast")
    for seen, framing in zip(frames, squares, strict=True):
        one = StageOfSurfaces(run, 1.7).localise(seen, framing, 33, mode)
        other = busy.localise(seen, framing, 33, mode)
        assert np.array_equal(one.square, other.square)
        if mode != "visible":
            assert np.array_equal(one.grid.nodes, other.grid.nodes)
            assert np.array_equal(one.grid.values, other.grid.values)
        assert np.array_equal(draw(one, Look(40, 10), 64), draw(other, Look(40, 10), 64))


def test_what_is_drawn_is_what_reconstruct_draws(run):
    stage = StageOfSurfaces(run, 1.7)
    surface = stage.reconstruct(StageOfFinding(CountingFinder).find(shot()), 33, "lossless")
    look = Look(30, 10, 1.5)
    expected = FieldRenderer(surface.grid, surface.view, surface.framing.calibration).draw(
        camera_for(surface, look), 96
    )
    assert np.array_equal(draw(surface, look, 96), expected)
    # The frame beside it is in the same place: where the person is red, and nowhere else.
    red = (input_panel(surface, 240)[..., 0] > 120) & (input_panel(surface, 240)[..., 2] < 120)
    rows = np.flatnonzero(red.any(axis=1))
    assert (rows[-1] - rows[0] + 1) / 240 * surface.framing.extent_m == pytest.approx(1.7, abs=0.03)


@pytest.mark.parametrize("fits", [False, True])
def test_bodies_are_fitted_on_request_alone(run, monkeypatch, fits):
    asked, given = [], []
    monkeypatch.setattr(surfaces_module, "body_of", lambda *args: asked.append(args) or np.zeros((8, 64, 64)))
    stage = StageOfSurfaces(run, 1.7, fit_bodies=fits)
    encode = stage._encoder.encode
    monkeypatch.setattr(
        stage._encoder, "encode", lambda pictures, landmarks, bodies: given.append(bodies) or encode(pictures)
    )
    stage.reconstruct(StageOfFinding(CountingFinder).find(shot()), 33, "fast")
    assert (len(asked), [one is None for one in given[0]]) == ((1, [False]) if fits else (0, [True]))


@pytest.mark.parametrize("look", [Look(), Look(70, 20)])
def test_visible_mode_shows_the_same_surface(run, look):
    """A ball in place of the network: localised for one viewer, and as a whole."""

    class Ball:
        texture_features = True

        def occupancy(self, points):
            return 1 / (1 + np.exp(np.clip((np.linalg.norm(points - (0.1, 0.2, 0), axis=1) - 0.3) / 0.01, -50, 50)))

        def depth_range(self, xy):
            return None

        def colours(self, points):
            return points * 0.5 + 0.5

    stage = StageOfSurfaces(run, 1.7)
    seen = StageOfFinding(CountingFinder).find(shot(0))
    whole = stage.reconstruct(seen, 33, "lossless")
    everywhere = np.full_like(whole.square, 255)
    ball = pipeline_module.Surface(
        seen, everywhere, whole.framing, None, Ball(), localise(Ball().occupancy, 65, mask=mask_of(everywhere)), 65
    )
    one = pipeline_module.Surface(seen, everywhere, whole.framing, None, Ball(), None, 65)
    apart = np.abs(draw(ball, look, 96).astype(int) - draw(one, look, 96).astype(int)).max(axis=-1)
    assert np.quantile(apart, 0.98) <= 4  # the rest is the edge
    assert draw(one, look, 96).std() > 20


def test_stages_overlap(pipeline, viewer, monkeypatch):
    """The person of the second frame is looked for while the first frame's surface is held up."""
    held, looked = threading.Event(), threading.Event()
    real_find, real_surface = pipeline._finding.find, pipeline.surfaces.reconstruct

    def find(one):
        seen = real_find(one)
        if one.number == 2:
            looked.set()
        return seen

    def reconstruct(*values):
        if values[0].shot.number == 1:
            pipeline.shots.put(shot(2))
            assert looked.wait(LONG)
            held.set()
        return real_surface(*values)

    monkeypatch.setattr(pipeline._finding, "find", find)
    monkeypatch.setattr(pipeline.surfaces, "reconstruct", reconstruct)
    pipeline.look("anna", Look())
    pipeline.start()
    pipeline.shots.put(shot(1))
    viewer.wait_for(2)
    assert held.is_set()
    assert [picture.surface.seen.shot.number for _, picture in viewer.pictures] == [1, 2]


def test_old_frames_are_dropped_and_the_newest_is_drawn(pipeline, viewer, monkeypatch):
    entered, go = threading.Event(), threading.Event()
    real = pipeline._finding.find

    def find(one):
        entered.set()
        assert go.wait(LONG)
        return real(one)

    monkeypatch.setattr(pipeline._finding, "find", find)
    taken = []
    pipeline.on_taken = lambda one: taken.append(one.number)
    pipeline.look("anna", Look())
    pipeline.start()
    pipeline.shots.put(shot(1))
    assert entered.wait(LONG)
    for number in range(2, 52):
        pipeline.shots.put(shot(number, masked_frame(5)))
    go.set()
    wait_until(lambda: any(picture.surface.seen.shot.number == 51 for _, picture in viewer.pictures))
    assert taken == [1, 51]
    assert pipeline.shots.dropped == 49


def test_a_viewer_who_turns_gets_a_picture_without_a_new_frame(pipeline, viewer):
    pipeline.look("anna", Look())
    pipeline.look("bob", Look())
    pipeline.look("carl", Look(yaw_deg=90.0))
    pipeline.start()
    pipeline.shots.put(shot())
    first = dict(viewer.wait_for(3))
    assert first["anna"].drawn == first["bob"].drawn != first["carl"].drawn
    pipeline.leave("bob")
    pipeline.look("anna", Look(yaw_deg=90.0))
    name, picture = viewer.wait_for(4)[3]
    assert (name, picture.drawn) == ("anna", first["carl"].drawn)
    assert pipeline.meter.report(time.monotonic())["frames"] == 1
    assert set(pipeline.meter.report(time.monotonic())["stages_ms"]) == {"find", "encode", "localise", "draw"}


def test_whatever_is_wrong_with_a_frame_is_said_and_the_next_one_is_drawn(pipeline, viewer, monkeypatch):
    pipeline.look("anna", Look())
    pipeline.start()
    empty = masked_frame() * np.array([1, 1, 1, 0], np.uint8)
    for number, (content, words) in enumerate(((b"nonsense", "no picture"), (empty, "nobody"), (None, ""))):
        pipeline.note = "?"
        pipeline.shots.put(shot(number, content))
        wait_until(lambda: pipeline.note != "?")
        assert words in pipeline.note
    viewer.wait_for(1)

    def broken(*values):
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline_module, "draw", broken)
        pipeline.shots.put(shot(3))
        wait_until(lambda: "out of luck" in pipeline.note)
    pipeline.shots.put(shot(4))
    wait_until(lambda: any(picture.surface.seen.shot.number == 4 for _, picture in viewer.pictures))
    assert pipeline.note == ""


def test_people_are_followed_and_counted():
    finder, two = CountingFinder(), masked_frame(0).copy()
    two[30:170, 120:150, :3] = (180, 30, 40)  # a smaller person to the right
    stage = StageOfFinding(lambda: finder)
    assert stage.find(shot(0, masked_frame(0)[..., :3], 10.0)).note == ""
    found = finder.found
    assert stage.find(shot(1, two[..., :3], 10.5)).note == ""  # not counted yet
    seen = stage.find(shot(2, two[..., :3], 11.5))
    assert seen.note.startswith("2 people are in sight")
    assert finder.found == found  # the first is followed, nobody is looked for anew
    assert np.flatnonzero((seen.picture[..., 3] > 127).any(axis=0)).max() < 110
    with pytest.raises(NobodyHereError, match="nobody is in sight"):
        stage.find(shot(3, np.zeros((200, 160, 3), np.uint8), 12.0))
    # A picture of another shape is another camera.
    wide = np.concatenate([masked_frame(0), masked_frame(0) * 0], axis=1)[..., :3]
    assert stage.find(shot(4, wide, 13.0)).picture.shape == (200, 320, 4)


def test_networks_that_are_not_here_are_asked_for_again_and_again():
    calls = []

    def opening():
        calls.append(1)
        if len(calls) < 2:
            raise MpcError("`mpc fetch` gets them")
        return CountingFinder()

    stage = StageOfFinding(opening)
    with pytest.raises(MpcError, match="`mpc fetch`"):
        stage.find(shot(0, masked_frame()[..., :3]))
    assert stage.find(shot(1, masked_frame()[..., :3])).person is not None


def test_frames_are_decoded_within_bounds():
    assert np.abs(decode(jpeg(masked_frame())).astype(int) - masked_frame()[..., :3]).mean() < 2
    assert decode(masked_frame()).shape == (200, 160, 4)
    assert decode(np.zeros((720, 1280, 3), np.uint8)).shape == (360, MOST_SIDE, 3)
    assert decode(jpeg(np.zeros((1280, 720, 3), np.uint8))).shape == (MOST_SIDE, 360, 3)
    for content in (b"", b"GIF89a", jpeg(masked_frame())[:200], b"\xff\xd8\xff" + bytes(1000)):
        with pytest.raises(BrokenFrameError, match="no picture"):
            decode(content)
    with pytest.raises(BrokenFrameError, match="too large"):
        decode(jpeg(np.zeros((3000, 4000, 3), np.uint8)))


def test_settings_and_looks_are_checked():
    for wrong in ({"resolution": 100}, {"mode": "slow"}, {"size": 10}, {"clients": 0}):
        with pytest.raises(SettingsError):
            LiveSettings(**wrong)
    assert Look.read({"yaw": -30.4, "pitch": 1e9, "zoom": 0}) == Look(330.0, 80.0, 0.5)
    for wrong in (3, {"yaw": "x"}, {"zoom": float("nan")}, {"pitch": True}, {"yaw": None}):
        with pytest.raises(ValueError, match=r"number|object"):
            Look.read(wrong)


def test_the_meter_counts_what_was():
    meter = Meter()
    for number in range(10):
        meter.drawn(taken=number - 0.3, now=float(number) / 4)
    report = meter.report(now=2.25)
    assert report["fps"] == 4.0
    assert meter.report(now=2.25 + 4.5)["fps"] == 0.2  # the last frame is long ago
    assert meter.report(now=60.0)["fps"] == 0.0
