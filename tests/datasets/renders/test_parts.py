"""Many writers share one renders folder: the same bytes as one run, and nothing is finished before all have ended."""

import shutil

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.core.guard import Limits
from mpc.core.parts import Part
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.subjects.find import find_subjects
from support.arrays import files_of, run_array
from support.box_person import rig_file
from support.deadly import plant

SETTINGS = RenderSettings(views=1, size=32, rays=16, frames_per_animation=2)
IMPORTS = """
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
settings = RenderSettings(views=1, size=32, rays=16, frames_per_animation=2)
"""
WORK = """render_models(Path(sys.argv[2]), Path(sys.argv[3]), settings, renderer="embree", jobs=1, part=part)"""


@pytest.fixture(scope="module")
def models(figures, tmp_path_factory):
    """Two scans and a rig of three clips: five units of work."""
    root = tmp_path_factory.mktemp("parts") / "models"
    for name in ("one", "two"):
        shutil.copytree(figures / name, root / name)
    rig_file(root / "bob.gltf")
    return root


@pytest.fixture(scope="module")
def whole(models):
    out = models.parent / "whole"
    summary = render_models(models, out, SETTINGS, renderer="embree", jobs=1)
    assert (summary.subjects, summary.rendered, summary.failures) == (3, 8, ())
    return files_of(out)


def render(models, out, **options):
    return render_models(models, out, SETTINGS, renderer="embree", jobs=1, **options)


def test_eight_parts_in_eight_processes_give_the_bytes_of_one_run(models, whole, tmp_path):
    out = tmp_path / "out"
    run_array(8, IMPORTS, WORK, models, out)
    summary = render(models, out, finish=True)
    assert (summary.subjects, summary.rendered, summary.kept, summary.failures) == (3, 8, 0, ())
    assert files_of(out) == whole


def test_a_part_that_has_not_ended_is_named(models, whole, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="no part of a run has ended here"):
        render(models, out, finish=True)
    render(models, out, part=Part(1, 3))
    render(models, out, part=Part(3, 3))
    with pytest.raises(InputError, match=r"not all parts have ended; run --part 2/3 first"):
        render(models, out, finish=True)
    assert not (out / "manifest.jsonl").exists()
    assert render(models, out, part=Part(2, 3)).rendered
    assert render(models, out, part=Part(2, 3)).rendered == 0, "what is there is kept"
    render(models, out, finish=True)
    assert files_of(out) == whole


def test_parts_of_another_count_are_forgotten(models, whole, tmp_path):
    out = tmp_path / "out"
    render(models, out, part=Part(1, 3))
    for number in (1, 2):
        render(models, out, part=Part(number, 2))
    render(models, out, finish=True)
    assert files_of(out) == whole


def test_models_that_change_between_the_parts_are_noticed(models, tmp_path):
    changing = tmp_path / "models"
    shutil.copytree(models, changing)
    render(changing, tmp_path / "out", part=Part(1, 2))
    shutil.rmtree(changing / "two")
    render(changing, tmp_path / "out", part=Part(2, 2))
    with pytest.raises(InputError, match="part 1/2 worked on other models"):
        render(changing, tmp_path / "out", finish=True)


def test_a_run_without_parts_finishes_what_they_left(models, whole, tmp_path):
    out = tmp_path / "out"
    render(models, out, part=Part(2, 2))
    (out / "one").mkdir(exist_ok=True)
    (out / "one" / ".scan_0000.tmp-elsewhere-1-1").mkdir()  # of a part that was killed
    assert render(models, out).kept
    assert files_of(out) == whole


def test_failures_of_the_parts_are_told_when_they_are_finished(models, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        plant(patch, "mpc.datasets.renders.build", "draw_subject", lambda unit: unit.clip and unit.clip.name == "walk")
        for number in (1, 2):
            render(models, out, part=Part(number, 2), limits=Limits())
    summary = render(models, out, finish=True)
    ((name, reason),) = summary.failures
    assert name == "bob"
    assert "bob.gltf, walk: its process was killed (SIGKILL)" in reason
    assert summary.rendered == 6
    assert render(models, out).rendered == 2


def test_one_animation_that_does_not_fit_costs_no_other(tmp_path):
    """The figure is 1.72 m high and rises by 1 cm a frame; none of its frames fits 1 m."""
    rig_file(tmp_path / "models" / "bob.gltf")
    small = RenderSettings(views=1, size=32, rays=16, extent_m=1.0)
    summary = render_models(tmp_path / "models", tmp_path / "out", small, renderer="embree", jobs=1)
    ((name, reason),) = summary.failures
    assert name == "bob"
    assert reason.count("no frame of any animation is fit") == 1
    assert reason.count("frames tried are left out") == 3


def test_the_command(models, tmp_path):
    words = ["render", str(models), "--out", str(tmp_path / "out"), "--views", "1", "--size", "32", "--rays", "16"]
    words += ["--jobs", "1"]
    clash = CliRunner().invoke(main, [*words, "--part", "1/2", "--finish"])
    assert clash.exit_code == 2
    assert "--part: no effect with --finish" in clash.output
    assert CliRunner().invoke(main, [*words, "--part", "3/2"]).exit_code == 2
    early = CliRunner().invoke(main, [*words, "--finish"])
    assert early.exit_code == 1
    assert "no part of a run has ended here" in early.output
    assert "Traceback" not in early.output


def test_rigs_are_divided_by_animation(models):
    from mpc.datasets.renders.count import plan_subjects
    from mpc.datasets.renders.units import list_work

    subjects = find_subjects(models)
    work = list_work(subjects, plan_subjects(subjects, SETTINGS))
    assert sorted(one.name for one in work) == ["bob/animation_2", "bob/walk", "bob/walk_2", "one", "two"]
    assert sum(one.scenes for one in work) == 8
    kmeans = RenderSettings(poses="kmeans:2")
    assert sorted(one.name for one in list_work(subjects, plan_subjects(subjects, kmeans))) == ["bob", "one", "two"]
