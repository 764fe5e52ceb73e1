"""An animated GLB of `mpc reconstruct --sequence`, played by three.js: the glTF loader inside viser's page."""

import time

import numpy as np
import pytest

from mpc.formats.gltf.sequence import write_sequence_glb
from support.browser import Browser, needs_chromium
from support.sequence_files import box_frames

pytest.importorskip("viser", reason="the viewer needs the extra view")
from mpc.view.server import ServerSettings, address, open_server


@needs_chromium
@pytest.mark.slow
def test_three_js_shows_one_frame_after_the_other(tmp_path):
    """A red, a green and a blue box: each is seen, and never two of them; the larger ones would hide the smaller."""
    write_sequence_glb(tmp_path / "all.glb", box_frames(tmp_path), 2.5)
    seen, end = [], time.monotonic() + 120
    with open_server("a sequence", ServerSettings(port=0)) as server:
        server.scene.add_glb("/sequence", (tmp_path / "all.glb").read_bytes())
        server.initial_camera.position = (0.0, 1.5, 4.0)
        browser = Browser(tmp_path / "profile", (1000, 700))
        try:
            browser.open(address(server))
            while not browser.run("document.querySelectorAll('canvas').length") and time.monotonic() < end:
                time.sleep(0.2)
            while len(set(seen)) < 3 and time.monotonic() < end:
                picture = browser.picture()[250:450, 400:600].astype(int)  # beside viser's own panels
                colours = {
                    name
                    for name, channel in (("red", 0), ("green", 1), ("blue", 2))
                    if (picture[..., channel] - np.delete(picture, channel, axis=-1).max(axis=-1) > 60).mean() > 0.3
                }
                assert len(colours) <= 1, colours
                seen += colours
        finally:
            browser.close()
    assert set(seen) == {"red", "green", "blue"}
