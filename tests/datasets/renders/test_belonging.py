"""A finished run says which scenes belong to it; the scenes of people who are gone are not sampled, and can go."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, SettingsError
from mpc.core.files import file_sha256
from mpc.datasets.renders.build import RenderSummary, render_models
from mpc.datasets.renders.manifest import append_manifest, read_manifest
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import SampleSummary, sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.split import choose_split, group_twins, split_subjects
from support.box_person import rig_file

SMALL = RenderSettings(views=1, size=32, rays=16)
FEW = SampleSettings(near_points=80, uniform_points=80, colour_points=8)


def render(models: Path, out: Path, **more: Any) -> RenderSummary:
    return render_models(models, out, SMALL, renderer="embree", jobs=1, **more)


def sample(renders: Path, out: Path) -> SampleSummary:
    return sample_renders(renders, out, FEW, jobs=1)


def keys(renders: Path) -> set[str]:
    return {scene.key for scene in read_renders(renders).scenes}


@pytest.fixture
def models(figures: Path, tmp_path: Path) -> Path:
    for name in ("one", "two"):
        shutil.copytree(figures / name, tmp_path / "models" / name)
    return tmp_path / "models"


def test_a_person_who_was_renamed_is_sampled_once(models: Path, tmp_path: Path) -> None:
    out, shards = tmp_path / "renders", tmp_path / "shards"
    render(models, out)
    (models / "two").rename(models / "anna")
    summary = render(models, out)
    assert (summary.rendered, summary.kept) == (1, 1)
    assert any(notice.startswith("two: two/scan_0000: its person was not found") for notice in summary.notices)
    sampled = sample(out, shards)
    assert sampled.scenes == 2
    ((name, reason),) = sampled.failures
    assert name == "two/scan_0000"
    assert "`mpc render MODELS --prune` removes it" in reason
    assert set(read_index(shards).split) == {"one", "anna"}
    few = ["--near", "80", "--uniform", "80", "--colours", "8", "--jobs", "1"]
    result = CliRunner().invoke(main, ["sample", str(out), "--out", str(tmp_path / "again"), *few])
    assert result.exit_code == 3
    assert "failed: two/scan_0000: " in result.output
    # Whoever comes back is taken back; who is gone is removed on request, and then nothing is refused.
    (models / "anna").rename(models / "two")
    assert render(models, out).rendered == 0
    assert keys(out) == {"one/scan_0000", "two/scan_0000"}
    pruned = render(models, out, prune=True)
    assert any(notice.startswith("anna: ") and notice.endswith("removed") for notice in pruned.notices)
    assert not (out / "anna").exists()
    assert sample(out, shards).failures == ()


def test_of_a_rig_that_was_replaced_no_old_scene_is_sampled(tmp_path: Path) -> None:
    models, out = tmp_path / "models", tmp_path / "renders"
    rig_file(models / "bob.gltf", names=("walk", "jump"))
    assert render(models, out).rendered == 6
    old = keys(out)
    rig_file(models / "bob.gltf", scale=0.9, names=("dance", "walk"))
    assert render(models, out).rendered == 6
    assert len(keys(out)) == 6
    source = file_sha256(models / "bob.gltf")
    assert {scene.notes["source_sha256"] for scene in read_renders(out).scenes} == {source}
    gone = old - keys(out)
    assert len(gone) >= 3
    ((name, reason),) = sample(out, tmp_path / "shards").failures
    assert name == "bob"
    assert reason.startswith(f"{len(gone)} scenes: ")
    render(models, out, prune=True)
    assert {path.parent.name for path in out.glob("bob/*/scene.json")} == {key.split("/")[1] for key in keys(out)}


def test_people_whose_files_cannot_be_read_now_keep_their_scenes(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "renders"
    render(models, out)

    def stale(path: Path) -> str:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("mpc.subjects.open.file_sha256", stale)
        assert len(render(models, out, prune=True).failures) == 2
    assert keys(out) == {"one/scan_0000", "two/scan_0000"}
    # A file that was replaced by a damaged one is another matter: its scenes are of something that is gone.
    (models / "two" / "mesh.obj").write_text("f 1 2 3\n")
    assert len(render(models, out).failures) == 1
    assert keys(out) == {"one/scan_0000"}


def test_what_a_stopped_run_rendered_is_taken_when_it_has_ended(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "renders"
    (models / "two").rename(tmp_path / "two")
    render(models, out)
    (tmp_path / "two").rename(models / "two")

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mpc.datasets.renders.build.finish_run", stop)
        with pytest.raises(KeyboardInterrupt):
            render(models, out)
    found = read_renders(out)
    assert [scene.key for scene in found.scenes] == ["one/scan_0000"]
    assert "made by a run that was stopped; `mpc render MODELS` again" in found.refused["two/scan_0000"]
    assert render(models, out).kept == 2
    assert keys(out) == {"one/scan_0000", "two/scan_0000"}


def test_missing_and_shortened_files_are_noticed_and_changed_ones_on_request(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "renders"
    render(models, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    picture, texture = out / "one" / "scan_0000" / "000.png", next((out / "two" / "textures").iterdir())
    for damaged in (picture, texture):
        for data in (None, before[damaged][:-1]):
            damaged.unlink() if data is None else damaged.write_bytes(data)
            summary = render(models, out)
            assert (summary.rendered, summary.kept) == (1, 1), damaged
            assert {path: path.read_bytes() for path in before} == before
        flipped = bytearray(before[damaged])
        flipped[len(flipped) // 2] ^= 1
        damaged.write_bytes(flipped)
        assert render(models, out).rendered == 0
        assert render(models, out, repair=True).rendered == 1
        assert {path: path.read_bytes() for path in before} == before


def test_a_lost_scene_is_named_and_a_scene_under_another_name_is_refused(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "renders"
    render(models, out)
    shutil.rmtree(out / "one" / "scan_0000")
    assert "the scene is gone; `mpc render MODELS` makes it again" in read_renders(out).refused["one/scan_0000"]
    shutil.copytree(out / "two" / "scan_0000", out / "one" / "scan_0000")
    assert "describes two/scan_0000" in read_renders(out).refused["one/scan_0000"]
    assert render(models, out).rendered == 1
    assert not read_renders(out).refused


def test_the_manifest_is_appended_to(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "renders"
    render(models, out)
    first = (out / "manifest.jsonl").read_bytes()
    render(models, out)
    assert (out / "manifest.jsonl").read_bytes() == first
    shutil.copytree(models / "one", models / "three")
    render(models, out)
    second = (out / "manifest.jsonl").read_bytes()
    assert second.startswith(first)
    (added,) = (json.loads(line) for line in second[len(first) :].splitlines())
    assert added["key"] == "three/scan_0000"
    assert added["scene_sha256"] == file_sha256(out / "three" / "scan_0000" / "scene.json")


def test_a_line_that_was_cut_off_and_a_full_disk_leave_the_lines_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_manifest(tmp_path) is None
    append_manifest(tmp_path, [{"key": "a/b", "views": 1}, {"key": "a/c"}])
    path = tmp_path / "manifest.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "a/d", "vie')
    assert read_manifest(tmp_path) == {"a/b": {"key": "a/b", "views": 1}, "a/c": {"key": "a/c"}}
    append_manifest(tmp_path, [{"key": "a/b", "removed": True}])
    assert path.read_bytes() == whole + b'{"key": "a/b", "removed": true}\n'
    assert read_manifest(tmp_path) == {"a/c": {"key": "a/c"}}

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("mpc.datasets.renders.manifest.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            append_manifest(tmp_path, [{"key": "a/e"}])
    assert path.read_bytes() == before
    path.write_bytes(b"{nonsense}\n" + before)
    with pytest.raises(InputError, match=r"manifest\.jsonl: line 1 is damaged"):
        read_manifest(tmp_path)


def test_the_same_file_under_two_names_is_never_in_two_splits(models: Path, tmp_path: Path) -> None:
    names = [f"person_{number}" for number in range(400)]
    sources = {name: str(number // 2) for number, name in enumerate(names)}
    groups = group_twins({**sources, "alone": "x"})
    split, before = split_subjects([*names, "alone"], groups=groups), split_subjects([*names, "alone"])
    pairs = list(zip(names[::2], names[1::2], strict=True))
    assert all(split[first] == split[second] for first, second in pairs)
    assert sum(before[first] != before[second] for first, second in pairs) > 20, "the hash alone would do"
    assert split["alone"] == before["alone"]
    assert all(split[first] == before[first] for first, _ in pairs), "who was there first keeps the split"
    (tmp_path / "split.json").write_text(json.dumps({"train": ["person_0"], "test": ["person_1"]}))
    with pytest.raises(SettingsError, match="person_0 and person_1 are the same person, but person_0 is in train"):
        choose_split(names, (0.8, 0.1, 0.1), tmp_path / "split.json", groups)
    for number in range(4):
        shutil.copytree(models / "one", models / f"copy_{number}")
    render(models, tmp_path / "renders")
    sampled = sample(tmp_path / "renders", tmp_path / "shards")
    found = read_index(tmp_path / "shards").split
    assert len({found[name] for name in found if name != "two"}) == 1
    assert sum("the same file as copy_0, so both are in" in notice for notice in sampled.notices) == 4
