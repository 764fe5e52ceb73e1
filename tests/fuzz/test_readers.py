"""A few hundred damaged files of each format; benchmarks/fuzz_readers.py makes as many as one likes."""

import runpy
import sys
from pathlib import Path

import pytest

import mpc

FOLDER = Path(mpc.__file__).resolve().parent / "benchmarks"
sys.path.insert(0, str(FOLDER))  # as when it is run as a script: its parts are files beside it
try:
    fuzz = runpy.run_path(str(FOLDER / "fuzz_readers.py"))
finally:
    sys.path.remove(str(FOLDER))


def test_the_undamaged_files_are_read(tmp_path):
    fuzz["check_good"](tmp_path)


@pytest.mark.parametrize("kind", fuzz["FORMATS"])
def test_damage_is_refused_with_a_reason_or_read(kind):
    tally = fuzz["run_batch"](fuzz["Batch"](kind, 0, 200, seed=1, keep=None))
    assert not tally.crashes
    assert not tally.hangs
    assert tally.inputs == 200
    assert tally.read > 5, "damage so heavy that nothing gets past the first check proves little"
    assert tally.refused > 5


def test_a_reader_that_fails_is_counted(monkeypatch):
    def fail(folder):
        raise ZeroDivisionError("planted")

    batch = fuzz["run_batch"]
    monkeypatch.setitem(batch.__globals__, "use", fail)
    tally = batch(fuzz["Batch"]("stl", 0, 3, seed=1, keep=None))
    assert len(tally.crashes) == 3
    assert "planted" in tally.crashes[0]
