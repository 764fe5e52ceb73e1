"""Films as players show them. Right values are the pictures that were encoded, and the formulas of the standards."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.models.runs import load_run
from mpc.reconstruct.capture.capture import capture
from mpc.reconstruct.capture.film_reader import read_film_head, read_frames
from mpc.reconstruct.capture.hdr import tone_map
from mpc.reconstruct.capture.pictures import Source
from mpc.reconstruct.capture.settings import CaptureSettings
from support.films import turn_header, write_film
from support.toy_run import red_person

av = pytest.importorskip("av", reason="films need PyAV (the extra films)")


def coloured(height=96, width=64):
    """Red above, green below on the left, blue below on the right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2] = (200, 30, 30)
    picture[height // 2 :, : width // 2] = (30, 200, 30)
    picture[height // 2 :, width // 2 :] = (30, 30, 200)
    return picture


def first_frame(path, mask=None):
    return next(read_frames(Source(path, mask)))[2]


def difference(first, second):
    return np.abs(first.astype(int) - second.astype(int)).mean()


def test_a_telephone_held_upright(tmp_path):
    path = tmp_path / "upright.mp4"
    write_film(path, [np.rot90(coloured(), 1)] * 2)  # stored lying
    turn_header(path, 64)
    assert first_frame(path).shape == (96, 64, 3)
    assert difference(first_frame(path), coloured()) < 2


def test_pixels_that_are_not_square(tmp_path):
    wide = np.asarray(Image.fromarray(coloured()).resize((32, 96), Image.Resampling.BOX))
    write_film(tmp_path / "wide.mp4", [wide] * 2, aspect=Fraction(2))
    assert difference(first_frame(tmp_path / "wide.mp4"), coloured()) < 4
    flat = np.asarray(Image.fromarray(coloured()).resize((64, 48), Image.Resampling.BOX))
    write_film(tmp_path / "flat.mp4", [flat] * 2, aspect=Fraction(1, 2))
    assert difference(first_frame(tmp_path / "flat.mp4"), coloured()) < 4


def test_frames_at_their_own_times(tmp_path):
    times = [0.0, 0.1, 1.0, 3.0]
    write_film(tmp_path / "slow.mkv", [coloured()] * 4, times=times, rate=30)
    assert [seconds for _, seconds, _ in read_frames(Source(tmp_path / "slow.mkv"))] == times
    assert read_film_head(tmp_path / "slow.mkv").frames == 4


def test_the_result_has_the_times_of_the_film(run_folder, tmp_path):
    times = [0.0, 0.1, 1.0, 3.0]
    write_film(tmp_path / "slow.mov", [red_person()] * 4, codec="qtrle", pixels="argb", times=times)
    settings = CaptureSettings(resolution=33, size=16)
    capture(load_run(run_folder), [Source(tmp_path / "slow.mov")], tmp_path / "out", settings)
    shown = [seconds for _, seconds, _ in read_frames(Source(tmp_path / "out" / "slow.mp4"))]
    assert shown == pytest.approx(times, abs=1e-3)


def test_transparent_vp9(tmp_path):
    person, vp9 = red_person(), {"codec": "libvpx-vp9", "pixels": "yuva420p", "options": {"auto-alt-ref": "0"}}
    write_film(tmp_path / "clear.webm", [person] * 3, **vp9)
    picture = first_frame(tmp_path / "clear.webm")
    assert picture.shape[2] == 4
    assert ((picture[..., 3] > 127) == (person[..., 3] > 127)).mean() > 0.999


def test_masks_are_counted_before_the_work(tmp_path):
    write_film(tmp_path / "film.mp4", [coloured()] * 5)
    (tmp_path / "masks").mkdir()
    for number in range(3):
        Image.fromarray(coloured()[..., 0]).save(tmp_path / "masks" / f"{number}.png")
    with pytest.raises(InputError, match=r"has 3 masks, fewer than the 5 frames of film\.mp4"):
        first_frame(tmp_path / "film.mp4", tmp_path / "masks")


def test_specks_in_a_films_mask_are_told_once(run_folder, tmp_path):
    person = red_person()
    speck = person.copy()
    speck[2:4, 2:4] = 255
    write_film(tmp_path / "film.mov", [person, speck, speck], codec="qtrle", pixels="argb")
    words = ["reconstruct", tmp_path / "film.mov", "--run", run_folder, "--out", tmp_path / "out", "--resolution", 33]
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.output.count("from frame 1 on, 1 specks of 4 pixels in the mask are left out") == 1


def hlg(light):
    """The signal of a scene's light (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), a * np.log(np.maximum(12 * light - b, 1e-9)) + c)


def pq(nits):
    power = (nits / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def grey(signal):
    """A grey picture in limited range, luminance and two differences."""
    return np.full((64, 64, 3), (round(4096 + 56064 * float(signal)), 32768, 32768), np.uint16)


def srgb(linear):
    return 255 * (1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("nits", [5.0, 20.0, 100.0, 150.0])
def test_below_the_knee_hdr_keeps_its_light(nits):
    scene = (nits / 1000) ** (1 / 1.2)  # a screen of 1000 nits: light = 1000 scene^1.2
    for picture in (tone_map(grey(hlg(scene)), transfer="HLG"), tone_map(grey(pq(nits)), transfer="PQ")):
        assert np.ptp(picture) <= 1  # grey stays grey
        assert picture.mean() == pytest.approx(srgb(nits / 203), abs=1.5)


def test_bright_hdr_is_compressed_in_order():
    shown = [tone_map(grey(pq(nits)), transfer="PQ").mean() for nits in (100, 150, 203, 260, 400, 4000)]
    assert all(first <= second for first, second in pairwise(shown))
    assert shown[2] == pytest.approx(srgb(1 - 0.25 * np.exp(-1)), abs=1.5)  # diffuse white
    assert shown[-1] == pytest.approx(255, abs=1)


def test_an_hlg_film_is_read_as_srgb(tmp_path):
    signal = hlg((100 / 1000) ** (1 / 1.2))
    options = {"x264-params": "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"}
    write_film(tmp_path / "hlg.mp4", [grey(signal)] * 2, pixels="yuv420p10le", options=options)
    assert first_frame(tmp_path / "hlg.mp4").mean() == pytest.approx(srgb(100 / 203), abs=2.5)


def test_ten_bits_without_hdr(tmp_path):
    write_film(tmp_path / "ten.mp4", [coloured()] * 2, pixels="yuv444p10le")
    assert difference(first_frame(tmp_path / "ten.mp4"), coloured()) < 4
