"""`mpc segment`: its files, what is kept of an earlier run, films, and what it refuses."""

import json

import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner
from PIL import Image

from mpc.cli.main import main
from mpc.models.person.finder import PersonFinder
from mpc.reconstruct.capture import segment as segment_module
from mpc.reconstruct.capture.film_reader import FilmHead
from mpc.reconstruct.capture.overlays import MOST_SIDE, draw_overlay
from mpc.reconstruct.capture.pictures import Source
from mpc.reconstruct.capture.segment import SegmentSettings, segment
from support.person import needs_person
from support.stick_person import StickFinder, stick_person
from support.toy_run import red_person


@pytest.fixture
def stick_finder(monkeypatch):
    finder = StickFinder()
    monkeypatch.setattr(PersonFinder, "open", classmethod(lambda cls, engine="auto": finder))
    return finder


def run(*words, code=0):
    result = CliRunner().invoke(main, ["segment", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_pictures(tmp_path, stick_finder):
    pictures, out = tmp_path / "in", tmp_path / "out"
    pictures.mkdir()
    Image.fromarray(red_person()[..., :3]).save(pictures / "anna.png")
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(pictures / "empty.png")
    pair = np.concatenate([red_person(), red_person(box=(60, 180, 60, 90))], axis=1)[..., :3]
    Image.fromarray(pair).save(pictures / "pair.png")
    output = run(pictures, "--out", out, code=3)
    assert "anna.png: person found (presence 0.95)" in output
    assert "pair.png: person found (presence 0.95); 1 more person is there" in output
    assert "failed: empty.png" in output
    assert "2 segmented, 1 failed" in output
    assert set(files_below(out)) == {
        "settings.json", "masks/anna.png", "masks/pair.png", "landmarks/anna.json", "landmarks/pair.json",
        "overlays/anna.png", "overlays/pair.png", "overlays/pair_people.png", "overlays/empty.png",
    }  # fmt: skip
    assert np.array_equal(np.asarray(Image.open(out / "masks" / "anna.png")), red_person()[..., 3])
    record = json.loads((out / "landmarks" / "pair.json").read_text())
    assert record["source"] == "pair.png"
    assert len(record["people"]) == 1
    # What is there already is kept: only the picture without anybody is looked at again.
    before = stick_finder.found
    run(pictures, "--out", out, code=3)
    assert stick_finder.found == before + 1
    # Another picture of the same name is looked at.
    Image.fromarray(red_person(box=(30, 190, 60, 100))[..., :3]).save(pictures / "anna.png")
    run(pictures, "--out", out, code=3)
    assert np.asarray(Image.open(out / "masks" / "anna.png"))[25, 80] == 0
    # Other settings do not mix with these.
    assert "was made with other settings (person 1 -> all)" in run(pictures, "--out", out, "--person", "all", code=2)
    assert "2 people found" in run(pictures / "pair.png", "--out", tmp_path / "all", "--person", "all")
    assert (tmp_path / "all" / "masks" / "pair_2.png").is_file()


def test_masks_serve_reconstruct(tmp_path, stick_finder, run_folder):
    Image.fromarray(red_person()[..., :3]).save(tmp_path / "anna.png")
    run(tmp_path / "anna.png", "--out", tmp_path / "out")
    words = ["reconstruct", tmp_path / "anna.png", "--mask", tmp_path / "out" / "masks", "--out", tmp_path / "mesh"]
    words += ["--run", run_folder, "--resolution", 33, "--size", 32, "--turntable", "none"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert "1 reconstructed" in result.output


def test_a_stopped_film_continues_to_the_same_bytes(tmp_path, stick_finder, monkeypatch):
    """Frames of a walk with a gap; the second run finds the first half done, and the files come out the same."""

    class Film:
        """Takes the place of the writer, which needs PyAV."""

        def __init__(self, path, rate):
            self.pictures = []
            films.append(self)

        def __enter__(self):
            return self

        def add(self, picture, seconds):
            self.pictures.append(picture.tobytes())

        def __exit__(self, kind, error, trace):
            return None

    def frames(source, every):
        for number in range(stop):
            box = (20, 180, 40 + 4 * number, 80 + 4 * number)
            picture = red_person(box=box) if number != 4 else np.full((200, 160, 4), 200, np.uint8)
            yield number, number / 25, picture[..., :3]

    films, stop = [], 10
    monkeypatch.setattr(segment_module, "FilmWriter", Film)
    monkeypatch.setattr(segment_module, "read_film_head", lambda path: FilmHead(25.0, 10))
    monkeypatch.setattr(segment_module, "read_frames", frames)
    film = tmp_path / "walk.mp4"
    film.write_bytes(b"a film")
    whole = segment([Source(film)], tmp_path / "whole")
    assert [one.name for one in whole.failures] == ["walk.mp4 frame 4"]
    assert whole.done == ("walk",)
    stop = 6
    segment([Source(film)], tmp_path / "parts")
    stop, before = 10, stick_finder.looked + stick_finder.found
    again = segment([Source(film)], tmp_path / "parts")
    assert again.failures == whole.failures
    assert stick_finder.looked + stick_finder.found == before + 4
    assert files_below(tmp_path / "parts") == files_below(tmp_path / "whole")
    assert films[2].pictures == films[0].pictures
    # A frame without anybody has an empty mask, so that there are as many masks as frames.
    assert len(list((tmp_path / "whole" / "masks" / "walk").iterdir())) == 10
    assert not np.asarray(Image.open(tmp_path / "whole" / "masks" / "walk" / "000004.png")).any()
    everybody = segment([Source(film)], tmp_path / "all", SegmentSettings(person="all"))
    assert "name one person by number" in everybody.failures[0].reason


def test_without_networks_it_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setenv("MPC_CACHE", str(tmp_path / "nothing"))
    Image.fromarray(red_person()[..., :3]).save(tmp_path / "anna.png")
    assert "`mpc fetch` gets them once" in run(tmp_path / "anna.png", "--out", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()


def test_overlays_dim_the_background_and_have_a_handy_size():
    person = stick_person(shape=(400, 2 * MOST_SIDE), hips=(900, 200))
    picture = np.full((400, 2 * MOST_SIDE, 3), 200, np.uint8)
    drawn = draw_overlay(picture, [person])
    assert drawn.shape == (200, MOST_SIDE, 3)
    assert (drawn[:, :300] == 80).all()
    assert (drawn[125, 449:452] == 200).all()  # between the thighs, within the mask
    assert np.array_equal(draw_overlay(picture, []), np.full((200, MOST_SIDE, 3), 200, np.uint8))


@needs_person
def test_a_photograph(tmp_path):
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "astronaut.png")
    output = run(tmp_path / "astronaut.png", "--out", tmp_path / "out", "--engine", "torch")
    assert "the person ends above the hips" in output
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "astronaut.png"))
    assert mask.shape == (512, 512)
    assert mask[300, 150] > 230
    record = json.loads((tmp_path / "out" / "landmarks" / "astronaut.json").read_text())
    (person,) = record["people"]
    assert abs(person["facing_deg"]) < 35  # she faces the camera
    assert abs(person["roll_deg"]) < 15
