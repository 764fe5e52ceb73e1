"""One folder, one writer: who is there is told, and the lock ends with its process, however that ends."""

import errno
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core import locks
from mpc.core.errors import SettingsError
from mpc.core.locks import FolderBusyError, one_writer, writing
from mpc.core.parts import Part
from support.balls import make_renders

HOLD = """
import sys, time
from pathlib import Path
from mpc.core.locks import writing
from mpc.core.parts import Part
part = Part.parse(sys.argv[2]) if len(sys.argv) > 2 else None
with writing(Path(sys.argv[1]), part=part, tell=print):
    print("holds", flush=True)
    sys.stdin.read()
"""


def hold(folder, *part):
    """A process that writes to a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *part], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout.readline() == "holds\n"
    return process


def end(process):
    process.stdin.close()
    assert process.wait() == 0
    process.stdout.close()


def refuse(folder, part=None):
    """The message that keeps a writer out."""
    with pytest.raises(FolderBusyError) as refusal, writing(folder, part=part, tell=print):
        pass
    return str(refusal.value)


def test_a_second_writer_is_told_who_works_there(tmp_path):
    first = hold(tmp_path / "out")
    with pytest.raises(FolderBusyError) as refusal, writing(tmp_path / "out", tell=print):
        pass
    assert f"out: process {first.pid} on {platform.node()} (since " in str(refusal.value)
    assert "\n" not in str(refusal.value)
    end(first)
    assert not (tmp_path / "out").exists(), "a folder that nobody wrote to does not stay"
    with writing(tmp_path / "out", tell=print):
        assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_a_killed_writer_leaves_no_lock(tmp_path):
    first = hold(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert (tmp_path / ".lock").is_file()
    with writing(tmp_path, tell=print):
        assert f"process {os.getpid()} " in (tmp_path / ".lock").read_text()
    assert not list(tmp_path.iterdir())
    first.stdin.close()
    first.stdout.close()


def test_parts_share_a_folder_and_keep_others_out(tmp_path):
    part = hold(tmp_path, "2/8")
    with writing(tmp_path, part=Part(3, 8), tell=print):
        refusal = refuse(tmp_path)
    assert f"part 2/8, process {part.pid} on " in refusal
    assert f"part 3/8, process {os.getpid()} on " in refusal
    assert "part 2/8, process" in refuse(tmp_path, Part(2, 8))
    assert "all parts have one count" in refuse(tmp_path, Part(1, 4))
    end(part)
    with writing(tmp_path, tell=print):
        assert f"process {os.getpid()} on" in refuse(tmp_path, Part(2, 8))
    assert not list(tmp_path.iterdir())


def test_a_lock_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """Between opening and locking a file, its holder may end and remove it."""
    path, real = tmp_path / ".lock", locks._lock
    removed = []

    def lock(handle, *, shared):
        if not removed:
            removed.append(path.unlink())
        return real(handle, shared=shared)

    monkeypatch.setattr(locks, "_lock", lock)
    with writing(tmp_path, tell=print):
        assert removed
        assert path.is_file()


def test_without_locks_it_is_said_once_and_work_goes_on(tmp_path, monkeypatch):
    import fcntl

    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    told, ran = [], []
    for _ in range(2):
        with writing(tmp_path, tell=told.append):
            ran.append(True)
    assert len(ran) == 2
    assert told == [locks.NO_LOCKS.format(folder=tmp_path)]


def test_a_decorated_function_locks_the_folder_that_it_is_given(tmp_path):
    @one_writer("out")
    def work(number: int, out: Path) -> list[str]:
        return [path.name for path in out.iterdir()] * number

    assert work(2, tmp_path / "a") == [".lock", ".lock"]
    assert work(out=tmp_path / "a", number=1) == [".lock"]


@pytest.mark.parametrize("words", ["0/4", "5/4", "1/0", "a", "1/2/3", "-1/4", "1/9999999"])
def test_impossible_parts_are_refused(words):
    with pytest.raises(SettingsError, match="expected K"):
        Part.parse(words)


def test_parts_divide_all_units_evenly():
    units = list(range(11))
    shares = [Part(number, 4).choose(units) for number in range(1, 5)]
    assert sorted(unit for share in shares for unit in share) == units
    assert {len(share) for share in shares} == {2, 3}
    assert shares[1] == [1, 5, 9]


# The commands that write folders, each with the folder's place among its words.
COMMANDS = {
    "render": (["render", "models", "--out", "out"], "out"),
    "sample": (["sample", "renders", "--out", "out"], "out"),
    "export": (["export", "renders", "out", "--format", "pifu"], "out"),
    "import": (["import", "models", "--out", "out", "--format", "pifu"], "out"),
    "people": (["people", "out"], "out"),
    "eval": (["eval", "--pred", "models", "--truth", "models", "--out", "out"], "out"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_writes_a_folder_is_kept_out(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    make_renders(tmp_path / "renders", balls=1)
    words, folder = COMMANDS[name]
    with writing(tmp_path / folder, tell=print):
        result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert f"Error: out: process {os.getpid()} on" in result.output
    assert "writes here" in result.output
