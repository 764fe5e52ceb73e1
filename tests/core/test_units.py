"""Units of work: every unit gives a record, and an error of a unit ends the work audibly."""

import pytest

from mpc.core.units import run_units


def test_every_unit_gives_a_record() -> None:
    assert list(run_units(lambda number: 2 * number, range(5), jobs=1)) == [0, 2, 4, 6, 8]


def test_a_unit_that_runs_out_of_something_does_not_end_the_others_silently() -> None:
    def first_of(numbers: list[int]) -> int:
        return next(iter(numbers))

    with pytest.raises(RuntimeError):
        list(run_units(first_of, [[1], [], [3]], jobs=1))
