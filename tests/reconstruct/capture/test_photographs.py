"""Photographs and films without a mask: from the command to meshes, with people found and framed."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image

from mpc.core.errors import InputError
from mpc.models.person.finder import PersonFinder
from mpc.models.runs import load_run
from mpc.reconstruct.capture import frame_pictures
from mpc.reconstruct.capture.frame_pictures import FramedPicture, frame_film, frame_stills
from mpc.reconstruct.capture.one_picture import reconstruct_picture
from mpc.reconstruct.capture.pictures import Source
from mpc.reconstruct.capture.settings import CaptureSettings
from support.person import needs_person
from support.reconstructing import invoke
from support.stick_person import StickFinder
from support.toy_run import red_person


@pytest.fixture
def stick_finder(monkeypatch):
    finder = StickFinder()
    monkeypatch.setattr(PersonFinder, "open", classmethod(lambda cls, engine="auto": finder))
    return finder


def test_a_photograph_gives_what_its_cut_out_gives(run_folder, tmp_path, stick_finder):
    """The mask that was found, given as --mask with the same size, leads to the same mesh."""
    Image.fromarray(red_person()[..., :3]).save(tmp_path / "anna.png")
    output = invoke(run_folder, tmp_path / "anna.png", "--out", tmp_path / "out")
    assert "anna: person found (presence 0.95); mask anna_mask.png; assumed 1.7 m tall (160 pixels)" in output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["anna.gif", "anna.glb", "anna.json", "anna.png", "anna_mask.png"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "anna_mask.png")), red_person()[..., 3])
    record = json.loads((tmp_path / "out" / "anna.json").read_text())
    assert record["framing"]["pixels_per_metre"] == pytest.approx(160 / 1.7)
    assert record["people"][0]["cut"] == ""
    words = ("--mask", tmp_path / "out" / "anna_mask.png", "--out", tmp_path / "again")
    invoke(run_folder, tmp_path / "anna.png", *words)
    assert (tmp_path / "again" / "anna.glb").read_bytes() == (tmp_path / "out" / "anna.glb").read_bytes()
    # A picture with transparency needs no networks.
    Image.fromarray(red_person()).save(tmp_path / "bob.png")
    invoke(run_folder, tmp_path / "bob.png", "--out", tmp_path / "bob")
    assert stick_finder.found == 1
    assert (tmp_path / "bob" / "bob.glb").read_bytes() == (tmp_path / "out" / "anna.glb").read_bytes()


def test_one_of_several_people_or_all(run_folder, tmp_path, stick_finder):
    pair = np.concatenate([red_person(box=(60, 180, 60, 90)), red_person()], axis=1)[..., :3]
    Image.fromarray(pair).save(tmp_path / "pair.png")
    output = invoke(run_folder, tmp_path / "pair.png", "--out", tmp_path / "one")
    assert "1 more person is there (pair_people.png)" in output
    assert np.asarray(Image.open(tmp_path / "one" / "pair_people.png")).shape == pair.shape
    mask = np.asarray(Image.open(tmp_path / "one" / "pair_mask.png"))
    assert mask[:, :160].max() == 0
    assert mask[100, 240] == 255
    output = invoke(run_folder, tmp_path / "pair.png", "--out", tmp_path / "all", "--person", "all")
    assert "2 reconstructed, 0 failed" in output
    assert {"pair_1.glb", "pair_2.glb", "pair_2_mask.png"} <= {path.name for path in (tmp_path / "all").iterdir()}
    assert (tmp_path / "all" / "pair_1.glb").read_bytes() == (tmp_path / "one" / "pair.glb").read_bytes()
    output = invoke(run_folder, tmp_path / "pair.png", "--out", tmp_path / "three", "--person", "3", code=3)
    assert "--person 3: 2 people were found" in output


def test_a_picture_without_anybody_is_refused_and_shown(run_folder, tmp_path, stick_finder):
    Image.fromarray(np.full((90, 120, 3), 200, np.uint8)).save(tmp_path / "empty.png")
    output = invoke(run_folder, tmp_path / "empty.png", "--out", tmp_path / "out", code=3)
    assert "nobody is there (presence 0.20, at least 0.5 is asked for)" in output
    assert "empty_seen.png" in output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["empty_seen.png"]


def test_the_whole_picture_as_the_person(run_folder, tmp_path, stick_finder):
    Image.fromarray(red_person()[..., :3]).save(tmp_path / "anna.png")
    output = invoke(run_folder, tmp_path / "anna.png", "--out", tmp_path / "out", "--mask", "none")
    assert "the whole picture is taken for the person; assumed 1.7 m from the lowest to the highest point" in output
    assert stick_finder.found == 0
    assert not (tmp_path / "out" / "anna_mask.png").exists()
    # An alpha channel is not asked, either.
    Image.fromarray(red_person()).save(tmp_path / "bob.png")
    output = invoke(run_folder, tmp_path / "bob.png", "--out", tmp_path / "out", "--mask", "none")
    assert "the whole picture is taken for the person; assumed 1.7 m" in output
    assert "(200 pixels)" in output


def test_films_are_followed_and_smoothed(run_folder, tmp_path, stick_finder, monkeypatch):
    boxes = [(20, 180, 60 + (6 if number % 2 else 0), 100 + (6 if number % 2 else 0)) for number in range(8)]

    def frames(source, every):
        for number, box in enumerate(boxes):
            yield number, number / 25, red_person(box=box)[..., :3]

    monkeypatch.setattr(frame_pictures, "read_frames", frames)
    run, source = load_run(run_folder), Source(tmp_path / "walk.mp4")

    def columns(settings, folder):
        folder.mkdir()
        out = list(frame_film(run, source, "walk", folder, settings))
        assert all(isinstance(one, FramedPicture) for one in out)
        # The person stays where it is in the world, whatever the square does.
        middles = [one.framing.centre_world[0] - one.framing.column / one.framing.pixels_per_metre for one in out]
        assert np.ptp(middles) < 1e-9
        assert len({one.framing.pixels_per_metre for one in out}) == 1
        # The record holds the square that the network sees.
        records = [json.loads((folder / f"{one.name}.json").read_text())["framing"] for one in out]
        assert [record["column"] for record in records] == [one.framing.column for one in out]
        return np.array([one.framing.column for one in out])

    assert columns(CaptureSettings(), tmp_path / "a").tolist() == [80, 86] * 4
    assert (stick_finder.found, stick_finder.looked) == (1, 7)
    smoothed = columns(CaptureSettings(smooth=True), tmp_path / "b")
    assert smoothed[0] == 80
    assert np.abs(np.diff(smoothed)).max() < 3
    assert sorted(path.name for path in (tmp_path / "a").iterdir())[:2] == ["walk_000000.json", "walk_000000_mask.png"]
    with pytest.raises(InputError, match="name one person by number"):
        list(frame_film(run, source, "walk", tmp_path / "a", CaptureSettings(person="all")))


def test_a_picture_from_python(run_folder, stick_finder):
    run, settings = load_run(run_folder), CaptureSettings(resolution=33)
    found = reconstruct_picture(run, red_person()[..., :3], settings=settings)
    given = reconstruct_picture(run, red_person(), settings=settings)
    assert np.array_equal(found.vertices, given.vertices)


@needs_person
def test_the_astronaut_ends_above_the_hips(run_folder, tmp_path):
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "astronaut.png")
    out = tmp_path / "out"
    out.mkdir()
    (one,) = frame_stills(load_run(run_folder), [(Source(tmp_path / "astronaut.png"), "a")], out, CaptureSettings())
    assert "the person ends above the hips: assumed 1.7 m tall, of which 0." in one.remark
    # From crown to hips is about half of a person.
    assert 0.6 < 512 / one.framing.pixels_per_metre < 1.1
    assert 450 < one.framing.row < 650  # the middle of the whole person
    assert 150 < one.framing.column < 260
    assert ((one.picture[..., 3] > 127).mean()) == pytest.approx(0.47, abs=0.05)


@needs_person
def test_a_cup_is_nobody(run_folder, tmp_path):
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "cup.png")
    (failure,) = frame_stills(
        load_run(run_folder), [(Source(tmp_path / "cup.png"), "cup")], tmp_path, CaptureSettings()
    )
    assert "nobody is there" in failure.reason
    assert (tmp_path / "cup_seen.png").is_file()
