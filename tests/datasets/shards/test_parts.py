"""Many writers share one shards folder: the same bytes as one run, and nothing is finished before all have ended."""

import pytest

from mpc.core.errors import InputError
from mpc.core.guard import Limits
from mpc.core.parts import Part
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import verify_shards
from support.arrays import files_of, run_array
from support.balls import make_renders
from support.deadly import plant

SETTINGS = SampleSettings(near_points=2000, uniform_points=1000, colour_points=500, shard_bytes=100_000)
IMPORTS = """
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
settings = SampleSettings(near_points=2000, uniform_points=1000, colour_points=500, shard_bytes=100_000)
"""
WORK = "sample_renders(Path(sys.argv[2]), Path(sys.argv[3]), settings, jobs=1, part=part)"


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    return make_renders(tmp_path_factory.mktemp("parts") / "renders")


@pytest.fixture(scope="module")
def whole(renders):
    out = renders.parent / "whole"
    assert sample_renders(renders, out, SETTINGS, jobs=1).written_shards > 3
    return files_of(out)


def sample(renders, out, **options):
    return sample_renders(renders, out, SETTINGS, jobs=1, **options)


def test_eight_parts_in_eight_processes_give_the_bytes_of_one_run(renders, whole, tmp_path):
    out = tmp_path / "out"
    run_array(8, IMPORTS, WORK, renders, out)
    summary = sample(renders, out, finish=True)
    assert (summary.scenes, summary.sampled, summary.written_shards, summary.failures) == (6, 0, 0, ())
    assert files_of(out) == whole
    assert not verify_shards(out)


def test_a_run_is_not_finished_before_its_parts(renders, whole, tmp_path):
    out = tmp_path / "out"
    first = sample(renders, out, part=Part(1, 2))
    assert first.scenes == first.sampled > 0
    with pytest.raises(InputError, match=r"shards are not there yet \(.*run the parts that have not ended"):
        sample(renders, out, finish=True)
    assert not (out / "index.json").exists()
    second = sample(renders, out, part=Part(2, 2))
    assert first.scenes + second.scenes == 6
    assert sample(renders, out, part=Part(2, 2)).sampled == 0, "what is there is kept"
    sample(renders, out, finish=True)
    assert files_of(out) == whole


def test_a_run_without_parts_finishes_what_they_left(renders, whole, tmp_path):
    out = tmp_path / "out"
    left = sample(renders, out, part=Part(1, 3))
    assert sample(renders, out).sampled == 6 - left.sampled
    assert files_of(out) == whole


def test_a_scene_that_kills_its_process_does_not_keep_the_others_from_being_finished(
    renders, whole, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        plant(patch, "mpc.datasets.shards.build", "sample_one", lambda task: "ball_2" in task.scene.key)
        parts = [sample(renders, out, part=Part(number, 2), limits=Limits()) for number in (1, 2)]
    assert sorted(key for part in parts for key, _ in part.failures) == ["ball_2/scan_0000"]
    summary = sample(renders, out, finish=True)
    assert summary.scenes == 5
    ((key, reason),) = summary.failures
    assert key == "ball_2/scan_0000"
    assert "SIGKILL" in reason
    assert sample(renders, out).scenes == 6, "the next run tries again"
    assert files_of(out) == whole


def test_parts_change_a_finished_folder(renders, whole, tmp_path):
    out = tmp_path / "out"
    fewer = make_renders(tmp_path / "fewer", balls=4)
    sample_renders(fewer, out, SETTINGS, jobs=1)
    for number in (1, 2):
        sample(renders, out, part=Part(number, 2))
    sample(renders, out, finish=True)
    assert files_of(out) == whole
