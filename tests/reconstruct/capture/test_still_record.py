"""Many pictures whose reconstruction was stopped: those that are finished are kept, and only those."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mpc.models.runs import load_run
from mpc.reconstruct.capture import batches as batches_module
from mpc.reconstruct.capture.capture import capture
from mpc.reconstruct.capture.pictures import find_sources
from mpc.reconstruct.capture.settings import CaptureSettings
from support.stops import stop_at_call
from support.toy_run import red_person

SETTINGS = CaptureSettings(resolution=33, size=16, turntable_frames=2)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate("abc"):
        Image.fromarray(red_person(box=(20, 180, 50 + 10 * number, 100))).save(folder / f"{name}.png")
    return folder


def kept(run, folder, out, settings=SETTINGS):
    summary = capture(run, find_sources([folder]), out, settings)
    assert not summary.failures
    return "".join(one.name for one in summary.done if one.kept)


def files_below(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_finished_pictures_are_kept_and_the_bytes_are_the_same(run_folder, pictures, tmp_path, monkeypatch):
    run, parts, whole = load_run(run_folder), tmp_path / "parts", tmp_path / "whole"
    with monkeypatch.context() as patch:
        stop_at_call(patch, batches_module, "write_loop", 2)
        with pytest.raises(KeyboardInterrupt):
            capture(run, find_sources([pictures]), parts, SETTINGS)
    assert (parts / "c.glb").is_file()
    assert kept(run, pictures, parts) == "ab"
    assert kept(run, pictures, whole) == ""
    assert files_below(parts) == files_below(whole)
    before = capture(run, find_sources([pictures]), parts, SETTINGS).done
    again = capture(run, find_sources([pictures]), tmp_path / "third", SETTINGS).done
    assert [replace(one, seconds=0.0, kept=True) for one in again] == list(before)


def test_another_picture_network_or_setting_is_reconstructed(run_folder, pictures, tmp_path):
    run, out = load_run(run_folder), tmp_path / "out"
    assert kept(run, pictures, out) == ""
    assert kept(run, pictures, out) == "abc"
    Image.fromarray(red_person(box=(30, 180, 60, 100))).save(pictures / "b.png")
    assert kept(run, pictures, out) == "ac"
    (out / "a.gif").unlink()
    Image.fromarray(np.zeros((16, 80, 3), np.uint8)).save(out / "c.png")  # somebody else's
    assert kept(run, pictures, out) == "b"
    assert kept(run, pictures, out, replace(SETTINGS, height_m=1.6)) == ""
    assert kept(run, pictures, out, replace(SETTINGS, height_m=1.6, size=24)) == ""
    assert kept(run, pictures, out, replace(SETTINGS, height_m=1.6, size=24, person="2")) == "abc"
    assert kept(replace(run, texture=None), pictures, out) == ""
