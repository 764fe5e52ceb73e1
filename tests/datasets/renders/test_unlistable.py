"""Nobody counts as gone because a folder could not be looked into, and what was not seen is never a silent lack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, SettingsError
from mpc.core.files import find_files
from mpc.datasets.check.models import check_models
from mpc.datasets.renders.build import RenderSummary, render_models
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.render.light.lights import load_lights
from mpc.subjects.find import search_models
from mpc.subjects.sequences import list_takes
from support.unlistable import forbid_listing

SMALL = RenderSettings(views=1, size=32, rays=16)


@pytest.fixture
def models(figures: Path, tmp_path: Path) -> Path:
    for name in ("one", "two"):
        shutil.copytree(figures / name, tmp_path / "models" / "scans" / name)
    return tmp_path / "models"


def render(models: Path, out: Path, **more: Any) -> RenderSummary:
    return render_models(models, out, SMALL, renderer="embree", jobs=1, **more)


def keys(out: Path) -> set[str]:
    return {scene.key for scene in read_renders(out).scenes}


def away(models: Path, patch: pytest.MonkeyPatch, how: str) -> Path:
    """Take person two away, as a disk does that is not mounted; the place that is at fault."""
    place = models / "scans" / "two"
    if how == "folder":
        forbid_listing(patch, place)
    else:
        place.rename(models.parent / "elsewhere")
        place.symlink_to(models.parent / "nowhere")
    return place


@pytest.mark.parametrize("how", ["folder", "link"])
def test_nobody_is_pruned_or_set_aside_while_a_folder_cannot_be_listed(
    how: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "renders"
    render(models, out)
    before = keys(out)
    with monkeypatch.context() as patch:
        place = away(models, patch, how)
        reason = "cannot be listed (Permission denied)" if how == "folder" else "is a link that leads nowhere"
        words = ["render", str(models), "--out", str(out), "--views", "1", "--size", "32", "--rays", "16"]
        result = CliRunner().invoke(main, [*words, "--prune", "--jobs", "1"])
        assert result.exit_code == 2
        assert f"Error: --prune: {place} {reason}, so who is gone is not known" in result.output
        summary = render(models, out)
        assert summary.kept == 1
        assert summary.failures == ((str(place), f"{reason}, so who is in it is not known"),)
        assert keys(out) == before == {"one/scan_0000", "two/scan_0000"}
    if how == "link":
        place.unlink()
    else:
        shutil.rmtree(place)
    assert render(models, out, prune=True).failures == ()
    assert keys(out) == {"one/scan_0000"}, "who is gone goes"


def test_a_models_folder_that_cannot_be_listed_prunes_nobody(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "renders"
    render(models, out)
    forbid_listing(monkeypatch, models / "scans")
    with pytest.raises(InputError, match=r"holds no scan or rigged person .*; .*scans cannot be listed \(Perm"):
        render(models, out)
    with pytest.raises(SettingsError, match=r"--prune: .*scans cannot be listed"):
        render(models, out, prune=True)
    assert len(keys(out)) == 2


def test_check_tells_what_it_could_not_look_into(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_listing(monkeypatch, models / "scans" / "two")
    summary = check_models(models, jobs=1)
    assert [report.id for report in summary.reports] == ["one"]
    ((place, _),) = summary.failures
    assert place == str(models / "scans" / "two")
    page = str(tmp_path / "check.html")
    result = CliRunner().invoke(main, ["check", str(models), "--out", page, "--jobs", "1"])
    assert result.exit_code == 3
    assert f"failed: {place}: cannot be listed (Permission denied)" in result.output
    assert place in Path(page).read_text()


def test_other_folders_that_are_searched_are_refused_by_name(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.hdr", "inner/b.HDR", "inner/c.txt"):
        (tmp_path / "sky" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sky" / name).touch()
    found = find_files(tmp_path / "sky", (".hdr",))
    assert [path.name for path in found] == ["a.hdr", "b.HDR"]
    forbid_listing(monkeypatch, tmp_path / "sky" / "inner")
    for search in (lambda: find_files(tmp_path / "sky", (".hdr",)), lambda: load_lights(tmp_path / "sky")):
        with pytest.raises(InputError, match=r"sky/inner: cannot be listed \(Permission denied\)"):
            search()


def test_a_take_that_cannot_be_listed_is_no_missing_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its scenes would be set aside as those of a take that was removed."""
    for take in ("Take1", "Take2"):
        frames = tmp_path / "00016" / "train" / take / "meshes_pkl"
        frames.mkdir(parents=True)
        (frames / "mesh-f00001.pkl").touch()
    person = tmp_path / "00016"
    assert list(list_takes(person)) == ["train_Take1", "train_Take2"]
    assert len(search_models(tmp_path).subjects) == 1
    forbid_listing(monkeypatch, person / "train" / "Take2" / "meshes_pkl")
    with pytest.raises(PermissionError):
        list_takes(person)
    assert search_models(tmp_path).unseen == {
        person / "train" / "Take2" / "meshes_pkl": "cannot be listed (Permission denied)"
    }
