"""A subject's file is read once and each of its frames is posed once, and few posed meshes are held at a time."""

from __future__ import annotations

import shutil
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpc.datasets.renders.build import RenderSummary, render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.subjects.find import find_subjects
from mpc.subjects.frames import ChosenScene, FrameSettings, choose_scenes
from mpc.subjects.load import load_subject
from mpc.subjects.open import OpenSubject
from support.box_person import rig_file
from support.layout_folders import xhumans

SMALL: dict[str, Any] = {"views": 1, "size": 32, "rays": 16}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the calls of functions, by the names given to `count`."""
    counter: Counter[str] = Counter()

    def count(name: str, target: str) -> None:
        module, _, function = target.rpartition(".")
        original: Callable[..., Any] = getattr(__import__(module, fromlist=[function]), function)

        def counted(*args: Any, **options: Any) -> Any:
            counter[name] += 1
            return original(*args, **options)

        monkeypatch.setattr(target, counted)

    count("open", "mpc.formats.gltf.read.open_gltf")
    count("read", "mpc.subjects.load.read_mesh_file")
    count("first frame", "mpc.subjects.load.read_frame")
    count("peek for the kind", "mpc.subjects.find.peek_json")
    count("peek for the clips", "mpc.subjects.scenes.open_gltf")
    count("pose", "mpc.subjects.scenes.pose_rig")
    count("pose", "mpc.subjects.scenes.read_frame")
    return counter


def render(models: Path, out: Path, **settings: Any) -> RenderSummary:
    """In this process, so that the calls are counted."""
    summary = render_models(models, out, RenderSettings(**SMALL, **settings), renderer="embree", jobs=1)
    assert not summary.failures
    return summary


@pytest.mark.parametrize("pose_filter", [True, False])
def test_a_rig_is_read_once_and_each_frame_posed_once(tmp_path: Path, calls: Counter[str], pose_filter: bool) -> None:
    rig_file(tmp_path / "models" / "bob.gltf")  # clips of 10, 20 and 30 frames
    calls.clear()
    summary = render(tmp_path / "models", tmp_path / "out", pose_filter=pose_filter)
    assert summary.rendered == 9
    assert calls == {"peek for the kind": 1, "peek for the clips": 1, "open": 1, "read": 1, "pose": 9}


def test_a_frame_that_is_left_out_is_posed_once_too(tmp_path: Path, calls: Counter[str]) -> None:
    rig_file(tmp_path / "models" / "bob.gltf", names=("walk",))
    calls.clear()
    # The figure is 1.72 m high and rises by 1 cm a frame; the cube's centre follows it, so all ten frames fit or none.
    summary = render(tmp_path / "models", tmp_path / "out", poses="all")
    assert (summary.rendered, calls["pose"]) == (10, 10)
    calls.clear()
    failed = render_models(
        tmp_path / "models", tmp_path / "small", RenderSettings(**SMALL, extent_m=1.0), renderer="embree", jobs=1
    )
    assert "10 of 10 frames tried are left out" in failed.failures[0][1]
    assert (calls["read"], calls["pose"]) == (1, 10)


def test_a_scan_is_read_once_and_not_at_all_when_it_is_kept(figures: Path, tmp_path: Path, calls: Counter[str]) -> None:
    shutil.copytree(figures / "one", tmp_path / "models" / "one")
    assert render(tmp_path / "models", tmp_path / "out").rendered == 1
    assert calls == {"read": 1}
    calls.clear()
    assert render(tmp_path / "models", tmp_path / "out").kept == 1
    assert not calls


def test_of_many_scans_each_frame_is_read_once(tmp_path: Path, calls: Counter[str]) -> None:
    xhumans(tmp_path / "models", 6, {"Take1": 5, "Take2": 2})
    calls.clear()
    summary = render(tmp_path / "models", tmp_path / "out")
    assert summary.rendered == 5
    # The first scan of all places the person; it is read again where it is a frame of its own.
    assert calls == {"first frame": 1, "pose": 5}
    calls.clear()
    assert render(tmp_path / "models", tmp_path / "out").kept == 5
    assert not calls


def test_few_posed_meshes_are_held_at_a_time(tmp_path: Path) -> None:
    subject = rig_file(tmp_path / "bob.gltf")
    loaded = load_subject(subject)
    alive: set[int] = set()
    most = drawn = 0
    for chosen in choose_scenes(loaded, FrameSettings(poses="all"), misfit=lambda scene: None):
        assert isinstance(chosen, ChosenScene)
        assert chosen.scene is not None
        mesh = chosen.scene.mesh
        alive.add(id(mesh))
        weakref.finalize(mesh, alive.discard, id(mesh))
        del mesh
        drawn, most = drawn + 1, max(most, len(alive))
    assert drawn == 60
    assert most <= 2


def test_an_open_subject_reads_its_file_when_something_of_it_is_needed(tmp_path: Path, calls: Counter[str]) -> None:
    rig_file(tmp_path / "models" / "bob.gltf", names=("walk",))
    calls.clear()
    opened = OpenSubject(find_subjects(tmp_path / "models")[0], FrameSettings(seed=7))
    assert opened.digest
    assert not calls["read"]
    chosen = [event for event in opened.choose_scenes(lambda scene: None) if isinstance(event, ChosenScene)]
    assert [event.spec.frame for event in chosen] == sorted({event.spec.frame for event in chosen})
    for event in chosen:
        scene, files = opened.pose(event)
        assert scene is event.scene
        assert not files
    assert opened.loaded is opened.loaded
    assert opened.other_files == {tmp_path / "models" / "bob.labels.npz"}  # which is looked for, and is not there
    assert (calls["read"], calls["pose"]) == (1, 3)
