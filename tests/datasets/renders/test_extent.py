"""The smallest view cube that holds everybody is found; who does not fit one is told before anything is drawn."""

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import SettingsError
from mpc.core.progress import NoProgress
from mpc.datasets.check.models import check_models
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.extent import choose_extent
from mpc.datasets.renders.settings import RenderSettings
from mpc.subjects.selection import Selection
from support import layout_folders
from support.fbx_file import write_post
from support.figures import write_figure

TINY = {"views": 4, "step_deg": 90.0, "size": 64, "rays": 16}


class Heard(NoProgress):
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def message(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A figure, and a tall board with one arm far to the side."""
    root = tmp_path_factory.mktemp("models")
    write_figure(root / "figure", 0)
    body = trimesh.creation.box((0.4, 1.9, 0.3)).apply_translation((0, 0.95, 0))
    arm = trimesh.creation.box((1.2, 0.1, 0.1)).apply_translation((0.8, 1.5, 0))
    wide = trimesh.util.concatenate([body, arm])
    layout_folders.write_obj(root / "wide.obj", wide.vertices, wide.faces, np.zeros((len(wide.vertices), 2)))
    return root


def needed_by_hand(mesh, size, yaws=(0, 90, 180, 270)):
    """Twice the greatest distance from the middle in any picture, a pixel left free at each edge."""
    centre = np.average(mesh.triangles_center, axis=0, weights=mesh.area_faces)
    centre[1] = mesh.bounds[:, 1].mean()
    offsets = mesh.vertices - centre
    across = [np.abs(offsets[:, 0] * np.cos(yaw) - offsets[:, 2] * np.sin(yaw)).max() for yaw in np.radians(yaws)]
    deep = [np.abs(offsets[:, 0] * np.sin(yaw) + offsets[:, 2] * np.cos(yaw)).max() for yaw in np.radians(yaws)]
    return 2 * max(*across, *deep, np.abs(offsets[:, 1]).max()) / (1 - 4 / size)


def test_the_extent_is_the_smallest_that_holds_everybody(models, tmp_path):
    heard = Heard()
    extent = choose_extent(models, tmp_path / "none", RenderSettings(**TINY), jobs=1, progress=heard)
    found = {path.stem: trimesh.load_mesh(path, process=False) for path in models.rglob("*.obj")}
    by_hand = max(needed_by_hand(mesh, 64) for mesh in found.values())
    assert by_hand <= extent < by_hand + 0.0101  # rounded up to a centimetre
    assert heard.said[-1].startswith(
        f"extent {extent:g} m holds all 2 scenes; most is needed by wide/scan_0000 {extent:g}"
    )
    assert not (tmp_path / "none").exists()

    def failures(extent_m):
        settings = RenderSettings(**TINY, extent_m=extent_m)
        return render_models(models, tmp_path / f"r{extent_m}", settings, renderer="embree", jobs=1).failures

    assert failures(extent) == ()
    ((key, reason),) = failures(round(extent - 0.12, 2))  # the spare pixels of 64 are 7 cm
    assert key == "wide/scan_0000"
    assert f"--extent {extent:g} holds it" in reason


def test_frames_of_a_rig_count_and_the_filter_leaves_none_out(tmp_path):
    pytest.importorskip("ufbx")
    (tmp_path / "models").mkdir()
    write_post(tmp_path / "models" / "post.fbx", unit_cm=100.0)
    settings = RenderSettings(**TINY, poses="spread", frames_per_animation=4)
    extent = choose_extent(tmp_path / "models", tmp_path / "none", settings, jobs=1)
    assert extent > 2.0  # the post is 2 m high, and bends
    fitting = replace(settings, extent_m=extent)
    summary = render_models(tmp_path / "models", tmp_path / "renders", fitting, renderer="embree", jobs=1)
    assert summary.rendered == 4
    assert not any("outside the view cube" in notice for notice in summary.notices)
    (report,) = check_models(tmp_path / "models", extent_m=1.5, jobs=1).reports
    assert any("poses looked at do not fit a view cube of 1.5 m (bend)" in warning for warning in report.warnings)
    (report,) = check_models(tmp_path / "models", extent_m=3.0, jobs=1).reports
    assert not any("fit" in warning for warning in report.warnings)


def test_an_absurd_size_is_refused_by_name(models, tmp_path):
    (tmp_path / "fixes.toml").write_text("[wide]\nheight = 9.5\n")
    selection = Selection(fixes=tmp_path / "fixes.toml")
    with pytest.raises(SettingsError, match=r"no person needs more than 5 m, but wide/scan_0000 \(\d"):
        choose_extent(models, tmp_path / "none", RenderSettings(**TINY), jobs=1, selection=selection)
    # Who is left out of this run alone is still to fit: a later run may take everybody.
    only = Selection(only=("figure",))
    whole = choose_extent(models, tmp_path / "none", RenderSettings(**TINY), jobs=1)
    assert choose_extent(models, tmp_path / "none", RenderSettings(**TINY), jobs=1, selection=only) == whole


def test_a_folder_keeps_its_extent(models, tmp_path):
    settings = RenderSettings(**TINY, extent_m=3.21)
    render_models(models, tmp_path / "renders", settings, renderer="embree", jobs=1)
    words = ["render", str(models), "--out", str(tmp_path / "renders"), "--views", "4", "--step", "90", "--size", "64",
             "--rays", "16", "--renderer", "embree", "--jobs", "1", "--extent"]  # fmt: skip
    again = CliRunner().invoke(main, [*words, "auto"])
    assert "extent 3.21 m, as the folder has it" in again.output
    assert "0 scenes rendered, 2 kept" in again.output
    assert CliRunner().invoke(main, [*words, "tall"]).exit_code == 2
    other = CliRunner().invoke(main, [*words, "3.2"])
    assert "extent_m 3.21 -> 3.2" in other.output


def test_check_warns_of_whom_render_refuses(models, tmp_path):
    words = ["check", str(models), "--out", str(tmp_path / "check.html"), "--json", str(tmp_path / "rows.json"),
             "--jobs", "1", "--strict"]  # fmt: skip
    assert CliRunner().invoke(main, [*words, "--extent", "2"]).exit_code == 3
    rows = {row["id"]: row["warnings"] for row in json.loads((tmp_path / "rows.json").read_text())}
    assert any("does not fit a view cube of 2 m; --extent " in warning for warning in rows["wide"])
    assert not any("fit" in warning for warning in rows["figure"])
