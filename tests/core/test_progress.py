"""What progress says: how many, how fast, how long still."""

import re

import pytest
from rich.console import Console

from mpc.cli import progress


@pytest.mark.parametrize(("per_second", "text"), [(12.5, "12.5/s"), (1.0, "1.0/s"), (0.125, "7.5/min")])
def test_rate(per_second, text):
    assert progress.rate(per_second) == text


def test_lines_of_a_pipe_tell_pace_and_time_left(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.TerminalProgress() as told:
        told.start("render scenes", 20)
        now[0] += 40.0
        told.advance(5, "anna")
    assert "render scenes: 5/20, 7.5/min, about 120 s left anna" in capsys.readouterr().err


def test_the_bar_tells_pace_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(
        progress, "Console", lambda **_: Console(force_terminal=True, width=140, stderr=True, legacy_windows=False)
    )
    with progress.TerminalProgress() as told:
        told.start("render scenes", 20)
        for _ in range(5):
            progress.time.sleep(0.03)
            told.advance(1, "anna")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(r"render scenes.*5/20.*\d/(s|min).*\d:\d\d:\d\d.*\d:\d\d:\d\d.*anna", shown)
