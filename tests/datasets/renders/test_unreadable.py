"""What cannot be read concerns one subject or one scene; what cannot be written ends the run."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from mpc.core.files import file_sha256, is_of_disk
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.renders.build import RenderSummary, render_models
from mpc.datasets.renders.dry_run import plan_renders
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from support.balls import make_renders

SMALL = RenderSettings(views=1, size=32, rays=16)
FEW = SampleSettings(near_points=800, uniform_points=400, colour_points=80)


def render(models: Path, out: Path) -> RenderSummary:
    return render_models(models, out, SMALL, renderer="embree", jobs=1)


def test_links_that_lead_nowhere_are_their_subjects_failure(figures: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(figures / "one", models / "one")
    for name, target in (("dangling", "nowhere.obj"), ("circle", "mesh.obj")):
        (models / name).mkdir()
        (models / name / "mesh.obj").symlink_to(target)
    (models / "loop").symlink_to("loop")
    summary = render(models, tmp_path / "out")
    assert (summary.rendered, summary.subjects) == (1, 3)
    reasons = dict(summary.failures)
    assert set(reasons) == {"dangling", "circle", str(models / "loop")}
    assert reasons.pop(str(models / "loop")).startswith("is a link that leads nowhere")
    assert all("mesh.obj: cannot be read (" in reason for reason in reasons.values())
    assert plan_renders(models, tmp_path / "absent", SMALL, renderer="embree", jobs=1).scenes == 3


def test_a_stale_file_handle_is_its_subjects_failure(
    figures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    for name in ("one", "two"):
        shutil.copytree(figures / name, models / name)

    def stale(path: Path) -> str:
        if path.parent.name == "one":
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return file_sha256(path)

    monkeypatch.setattr("mpc.subjects.open.file_sha256", stale)
    summary = render(models, tmp_path / "out")
    assert summary.rendered == 1
    assert summary.failures == (("one", f"{models / 'one' / 'mesh.obj'}: cannot be read (Stale file handle)"),)


def test_a_disk_that_is_full_ends_the_run(figures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mpc.datasets.renders.write.write_mesh", full)
    with pytest.raises(OSError, match="No space left on device"):
        render(figures / "one", tmp_path / "out")
    assert read_renders(tmp_path / "out").scenes == ()


def test_whose_fault_an_error_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert is_of_disk(OSError(errno.EIO, "I/O error", str(out / "a" / ".scan.tmp-1" / "000.png")), out)
    assert is_of_disk(OSError(errno.ENOSPC, "No space left on device"), out)
    assert not is_of_disk(OSError(errno.EIO, "I/O error"), out)
    assert not is_of_disk(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "out2" / "a")), out)


def test_a_picture_or_description_that_is_gone_is_its_scenes_failure(tmp_path: Path) -> None:
    renders = make_renders(tmp_path / "renders", balls=4)
    (renders / "ball_1" / "scan_0000" / "090.png").unlink()
    (renders / "ball_2" / "scan_0000" / "scene.json").write_text("{")
    summary = sample_renders(renders, tmp_path / "shards", FEW, jobs=1)
    assert summary.scenes == 2
    reasons = dict(summary.failures)
    assert set(reasons) == {"ball_1/scan_0000", "ball_2/scan_0000"}
    assert "090.png" in reasons["ball_1/scan_0000"]
    assert "scene.json" in reasons["ball_2/scan_0000"]


@pytest.mark.parametrize("layout", ["pifu", "icon"])
def test_an_export_goes_on_without_the_scene_that_cannot_be_read(tmp_path: Path, layout: Any) -> None:
    renders = make_renders(tmp_path / "renders", balls=3)
    (renders / "ball_1" / "scan_0000" / "090.png").unlink()
    (renders / "ball_2" / "scan_0000" / "scene.json").write_text("{")
    summary = export_renders(renders, tmp_path / "set", layout, jobs=1)
    assert summary.written == 1
    reasons = dict(summary.failures)
    assert "090.png" in reasons["ball_1/scan_0000"]
    assert "scene.json" in reasons["ball_2/scan_0000"]
