"""A film whose reconstruction was stopped: the same command goes on, to the same bytes; another command is refused."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.files import write_json
from mpc.models.person.finder import PersonFinder
from mpc.models.runs import load_run
from mpc.reconstruct.capture import batches as batches_module
from mpc.reconstruct.capture.capture import capture
from mpc.reconstruct.capture.pictures import Source
from mpc.reconstruct.capture.settings import CaptureSettings
from support.films import write_film
from support.stick_person import StickFinder
from support.stops import stop_at_call
from support.toy_run import red_person

pytest.importorskip("av", reason="films need PyAV (the extra films)")

SETTINGS = CaptureSettings(resolution=33, size=32, smooth=True)
EMPTY = 2  # the frame without anybody
# Dies at the fourth mesh: the mask and the landmarks of that frame are written, its mesh is not.
DIES = """
import os, signal, sys
from pathlib import Path

from mpc.cli.main import main
from mpc.models.person.finder import PersonFinder
from mpc.reconstruct.capture import batches
from support.stick_person import StickFinder

PersonFinder.open = classmethod(lambda cls, engine="auto": StickFinder())
write, written = batches._write_meshes, []


def write_or_die(path, *rest):
    if len(written) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(path)
    write(path, *rest)


batches._write_meshes = write_or_die
main(sys.argv[1:])
"""


def walk(path, frames=6):
    """A film of a person who walks to the right, and is not there in one frame."""
    pictures = [red_person(box=(20, 180, 40 + 6 * number, 80 + 6 * number))[..., :3] for number in range(frames)]
    pictures[EMPTY] = red_person(box=(0, 0, 0, 0))[..., :3]
    write_film(path, pictures)
    return path


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def finder(monkeypatch):
    finder = StickFinder()
    monkeypatch.setattr(PersonFinder, "open", classmethod(lambda cls, engine="auto": finder))
    return finder


def command(run_folder, film, out, *words):
    settings = ["--resolution", "33", "--size", "32", "--smooth"]
    return ["reconstruct", str(film), "--out", str(out), "--run", str(run_folder), *settings, *map(str, words)]


@pytest.mark.slow
def test_a_killed_film_goes_on_to_the_same_bytes(run_folder, tmp_path, finder):
    film, parts, whole = walk(tmp_path / "walk.mp4"), tmp_path / "parts", tmp_path / "whole"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run(
        [sys.executable, "-c", DIES, *command(run_folder, film, parts)], capture_output=True, env=environment, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    frames = [f"walk_{number:06d}" for number in range(6) if number != EMPTY]
    assert sorted(path.name for path in parts.glob("walk/*.glb")) == [f"{name}.glb" for name in frames[:3]]
    assert (parts / "walk" / f"{frames[3]}.json").is_file()
    assert not (parts / "walk.mp4").exists()
    made = (parts / "walk" / f"{frames[0]}.glb").stat().st_mtime_ns
    again = CliRunner().invoke(main, command(run_folder, film, parts))
    assert again.exit_code == 3, again.output
    assert again.output.count("kept from before") == 3
    assert "5 reconstructed, 1 failed" in again.output
    assert (parts / "walk" / f"{frames[0]}.glb").stat().st_mtime_ns == made
    # The empty frame is searched whole in both runs; three of the others are looked at.
    assert (finder.found, finder.looked) == (1, 3)
    uninterrupted = CliRunner().invoke(main, command(run_folder, film, whole))
    assert uninterrupted.output.count("kept from before") == 0
    assert files_below(parts) == files_below(whole)
    assert len(files_below(whole)) == 5 * 3 + 2  # mesh, mask and landmarks; the film and its record


def test_a_finished_film_is_kept_and_another_command_refused(run_folder, tmp_path, finder, monkeypatch):
    run, film, out = load_run(run_folder), walk(tmp_path / "walk.mp4", 4), tmp_path / "out"
    first = capture(run, [Source(film)], out, SETTINGS)
    before, looked = files_below(out), finder.looked
    again = capture(run, [Source(film)], out, SETTINGS)
    assert (files_below(out), finder.looked) == (before, looked)
    assert all(one.kept for one in again.done)
    assert [replace(one, seconds=0.0, kept=True) for one in first.done] == list(again.done)
    assert again.failures == first.failures
    assert [one.name for one in again.failures] == [f"walk.mp4 frame {EMPTY}"]
    (refused,) = capture(run, [Source(film)], out, replace(SETTINGS, height_m=1.8, every=2)).failures
    assert "was made with other settings (height_m 1.7 -> 1.8, every 1 -> 2); choose another --out" in refused.reason
    assert files_below(out) == before
    # Another film of that name, and another network.
    (refused,) = capture(run, [Source(walk(tmp_path / "walk.mp4", 5))], out, SETTINGS).failures
    assert "other settings (film " in refused.reason
    (refused,) = capture(replace(run, extent_m=3.0), [Source(walk(film, 4))], out, SETTINGS).failures
    assert "other settings (run " in refused.reason
    # A mesh that was removed is made again.
    (out / "walk" / "walk_000001.glb").unlink()
    capture(run, [Source(film)], out, SETTINGS)
    assert files_below(out) == before
    write_json(out / "walk" / "film.json", {"format": "mpc-film", "version": 2})
    (refused,) = capture(run, [Source(film)], out, SETTINGS).failures
    assert "is not mpc-film version 1" in refused.reason


def test_a_batch_is_kept_whole_or_not_at_all(run_folder, tmp_path, finder, monkeypatch):
    """Stopped in the second of two batches, whose three frames are then made again: the bytes are the same."""
    run, film, settings = load_run(run_folder), walk(tmp_path / "walk.mp4", 7), replace(SETTINGS, batch=3)
    capture(run, [Source(film)], tmp_path / "whole", settings)
    with monkeypatch.context() as patch:
        stop_at_call(patch, batches_module, "_write_meshes", 4)
        with pytest.raises(KeyboardInterrupt):
            capture(run, [Source(film)], tmp_path / "parts", settings)
    assert not (tmp_path / "parts" / "walk.part.mp4").exists()
    again = capture(run, [Source(film)], tmp_path / "parts", settings)
    assert [one.kept for one in again.done] == [True] * 3 + [False] * 3
    assert files_below(tmp_path / "parts") == files_below(tmp_path / "whole")
