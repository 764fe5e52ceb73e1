"""The page of `mpc live` in Chromium: a film and the browser's own camera, drawn, turned, saved; pixels are read."""

import json
import time

import numpy as np
import pytest

from mpc.models.runs import load_run
from mpc.view.live.live import serve_live
from mpc.view.live.settings import LiveSettings
from mpc.view.server import ServerSettings
from support.browser import Browser, needs_chromium
from support.live_film import CountingFinder, jpeg, masked_frame

pytest.importorskip("websockets", reason="mpc live needs the extra view")
from websockets.sync.client import connect

pytestmark = [needs_chromium, pytest.mark.slow]

LONG = 120.0
SETTINGS = LiveSettings(resolution=65, size=96)


class Walk:
    """Frames of the walking person, with their masks, ten a second."""

    title = "a walk"

    def frames(self):
        for step in range(1_000_000):
            yield step / 10, masked_frame(step % 12)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser whose camera shows the walking person, and that asks nobody whether it may."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "camera.mjpeg").write_bytes(b"".join(jpeg(masked_frame(step)) for step in range(12)))
    camera = f"--use-file-for-fake-video-capture={folder / 'camera.mjpeg'}"
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", camera]
    made = Browser(folder / "profile", (1000, 800), flags)
    yield made
    made.close()


def serving(run_folder, source):
    return serve_live(load_run(run_folder), CountingFinder, SETTINGS, source=source, place=ServerSettings(port=0))


def wait_for(browser, condition):
    """Wait until a JavaScript expression is true in the page."""
    script = (
        "new Promise((done) => { const end = performance.now() + %d; const look = () => "
        "(%s) ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 100); look(); })"
    )
    assert browser.run(script % (1000 * LONG / 2, condition)), f"{condition} is not true; {browser.text()}"


def canvas(browser, name):
    """The pixels of a canvas of the page, (H, W, 3)."""
    values = browser.run(
        f"(() => {{ const c = document.getElementById('{name}'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height); return JSON.stringify([c.height, c.width, Array.from(d.data)]); })()"
    )
    height, width, flat = json.loads(values)
    return np.array(flat).reshape(height, width, 4)[..., :3]


def is_red(pixels):
    return (pixels[..., 0] > 120) & (pixels[..., 2] < 120)


def test_a_film_is_drawn_turned_and_saved(browser, run_folder):
    with serving(run_folder, Walk()) as served:
        served.session.pipeline.resolution = 33  # the surface of untrained networks is everywhere
        browser.open(served.address)
        wait_for(browser, "window.mpcLive && mpcLive.frames >= 2")
        shown, drawn = canvas(browser, "input"), canvas(browser, "result")
        assert shown.shape == drawn.shape == (96, 96, 3)
        assert is_red(shown).sum() == pytest.approx(96**2 * 1.7 * 0.425 / 2.4**2, rel=0.25)
        person = (np.abs(drawn - 246) > 12).any(axis=-1)
        assert 100 < person.sum() < 96**2 / 2
        assert (np.abs(browser.picture().astype(int) - 255).max(axis=-1) > 60).mean() > 0.02  # and so on the screen
        text = browser.wait_for_text("frames a second", "localise", "1 viewer")
        assert "a walk" in text
        browser.run("document.getElementById('result').dispatchEvent(new WheelEvent('wheel', {deltaY: -600}))")
        key = "document.getElementById('result').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))"
        for _ in range(9):
            browser.run(key)
        end = time.monotonic() + LONG / 2  # the page tells its place with the next frame it draws
        while time.monotonic() < end:
            (place,) = served.session.pipeline._looks.values()
            if place.yaw_deg == 90.0:
                break
            time.sleep(0.05)
        assert (place.yaw_deg, place.zoom) == (90.0, pytest.approx(2.72, abs=0.01))
        drawn_before = int(browser.run("mpcLive.frames"))
        wait_for(browser, f"mpcLive.frames > {drawn_before + 1}")
        browser.click("Record")
        wait_for(browser, "mpcLive.state.progress.startsWith('recording: 2')")
        browser.click("Stop, and save the sequence")
        wait_for(browser, "mpcLive.saved && mpcLive.saved.name === 'sequence.glb'")
        browser.click("Save this frame (GLB)")
        wait_for(browser, "mpcLive.saved.name === 'frame.glb' && mpcLive.saved.bytes > 1000")
        choose = "const m = document.getElementById('mode'); m.value = 'lossless'; m.onchange({target: m});"
        browser.run(f"(() => {{ {choose} }})()")
        wait_for(browser, "mpcLive.state.mode === 'lossless'")
        assert served.session.pipeline.mode == "lossless"


def test_the_browsers_camera_is_drawn(browser, run_folder):
    with serving(run_folder, None) as served:
        served.session.pipeline.resolution = 33
        browser.open(served.address)
        browser.wait_for_text("no camera yet", "Use my camera")
        browser.click("Use my camera")
        wait_for(browser, "mpcLive.frames >= 3 && mpcLive.delay > 0")
        assert is_red(canvas(browser, "input")).sum() > 300
        assert (np.abs(canvas(browser, "result") - 246) > 12).any(axis=-1).sum() > 100
        browser.wait_for_text("your camera", "ms from camera to screen")
        browser.click("Stop my camera")
        browser.wait_for_text("no camera yet")
        # Somebody else's camera: this one is told so, and is used as soon as the other has gone.
        address = served.address.replace("http", "ws", 1)
        with connect(f"{address}/socket", proxy=None, max_size=None, open_timeout=LONG) as other:
            other.send(json.dumps({"camera": True}))
            browser.wait_for_text("another browser's camera", "2 viewers")
            browser.click("Use my camera")
            browser.wait_for_text("another browser's camera is in use", "Stop my camera")
            frames = int(browser.run("mpcLive.frames"))
        wait_for(browser, f"mpcLive.using && mpcLive.frames > {frames + 1} && mpcLive.delay > 0")
