"""Checks of settings: the message gives name, value and what is allowed."""

import math
from types import SimpleNamespace

import pytest

from mpc.core.checks import check_choice, check_least, check_range, check_ranges
from mpc.core.errors import SettingsError


def test_bounds_belong_to_the_range():
    check_range("size", 16, 16, 4096)
    check_range("size", 4096, 16, 4096)
    check_range("size", 10**9, 16)
    check_ranges(SimpleNamespace(size=16, rays=3), size=(16, 20), rays=(3, None))
    check_least(SimpleNamespace(size=0), 0, "size")
    check_choice("centre", "box", ("pelvis", "box"))


@pytest.mark.parametrize("value", [15, 4097, math.nan, math.inf, -math.inf])
def test_values_outside_are_refused_by_name(value):
    with pytest.raises(SettingsError, match=f"^size is {value}, expected 16 to 4096$"):
        check_range("size", value, 16, 4096)


def test_settings_objects_are_checked_by_attribute():
    settings = SimpleNamespace(size=16, rays=-1)
    with pytest.raises(SettingsError, match=r"^rays is -1, expected at least 0$"):
        check_least(settings, 0, "size", "rays")
    with pytest.raises(SettingsError, match=r"^rays is -1, expected 0 to 9$"):
        check_ranges(settings, size=(0, None), rays=(0, 9))


def test_choices_are_listed():
    with pytest.raises(SettingsError, match=r"^centre is 'navel', expected one of pelvis, box$"):
        check_choice("centre", "navel", ("pelvis", "box"))
