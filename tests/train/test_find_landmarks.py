"""The landmarks of every view of shards: found once, resumed to the same bytes, and what a run makes of them."""

import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, MpcError, SettingsError
from mpc.core.files import write_json
from mpc.core.progress import NoProgress
from mpc.core.units import run_units
from mpc.datasets.shards import landmarks as files
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.landmarks import has_landmarks, landmarks_path, read_landmarks
from mpc.datasets.shards.settings import SampleSettings
from mpc.models.person.finder import PersonFinder
from mpc.models.person.landmarks import MIRRORED, find_landmarks
from mpc.train import fill_views
from mpc.train import find_landmarks as module
from mpc.train.find_landmarks import find_all_landmarks, use_landmarks
from mpc.train.run import train
from support import balls
from support.person import needs_person
from support.stick_person import stick_person
from support.toy_runs import toy


class Told(NoProgress):
    def __init__(self):
        self.lines = []

    def message(self, text):
        self.lines.append(text)


class Finder:
    """Sees a person of sticks at the middle of each square; nobody in dark pictures; stops when it is told to."""

    def __init__(self, stop_at=0):
        self.asked, self.stop_at = 0, stop_at

    def look(self, picture, region, *, masked):
        assert not masked
        self.asked += 1
        if self.asked == self.stop_at:
            raise KeyboardInterrupt
        dark = picture.min() < 30
        return stick_person(hips=(region.column, region.row), scale=region.size / 3, score=0.1 if dark else 0.9)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("find")
    layers = ("depth_front", "depth_back", "smooth_normal_front", "smooth_normal_back")
    settings = SampleSettings(
        near_points=8000, uniform_points=8000, colour_points=64, shard_bytes=1 << 20, layers=layers
    )
    sample_renders(balls.make_renders(root / "renders", size=16, layers=layers), root / "shards", settings, jobs=1)
    return root / "shards"


@pytest.fixture
def shards(made):
    yield made
    for path in (made / "landmarks").glob("*.npz"):
        path.unlink()


@pytest.fixture
def finder(monkeypatch):
    monkeypatch.setattr(module, "require_networks", lambda: None)
    # In this process, where the finder of the test is.
    monkeypatch.setattr(fill_views, "run_units", lambda *given, jobs, backend: run_units(*given, jobs=1))

    def use(**options):
        one = Finder(**options)
        monkeypatch.setattr(module, "_open_finder", lambda engine: one)
        return one

    return use


def contents(shards):
    return {entry.file: landmarks_path(shards, entry).read_bytes() for entry in read_index(shards).shards}


def test_every_view_has_the_landmarks_of_its_own_picture(shards, finder):
    """The ball's box in the picture gives the square, and that the hips; a white ball is lit less and less."""
    one = finder()
    summary = find_all_landmarks(shards, jobs=1)
    entries = read_index(shards).shards
    views = sum(entry.views for entry in entries)
    assert (summary.views, summary.found_now, summary.failures) == (views, views, ())
    assert one.asked == views
    for entry in entries:
        landmarks = read_landmarks(shards, entry)
        assert landmarks.is_whole
        for row in range(entry.views):
            picture = fill_views.view_picture(fill_views.open_shard(shards / entry.file), row)
            np.testing.assert_array_equal(landmarks.values[row], find_landmarks(Finder(), picture))
            mask = picture[..., 3] >= 128
            left, right = np.flatnonzero(mask.any(axis=0))[[0, -1]]
            hips = landmarks.values[row, [23, 24], 0].mean()
            assert hips == pytest.approx((left + right + 1) / 16 - 1, abs=1e-5)
    assert find_all_landmarks(shards, jobs=1).found_now == 0
    assert one.asked == views


def test_a_stopped_search_goes_on_to_the_same_bytes(shards, finder, monkeypatch):
    monkeypatch.setattr(fill_views, "_VIEWS", 3)
    monkeypatch.setattr(fill_views, "_SAVE_EVERY", 0.0)
    finder()
    find_all_landmarks(shards, jobs=1)
    whole = contents(shards)
    for path in (shards / "landmarks").glob("*.npz"):
        path.unlink()
    stopped = finder(stop_at=8)
    with pytest.raises(KeyboardInterrupt):
        find_all_landmarks(shards, jobs=1)
    assert not has_landmarks(shards)
    after = finder()
    assert find_all_landmarks(shards, jobs=1).found_now == after.asked
    assert after.asked + 6 == sum(entry.views for entry in read_index(shards).shards)  # two runs of three were kept
    assert contents(shards) == whole
    assert stopped.asked == 8


def test_a_picture_that_cannot_be_read_is_named_and_the_others_go_on(shards, finder, monkeypatch):
    monkeypatch.setattr(fill_views, "_VIEWS", 1)
    finder()
    real, entry = module.view_picture, read_index(shards).shards[0]

    def broken(reader, row):
        if reader.path.name == entry.file and row == 1:
            raise InputError(reader.path, "view 1: the picture is damaged")
        return real(reader, row)

    monkeypatch.setattr(module, "view_picture", broken)
    summary = find_all_landmarks(shards, jobs=1)
    assert summary.failures == (
        (f"{entry.file}, views 1 to 1", f"{shards / entry.file}: view 1: the picture is damaged"),
    )
    assert read_landmarks(shards, entry).done.tolist() == [True, False] + [True] * (entry.views - 2)
    told = Told()
    assert not use_landmarks(shards, toy(**READS), progress=told)
    assert any("lacks landmarks" in line for line in told.lines)
    result = CliRunner().invoke(main, ["landmarks", str(shards), "--jobs", "1"])
    assert result.exit_code == 3
    assert "view 1: the picture is damaged" in result.output
    monkeypatch.setattr(module, "view_picture", real)
    result = CliRunner().invoke(main, ["landmarks", str(shards), "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert "(1 looked at now" in result.output


READS = {"surface_network": {"encoder": {"landmarks": 4}}}


def test_without_networks_a_run_goes_without_and_says_so(shards, monkeypatch, tmp_path):
    def missing():
        raise MpcError("the networks that find a person are not in x; `mpc fetch` gets them once (36 MB)")

    monkeypatch.setattr(module, "require_networks", missing)
    told = Told()
    assert not use_landmarks(shards, toy(**READS), progress=told)
    (line,) = told.lines
    assert "lacks landmarks, so the networks are trained without" in line
    assert "`mpc fetch` gets them" in line
    assert not use_landmarks(shards, toy(), progress=told)  # a network that reads none needs no remark
    assert len(told.lines) == 1
    result = CliRunner().invoke(main, ["landmarks", str(shards)])
    assert result.exit_code == 1
    assert "`mpc fetch` gets them" in result.output


def test_several_processes_do_not_wait_for_the_search_of_one(shards, finder, monkeypatch):
    one, told = finder(), Told()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not use_landmarks(shards, toy(**READS), progress=told)
    assert one.asked == 0
    assert "`mpc landmarks" in told.lines[0]


def test_a_run_finds_landmarks_once_and_keeps_to_what_it_began_with(shards, finder, tmp_path):
    one, told = finder(), Told()
    settings = toy(stages="maps", **READS)
    run = train(shards, tmp_path, settings, name="a", progress=told)
    assert one.asked == sum(entry.views for entry in read_index(shards).shards)
    assert any(line.startswith("landmarks of ") for line in told.lines)
    longer = toy(stages="maps", maps={"steps": 6}, **READS)
    train(shards, tmp_path, longer, resume=run)
    entry = next(entry for entry in read_index(shards).shards if entry.split == "train")
    changed = read_landmarks(shards, entry)
    changed.values[0] += 0.5
    files.write_landmarks(shards, entry, changed)
    with pytest.raises(SettingsError, match="other landmarks"):
        train(shards, tmp_path, toy(stages="maps", maps={"steps": 8}, **READS), resume=run)
    landmarks_path(shards, entry).unlink()
    with pytest.raises(InputError, match="lacks landmarks"):
        train(shards, tmp_path, toy(stages="maps", maps={"steps": 8}, **READS), resume=run)
    write_json(tmp_path / "b" / "run.json", {"data": {}})
    assert not use_landmarks(shards, settings, earlier=tmp_path / "b", progress=told)
    assert "goes on without" in told.lines[-1]


@needs_person
def test_a_mirrored_person_has_the_exchanged_landmarks():
    """By the real network: the names in `MIRRORED` are those that it gives to a mirrored photograph."""
    finder = PersonFinder.open("torch")
    picture = np.dstack([skimage.data.astronaut(), np.full((512, 512), 255, np.uint8)])
    one, other = (find_landmarks(finder, np.ascontiguousarray(p)) for p in (picture, picture[:, ::-1]))
    exchanged = one[list(MIRRORED)] * np.array([-1, 1, 1, 1, -1, 1, 1])
    shown = exchanged[:, 3] > 0.9
    assert shown.sum() > 10
    apart = np.abs(other - exchanged)[shown]
    assert apart[:, :2].max() < 0.06
    assert apart[:, 4:6].max() < 0.06
    same = np.abs(other - one * np.array([-1, 1, 1, 1, -1, 1, 1]))[shown]
    assert np.median(same[:, 0]) > 3 * np.median(apart[:, 0])
