"""Where frames come from: a film over and over, and a camera, for which a film stands in."""

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, MpcError
from mpc.view.live import sources
from mpc.view.live.sources import CAMERA_OPTIONS, CameraFrames, FilmFrames, Player
from support.films import write_film
from support.live_film import masked_frame

av = pytest.importorskip("av", reason="films and cameras need the extra films")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cameras are read on Linux alone")


@pytest.fixture
def walk(tmp_path):
    """A film of three frames, ten a second."""
    write_film(tmp_path / "walk.mp4", [masked_frame(step)[..., :3] for step in range(3)])
    return tmp_path / "walk.mp4"


def is_frame(picture, step):
    return np.abs(picture.astype(int) - masked_frame(step)[..., :3]).mean() < 4


def test_a_film_begins_again_when_it_ends(walk):
    frames = FilmFrames(walk).frames()
    for number in range(7):
        seconds, picture = next(frames)
        assert seconds == pytest.approx(number / 10)
        assert is_frame(picture, number % 3)
    with pytest.raises(InputError, match=r"nothing\.mp4"):
        FilmFrames(walk.parent / "nothing.mp4")


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """A folder in place of /dev, with cameras 0 and 12 and something else."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("video12", "video0", "video-old"):
        (folder / name).touch()
    monkeypatch.setattr(sources, "DEVICES", folder)
    return folder


@linux
def test_a_camera_gives_its_frames_until_it_is_pulled_out(walk, devices, monkeypatch):
    def stand_in(place, **how):
        assert (place, how) == (str(devices / "video12"), {"format": "v4l2", "options": CAMERA_OPTIONS})
        return av.open(str(walk))

    monkeypatch.setattr(sources, "import_av", lambda: SimpleNamespace(open=stand_in, error=av.error))
    came, ends = [], []
    player = Player(CameraFrames(12), came.append, ends.append)
    player.start()
    end = time.monotonic() + 60
    while not ends and time.monotonic() < end:
        time.sleep(0.01)
    player.close()
    assert ends == ["camera 12 gives no more frames"]
    assert len(came) == 3
    assert all(is_frame(picture, step) for step, picture in enumerate(came))


@linux
def test_a_camera_that_cannot_be_opened_is_one_clear_error(devices):
    with pytest.raises(MpcError, match=r"--camera 3: .*video3 cannot be opened \(No such file or directory\); "
                       r"the cameras of this machine are 0, 12; without --camera"):  # fmt: skip
        CameraFrames(3)
    with pytest.raises(MpcError, match=r"--camera 0: .*video0 cannot be opened \("):  # it is there, and no camera
        CameraFrames(0)
    for path in devices.iterdir():
        path.unlink()
    result = CliRunner().invoke(main, ["live", "--camera", "7"])
    assert result.exit_code == 1
    assert result.output.strip().count("\n") == 0
    assert "--camera 7" in result.output
    assert "this machine has no camera" in result.output
