"""Messages that several commands share: the nearest name, long lists, and failed units of work."""

import logging

import pytest

from mpc.core.errors import InputError
from mpc.core.messages import OUT_OF_MEMORY, describe_failure, first_few, unknown_name


def test_an_unknown_name_comes_with_the_nearest_and_all():
    found = unknown_name("metric", "chamfr", ["chamfer", "p2s"])
    assert found == "unknown metric 'chamfr' (did you mean chamfer?); there are chamfer, p2s"
    assert unknown_name("metric", "zzz", ["chamfer"]) == "unknown metric 'zzz'; there are chamfer"


def test_a_name_inside_a_table_is_written_in_full():
    found = unknown_name("setting", "stepz", ["steps", "batch"], prefix="surface.")
    assert found == "unknown setting 'surface.stepz' (did you mean surface.steps?); there are steps, batch"


@pytest.mark.parametrize(("count", "text"), [(0, ""), (2, "0, 1"), (3, "0, 1, 2"), (5, "0, 1, 2 and 2 more")])
def test_long_lists_are_cut(count, text):
    assert first_few([str(number) for number in range(count)], 3) == text


def test_failures_become_one_line(caplog):
    assert describe_failure(InputError("a.obj", "is empty")) == "a.obj: is empty"
    assert describe_failure(MemoryError()) == OUT_OF_MEMORY
    assert not caplog.records
    with caplog.at_level(logging.ERROR):
        assert "unexpected ZeroDivisionError: by 0" in describe_failure(ZeroDivisionError("by 0"))
    assert caplog.records[0].exc_info is not None
