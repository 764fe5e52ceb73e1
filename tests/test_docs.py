"""What the pages show works: every Python example runs, every file can be read, every command has its options."""

import re
import shlex

import numpy as np
import pytest
import trimesh

from mpc.cli.main import main
from mpc.formats.bone_maps import read_bone_maps
from mpc.geometry.camera import orbit_cameras
from mpc.geometry.mesh import PosedMesh
from mpc.subjects.fixes import read_fixes
from support.figures import figure
from support.wheel import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# Pages whose examples run elsewhere: they need what other tests make.
ELSEWHERE = {"README.md": "tests/test_front_door.py", "shard-format.md": "tests/datasets/shards/",
             "labels.md": "tests/datasets/renders/test_labels.py"}  # fmt: skip


def examples(name, kind="python"):
    """The fenced blocks of a page."""
    path = ROOT / "docs" / name if (ROOT / "docs" / name).is_file() else ROOT / name
    return re.findall(rf"```{kind}\n(.*?)```", path.read_text(), flags=re.S)


def run(name, number=0, changes=(), **given):
    """Run a page's example with the names that it takes for granted; what it leaves behind."""
    code = examples(name)[number]
    for full, small in changes:
        assert code.count(full) == 1, full
        code = code.replace(full, small)
    exec(compile(code, name, "exec"), given)
    return given


def test_a_scene_is_drawn_as_the_page_on_rendering_says():
    made = figure(0)
    mesh = PosedMesh(np.asarray(made.vertices, np.float64), np.asarray(made.faces, np.int32))
    small = [('choose_renderer("auto")', 'choose_renderer("embree")'), ("mesh, 512", "mesh, 64")]
    middle = tuple(mesh.bounds.mean(axis=0))
    after = run("rendering.md", changes=small, mesh=mesh, cameras=orbit_cameras(middle, 2.4, views=2),
                rng=np.random.default_rng(0))  # fmt: skip
    assert after["transfer"].shape == (len(mesh.vertices), 9)
    assert after["rgba"].shape == (64, 64, 4)
    assert 0.02 < (after["rgba"][..., 3] > 0).mean() < 0.5


def test_a_surface_is_found_as_the_page_on_reconstruction_says(capsys):
    after = run("reconstruction.md", changes=[("257)  #", "65)  #")],
                occupancy=lambda points: 1.0 - np.linalg.norm(points, axis=1))  # fmt: skip
    assert np.linalg.norm(after["mesh"].vertices, axis=1) == pytest.approx(0.5, abs=2e-3)
    assert str(after["grid"].calls) in capsys.readouterr().out


def test_meshes_are_measured_as_the_page_on_metrics_says():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    given = {"predicted_vertices": 1.02 * ball.vertices, "predicted_faces": ball.faces,
             "true_vertices": ball.vertices, "true_faces": ball.faces}  # fmt: skip
    after = run("metrics.md", changes=[("points=100_000", "points=5_000")], **given)
    assert after["score"].value == pytest.approx(1.0, abs=0.02)  # the radii differ by 1 cm
    assert set(after["scores"]) == {"chamfer", "p2s"}


def test_files_that_the_page_on_models_shows_can_be_read(tmp_path):
    bones, fixes = examples("datasets.md", "toml")
    (tmp_path / "bones.toml").write_text(bones)
    assert "left_thigh" in str(read_bone_maps(tmp_path / "bones.toml")["my_rig"])
    (tmp_path / "fixes.toml").write_text(fixes)
    found = read_fixes(tmp_path / "fixes.toml", ["person_h", "scan_17"])
    assert found["person_h"].placement.height_m == 1.72
    assert found["scan_17"].exclude


def test_no_example_is_left_out():
    ran = {"rendering.md": 1, "reconstruction.md": 1, "metrics.md": 1}
    counts = {page.name: len(examples(page.name)) for page in PAGES if examples(page.name)}
    assert {name: count for name, count in counts.items() if name not in ELSEWHERE} == ran


SHOWN = re.compile(r"`(mpc [a-z][a-z-]*[^`]*)`|^    (?:\.venv/bin/)?(mpc [a-z][a-z-]*.*)$", flags=re.M)
COMMANDS = [
    pytest.param((inline or block).strip(), id=f"{page.name} {number}")
    for page in PAGES
    if page.name not in ("CHANGELOG.md", "LOG.md")
    for number, (inline, block) in enumerate(SHOWN.findall(page.read_text()))
]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_that_pages_show_have_their_options(line):
    words = shlex.split(line.replace("\n", " "), comments=True)
    command = main.commands.get(words[1])
    assert command is not None, f"no command mpc {words[1]}"
    known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)} | {"--help"}
    assert [word for word in words if word.startswith("--") and word.split("=")[0] not in known] == []
