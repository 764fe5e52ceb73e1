"""A few hundred damaged files of each format; `python -m fuzz.readers` in tests/ makes as many as one likes."""

import pytest

from fuzz import readers


def test_the_undamaged_files_are_read(tmp_path):
    readers.check_good(tmp_path)


@pytest.mark.parametrize("kind", readers.FORMATS)
def test_damage_is_refused_with_a_reason_or_read(kind):
    tally = readers.run_batch(readers.Batch(kind, 0, 200, seed=1, keep=None))
    assert not tally.crashes
    assert not tally.hangs
    assert tally.inputs == 200
    assert tally.read > 5, "damage so heavy that nothing gets past the first check proves little"
    assert tally.refused > 5


def test_a_reader_that_fails_is_counted(monkeypatch):
    def fail(folder):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(readers, "use", fail)
    tally = readers.run_batch(readers.Batch("stl", 0, 3, seed=1, keep=None))
    assert len(tally.crashes) == 3
    assert "planted" in tally.crashes[0]
