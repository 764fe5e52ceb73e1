"""A subject that hangs, outgrows its memory or kills its process is recorded; the others go on."""

import os
import pickle
import tempfile
import time

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, SettingsError
from mpc.core.guard import Limits, Lost, run_guarded
from support.guard_units import behave

SMALL = Limits(timeout_s=30, memory_bytes=1 << 29)


def run(units, limits=SMALL, **options):
    lost, good = {}, {}
    for result in run_guarded(behave, units, limits=limits, **options):
        if isinstance(result, Lost):
            lost[result.unit] = result.reason
        else:
            good[result[0]] = result[1]
    return lost, good


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_way_to_die_is_named_and_the_others_go_on(jobs, capfd):
    lost, good = run(["a", "segfault", "b", "killed", "exit", "memory", "c", "d"], jobs=jobs)
    assert set(good) == {"A", "B", "C", "D"}
    assert "SIGSEGV" in lost["segfault"]
    assert "SIGKILL" in lost["killed"]
    assert "memory" in lost["killed"]
    assert "exit status 7" in lost["exit"]
    assert "--subject-memory" in lost["memory"]
    assert len(lost) == 4


def test_a_hanging_subject_is_stopped_in_time():
    started = time.monotonic()
    lost, good = run(["hang", "a"], Limits(timeout_s=3), jobs=2)
    assert set(good) == {"A"}
    assert lost["hang"] == "stopped after 3 s (--subject-timeout)"
    assert time.monotonic() - started < 30


def test_signs_of_life_give_more_time():
    told = []
    lost, good = run(["slow"], Limits(timeout_s=2.5), jobs=1, on_alive=lambda unit, count: told.append((unit, count)))
    assert set(good) == {"SLOW"}
    assert not lost
    assert told == [("slow", 1)] * 8


def test_signs_of_life_are_told_while_the_unit_works():
    told = []
    units, limits = ["slow", "a"], Limits(timeout_s=30)
    for result in run_guarded(behave, units, limits=limits, jobs=1, on_alive=lambda *one: told.append(one)):
        if result[0] == "SLOW":
            assert 2 <= len(told) <= 8  # not only when the unit is done
    assert {unit for unit, _ in told} == {"slow"}
    assert 4 <= sum(count for _, count in told) <= 8


def test_a_units_own_timeout_is_no_hang():
    with pytest.raises(TimeoutError, match="does not answer"):
        run(["raise late"], jobs=1)


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run(["a", "segfault", "b"], jobs=2)
    assert not list(tmp_path.glob("mpc-alive-*"))


def test_a_process_is_kept_while_all_goes_well_and_is_not_ours():
    _, good = run(["a", "b", "c"], jobs=1)
    assert len(set(good.values())) == 1
    assert os.getpid() not in good.values()


def test_without_limits_units_run_here():
    _, good = run(["a", "b"], None, jobs=1)
    assert set(good.values()) == {os.getpid()}


def test_what_a_unit_raises_ends_the_run_as_without_guard():
    with pytest.raises(InputError, match="is of no use"):
        run(["raise"], jobs=1)
    assert run(["a"], jobs=1)[1]  # and the next run starts afresh


def test_render_lists_subjects_that_take_too_long(figures, tmp_path):
    words = ["render", str(figures), "--out", str(tmp_path / "renders"), "--subject-timeout", "0.01", "--jobs", "1"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 3
    assert "0 scenes rendered, 0 kept, 5 failed" in result.output
    assert "mesh.obj: stopped after 0.01 s (--subject-timeout)" in result.output


def test_impossible_limits_are_refused():
    with pytest.raises(SettingsError, match="timeout"):
        Limits(timeout_s=0)
    with pytest.raises(SettingsError, match="memory"):
        Limits(memory_bytes=1000)


def test_a_lost_unit_travels():
    assert pickle.loads(pickle.dumps(Lost("x", "y"))) == Lost("x", "y")
