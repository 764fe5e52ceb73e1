"""Each notice is logged once, the user is shown one a subject, and a resumed run does not repeat them."""

from mpc.cli.options import report
from mpc.core.notices import LOG, log_notices, one_a_subject, sort_log
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
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


def test_render_says_one_notice_a_subject_and_a_resumed_run_none(tmp_path, capsys):
    for number, name in enumerate(("anna", "ben")):
        write_figure(tmp_path / "models" / name, number)
        lines = (tmp_path / "models" / name / "mesh.obj").read_text().splitlines()
        # Faces with a repeated corner, and one that is not finite: two notices each.
        first = next(line for line in lines if line.startswith("f ")).split()
        lines.append(" ".join([first[0], first[1], first[1], first[2]]))
        (tmp_path / "models" / name / "mesh.obj").write_text("\n".join([*lines, ""]))
    settings = RenderSettings(views=2, step_deg=180.0, size=32, rays=16)

    def said():
        summary = render_models(tmp_path / "models", tmp_path / "renders", settings, renderer="embree", jobs=1)
        report(summary.notices, summary.failures, tmp_path / "renders")
        return capsys.readouterr().err

    first = said()
    logged = (tmp_path / "renders" / LOG).read_text().splitlines()
    assert {line.partition(":")[0].partition("/")[0] for line in logged} == {"anna", "ben"}
    assert first.count("notice: anna: ") == first.count("notice: ben: ") == 1
    assert f"{len(logged)} lines in {tmp_path / 'renders' / LOG}" in first
    again = said()
    assert "notice:" not in again
    assert str(tmp_path / "renders" / LOG) in again
    assert (tmp_path / "renders" / LOG).read_text().splitlines() == logged
