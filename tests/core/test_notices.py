"""Each notice is logged once, the user is shown one a subject, and a resumed run does not repeat them."""

from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.notices import LOG, log_notices, one_a_subject, sort_log
from support.figures import write_figure


def test_of_each_subject_the_first_notice_is_shown():
    notices = [f"rig/walk_{n:04d}: {100 + n} of 30375 faces were turned" for n in range(9)]
    notices += ["scan/scan_0000: one", "rig: no clip", "with colon: a: b"]
    shown = one_a_subject(notices)
    assert shown == [("rig", "100 of 30375 faces were turned", 9), ("scan", "one", 0), ("with colon", "a: b", 0)]


def test_what_an_earlier_run_said_is_not_new(tmp_path):
    assert log_notices(tmp_path, ["b: two", "a: one", "b: two"]) == ("b: two", "a: one")
    assert log_notices(tmp_path, ["a: one", "c: three"]) == ("c: three",)
    assert log_notices(tmp_path, []) == ()
    sort_log(tmp_path)
    assert (tmp_path / LOG).read_text() == "a: one\nb: two\nc: three\n"


def test_names_that_hold_line_breaks_stay_in_their_line(tmp_path):
    assert log_notices(tmp_path, ["a\n\x1b[2J: one"]) != ()
    assert (tmp_path / LOG).read_text() == "a??[2J: one\n"
    assert log_notices(tmp_path, ["a\n\x1b[2J: one"]) == ()


def test_render_says_one_notice_a_subject_and_a_resumed_run_none(tmp_path):
    for number, name in enumerate(("anna", "ben")):
        write_figure(tmp_path / "models" / name, number)
        lines = (tmp_path / "models" / name / "mesh.obj").read_text().splitlines()
        # Faces with a repeated corner, and one that is not finite: two notices each.
        first = next(line for line in lines if line.startswith("f ")).split()
        lines.append(" ".join([first[0], first[1], first[1], first[2]]))
        (tmp_path / "models" / name / "mesh.obj").write_text("\n".join([*lines, ""]))
    words = ["render", str(tmp_path / "models"), "--out", str(tmp_path / "renders"), "--views", "2", "--step", "180",
             "--size", "32", "--rays", "16", "--renderer", "embree", "--jobs", "1"]  # fmt: skip
    said = CliRunner().invoke(main, words, catch_exceptions=False).output
    logged = (tmp_path / "renders" / LOG).read_text().splitlines()
    assert {line.partition(":")[0].partition("/")[0] for line in logged} == {"anna", "ben"}
    assert said.count("notice: anna: ") == said.count("notice: ben: ") == 1
    assert f"{len(logged)} lines in {tmp_path / 'renders' / LOG}" in said
    again = CliRunner().invoke(main, words, catch_exceptions=False).output
    assert "notice:" not in again
    assert str(tmp_path / "renders" / LOG) in again
    assert (tmp_path / "renders" / LOG).read_text().splitlines() == logged
