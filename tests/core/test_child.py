"""The child process behind the guard: it dies with its parent, and its errors, prints and logs arrive."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mpc.core.child import Child, ChildDied, RemoteTraceback
from mpc.core.logs import log_file, log_to
from support.guard_units import behave, print_and_log, raise_awkward

PARENT = """
import sys
from pathlib import Path
from functools import partial
from mpc.core.child import Child
from support.guard_units import write_dots
print("begins", flush=True)
Child(partial(int, 0), Path.cwd()).call(write_dots, sys.argv[1], None)
"""


@pytest.fixture
def child(tmp_path):
    one = Child(partial(int, 0), tmp_path)
    yield one
    one.end()


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_parent_leaves_nobody_who_goes_on_writing(tmp_path):
    dots = tmp_path / "dots"
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(dots)], stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": paths}
    )
    wait_until(dots.exists)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    time.sleep(0.3)  # the child sees the end of its input
    size = dots.stat().st_size
    time.sleep(0.2)
    assert dots.stat().st_size == size


def test_an_error_that_cannot_travel_is_told_by_its_words(child):
    with pytest.raises(RuntimeError, match="Awkward: a: b") as raised:
        child.call(raise_awkward, None, None)
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "in raise_awkward" in str(raised.value.__cause__)
    assert child.call(behave, "a", None)[0] == "A", "an error is no death"


def test_prints_logs_and_the_folder(child, tmp_path, capfd):
    log_to(tmp_path / "log")
    try:
        one = Child(partial(int, 0), tmp_path)
        assert one.call(print_and_log, "one two three", None) == str(tmp_path)
        one.end()
        assert log_file() == tmp_path / "log"
    finally:
        log_to(None)
    assert "one two three" in capfd.readouterr().err, "prints do not mix with the answers"
    text = (tmp_path / "log").read_text()
    assert "ERROR mpc.test" in text
    assert "ValueError: one two three" in text


def test_a_dead_child_says_so_at_every_call(child):
    with pytest.raises(ChildDied, match="exit status 7"):
        child.call(behave, "exit", None)
    with pytest.raises(ChildDied, match="exit status 7"):
        child.call(behave, "a", None)
