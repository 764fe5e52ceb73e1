"""Warp's cache of compiled kernels: the user's own, or a temporary one where that cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpc.core import kernels


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WARP_CACHE_PATH", "")
    return tmp_path


def test_a_home_that_can_be_written_keeps_the_kernels(home: Path) -> None:
    kernels._choose_cache()
    assert os.environ["WARP_CACHE_PATH"] == ""


def test_a_home_that_cannot_be_written_is_told_and_left(home: Path, monkeypatch, caplog) -> None:
    asked = []

    def access(path: Path, mode: int) -> bool:  # the tests may run as root, whom no mode stops
        asked.append(Path(path))
        return False

    monkeypatch.setattr(os, "access", access)
    kernels._choose_cache()
    folder = Path(os.environ["WARP_CACHE_PATH"])
    assert asked == [home]  # the nearest folder that is there
    assert folder.is_dir()
    assert not folder.is_relative_to(home)
    assert "WARP_CACHE_PATH" in caplog.text


def test_the_users_own_choice_stays(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("WARP_CACHE_PATH", str(home / "mine"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    kernels._choose_cache()
    assert os.environ["WARP_CACHE_PATH"] == str(home / "mine")
