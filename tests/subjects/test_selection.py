"""Subjects are selected by name, and what the user says of single ones in a TOML file is obeyed."""

import json
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, SettingsError
from mpc.datasets.check.models import check_models, suggest_fixes
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.subjects.find import find_subjects
from mpc.subjects.fixes import Suggestion, read_fixes, write_fixes
from mpc.subjects.placement import PlacementOptions
from mpc.subjects.selection import Selection
from support.figures import write_figure

TINY = {"views": 2, "step_deg": 180.0, "size": 32, "rays": 16}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Three figures: scan_a, scan_b, other."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("scan_a", "scan_b", "other")):
        write_figure(root / name, seed)
    return root


def ids(subjects):
    return [subject.id for subject in subjects]


@pytest.mark.parametrize(
    ("only", "exclude", "expected"),
    [
        ((), (), ["other", "scan_a", "scan_b"]),
        (("scan_*",), (), ["scan_a", "scan_b"]),
        (("scan_?", "other"), ("*_b",), ["other", "scan_a"]),
        ((), ("scan_*",), ["other"]),
    ],
)
def test_patterns_select_by_id(models, only, exclude, expected):
    assert ids(Selection(only=only, exclude=exclude).choose(find_subjects(models))) == expected


def test_patterns_that_match_nobody_are_errors(models):
    people = find_subjects(models)
    with pytest.raises(SettingsError, match=r"no subject matches 'scan_1' \(did you mean scan_"):
        Selection(only=("scan_1",)).choose(people)
    with pytest.raises(SettingsError, match=r"no subject matches 'x\*'; there are other, scan_a, scan_b"):
        Selection(exclude=("x*",)).choose(people)
    with pytest.raises(SettingsError, match="nobody is left"):
        Selection(exclude=("*",)).choose(people)


def fixes_of(tmp_path, text):
    path = tmp_path / "fixes.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[scan_c]\nup = '+z'", r"unknown subject 'scan_c' \(did you mean scan_"),
        ("[scan_a]\nupp = '+z'", r"scan_a: unknown setting 'scan_a.upp' \(did you mean scan_a.up\?\)"),
        ("[scan_a]\nup = 'z'", "scan_a: up 'z' is none of"),
        ("[scan_a]\nunit = 'parsec'", "unit 'parsec' is none of"),
        ("[scan_a]\nheight = 'tall'", "height: expected float, got 'tall'"),
        ("[scan_a]\nheight = 17.2", "height 17.2 m is outside"),
        ("[scan_a]\nexclude = 'perhaps'", "exclude: expected bool"),
        ("[scan_a]\nup = '+z'\nfacing = '-z'", "facing -z cannot be along up"),
        ("scan_a = 3", "expected a table"),
    ],
)
def test_every_mistake_in_a_file_of_fixes_is_named(models, tmp_path, text, message):
    path = fixes_of(tmp_path, text)
    with pytest.raises(SettingsError, match=message) as found:
        Selection(fixes=path).people(find_subjects(models))
    assert str(path) in str(found.value)


def test_files_that_are_no_toml_are_named(models, tmp_path):
    with pytest.raises(InputError, match=r"does not read as TOML"):
        Selection(fixes=fixes_of(tmp_path, "[scan_a\n")).people(find_subjects(models))
    (tmp_path / "fixes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"does not read as TOML"):
        Selection(fixes=tmp_path / "fixes.toml").people(find_subjects(models))


def test_what_is_said_of_one_overrules_what_is_said_of_all():
    everybody = PlacementOptions(unit="m", up="+y", height_m=1.7)
    assert everybody.with_given(PlacementOptions()) == everybody
    assert everybody.with_given(PlacementOptions(up="+z")) == PlacementOptions(unit="m", up="+z", height_m=1.7)
    # The height that is given for all would hide the unit that is given for one.
    assert everybody.with_given(PlacementOptions(unit="cm")) == PlacementOptions(unit="cm", up="+y")
    assert everybody.with_given(PlacementOptions(unit="cm", height_m=1.5)).height_m == 1.5
    with pytest.raises(SettingsError, match="cannot be along up"):
        everybody.with_given(PlacementOptions(facing="-y"))


def test_render_obeys_and_draws_again_only_whose_fix_has_changed(models, tmp_path):
    def render(text, **selection):
        path = fixes_of(tmp_path, text)
        return render_models(
            models, tmp_path / "renders", RenderSettings(**TINY), renderer="embree", jobs=1,
            selection=Selection(fixes=path, **selection),
        )  # fmt: skip

    first = render("[other]\nexclude = true\n")
    assert (first.subjects, first.rendered) == (2, 2)
    second = render("[other]\nexclude = true\n[scan_a]\nheight = 0.9\nfacing = '+x'\n")
    assert (second.rendered, second.kept) == (1, 1)
    scenes = {scene.subject: scene for scene in read_renders(tmp_path / "renders").scenes}
    assert set(scenes) == {"scan_a", "scan_b"}
    mesh = read_scene_mesh(scenes["scan_a"])[0]
    assert np.ptp(mesh.vertices[:, 1]) == pytest.approx(0.9, abs=1e-5)
    assert scenes["scan_a"].notes["facing"] == "+x"
    assert scenes["scan_a"].notes["reasons"]["facing"] == "given"
    third = render("[other]\nexclude = true\n[scan_a]\nheight = 0.9\nfacing = '+x'\n")
    assert (third.rendered, third.kept) == (0, 2)
    part = render("", only=("scan_*",))  # without its fix scan_a is as it was
    assert (part.subjects, part.rendered, part.kept) == (2, 1, 1)
    render("")
    last = render("[other]\nexclude = true\n", only=("scan_a",))
    # Who is excluded for good is set aside; whom this run did not look at stays.
    assert [scene.subject for scene in read_renders(tmp_path / "renders").scenes] == ["scan_a", "scan_b"]
    assert any("other" in notice and "set aside" in notice for notice in last.notices)


def test_what_check_writes_changes_nothing_until_it_is_edited(models, tmp_path):
    before = check_models(models, jobs=1)
    path = tmp_path / "new" / "fixes.toml"
    write_fixes(path, suggest_fixes(before))
    assert set(read_fixes(path, ids(find_subjects(models)))) == {"scan_a", "scan_b", "other"}
    after = check_models(models, jobs=1, selection=Selection(fixes=path))
    for old, new in zip(before.reports, after.reports, strict=True):
        assert (old.unit, old.up, old.facing, old.warnings) == (new.unit, new.up, new.facing, new.warnings)
        assert old.height_m == pytest.approx(new.height_m)
        # What was a guess stays one: it is written as a comment.
        guesses = {name for name in ("unit", "up", "facing") if new.reasons[name] != "given"}
        assert guesses == set(old.unsure)


def test_the_command_line_writes_and_obeys(models, tmp_path):
    (tmp_path / "m").mkdir()
    for folder in models.iterdir():
        (tmp_path / "m" / folder.name).symlink_to(folder)
    (tmp_path / "m" / "broken.obj").write_text("v 0 0 0\n")
    fixes, page, rows = tmp_path / "fixes.toml", tmp_path / "check.html", tmp_path / "rows.json"
    words = ["check", str(tmp_path / "m"), "--out", str(page), "--jobs", "1"]
    first = CliRunner().invoke(main, [*words, "--write-fixes", str(fixes)])
    assert first.exit_code == 3, first.output
    assert tomllib.loads(fixes.read_text())["broken"] == {"exclude": True}
    fixes.write_text(fixes.read_text().replace("[other]\n", "[other]\nheight = 1.23\n"))
    more = ["--fixes", str(fixes), "--exclude", "scan_b", "--json", str(rows)]
    second = CliRunner().invoke(main, [*words, *more])
    assert second.exit_code == 0, second.output
    found = {row["id"]: row for row in json.loads(rows.read_text())}
    assert set(found) == {"other", "scan_a"}
    assert found["other"]["height_m"] == pytest.approx(1.23)
    fixes.write_text("[nobody]\n")
    assert CliRunner().invoke(main, [*words, "--fixes", str(fixes)]).exit_code == 2


def test_names_and_reasons_with_odd_letters_survive(tmp_path):
    odd = Suggestion(
        subject='ä."b', found={"unit": ("cm", "line\nbreak = 3")}, exclude="x\ny", remarks=("[z]\nup = 1",)
    )
    write_fixes(tmp_path / "f.toml", [odd])
    found = read_fixes(tmp_path / "f.toml", ['ä."b'])
    assert (found['ä."b'].unit, found['ä."b'].exclude, found['ä."b'].up) == ("cm", True, None)
