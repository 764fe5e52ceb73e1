"""Units of work: every unit gives a record, and an error of a unit ends the work audibly."""

from pathlib import Path

import pytest

from mpc.core.units import run_units


def test_every_unit_gives_a_record() -> None:
    assert list(run_units(lambda number: 2 * number, range(5), jobs=1)) == [0, 2, 4, 6, 8]


def test_a_unit_that_runs_out_of_something_does_not_end_the_others_silently() -> None:
    def first_of(numbers: list[int]) -> int:
        return next(iter(numbers))

    with pytest.raises(RuntimeError):
        list(run_units(first_of, [[1], [], [3]], jobs=1))


def test_relative_paths_mean_the_same_in_workers_that_were_started_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):  # loky keeps the workers of the first call for the second
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Path("word.txt").write_text(name)
        assert list(run_units(Path.read_text, [Path("word.txt")] * 2, jobs=2)) == [name] * 2
