"""Scenes find their shards by hash: a person who comes or goes changes only the shards that hold that person."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.core.files import write_json
from mpc.core.randomness import stable_hash
from mpc.datasets.shards import pack
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.place import Placed, place_scenes
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import verify_shards
from support.balls import make_renders
from support.stops import stop_at_call

SETTINGS = SampleSettings(near_points=2000, uniform_points=1000, colour_points=500, shard_bytes=100_000)
LIMIT = 3000


def people(count: int, seed: int = 0) -> list[Placed]:
    """People with 1 to 12 scenes of 20 to 120 bytes."""
    rng = np.random.default_rng(seed)
    return [
        Placed(f"p{number}/clip_{frame:04d}", f"p{number}", int(rng.integers(20, 120)))
        for number in range(count)
        for frame in range(int(rng.integers(1, 13)))
    ]


def test_every_scene_has_one_shard_that_is_not_too_large():
    scenes = people(400)
    size = {scene.key: scene.bytes for scene in scenes}
    shards = place_scenes(scenes, LIMIT)
    assert sorted(key for keys in shards.values() for key in keys) == sorted(size)
    assert all(sum(size[key] for key in keys) <= LIMIT for keys in shards.values())
    assert place_scenes(reversed(scenes), LIMIT) == shards
    # Half full in the mean at least: a node is divided only where its scenes do not fit.
    assert sum(size.values()) / len(shards) > LIMIT / 2
    for name, keys in shards.items():
        for key in keys:
            subject = f"{stable_hash('shard', key.split('/')[0]) >> 64:064b}"
            assert subject.startswith(name), "the name is the bits that the subjects share"
    assert place_scenes(scenes, 10**9) == {"all": sorted(size)}


def test_a_person_who_comes_or_goes_changes_one_shard_or_its_neighbour():
    scenes = people(200)
    before = place_scenes(scenes, LIMIT)
    most = 0
    for number in range(0, 200, 4):
        fewer = place_scenes([scene for scene in scenes if scene.subject != f"p{number}"], LIMIT)
        own = f"{stable_hash('shard', f'p{number}') >> 64:064b}"
        changed = [name for name in before.keys() | fewer.keys() if before.get(name) != fewer.get(name)]
        assert changed
        # The shard that holds the person, and the neighbour that it is joined with or parted from.
        assert all(own.startswith((name, name[:-1])) for name in changed), (number, changed)
        most = max(most, len(changed))
    assert most == 3


def test_one_person_who_fills_several_shards_keeps_them_to_itself():
    rig = [Placed(f"rig/walk_{frame:04d}", "rig", 100) for frame in range(96)]
    others = people(50)
    alone = {name: keys for name, keys in place_scenes([*rig, *others], LIMIT).items() if "-" in name}
    assert sorted(key for keys in alone.values() for key in keys) == sorted(scene.key for scene in rig)
    assert {name.split("-")[0] for name in alone} == {f"{stable_hash('shard', 'rig') >> 64:016x}"}
    fewer = place_scenes([*rig, *others[:200]], LIMIT)
    assert {name: keys for name, keys in fewer.items() if "-" in name} == alone
    assert max(map(len, place_scenes([Placed("a/b_0000", "a", 10**6)], LIMIT))) == len("all")


@pytest.fixture(scope="module")
def renders(tmp_path_factory) -> Path:
    return make_renders(tmp_path_factory.mktemp("a") / "renders", balls=14, views=2, size=32)


@pytest.fixture(scope="module")
def shards(renders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("b") / "shards"
    sample_renders(renders, out, SETTINGS, jobs=1)
    return out


def without(renders: Path, number: int, folder: Path) -> Path:
    shutil.copytree(renders, folder)
    shutil.rmtree(folder / f"ball_{number}")
    return folder


def test_only_the_shards_of_a_new_person_are_sampled_and_written(renders, shards, tmp_path):
    fewer, out = without(renders, 5, tmp_path / "renders"), tmp_path / "shards"
    sample_renders(fewer, out, SETTINGS, jobs=1)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.glob("*.h5")}
    added = sample_renders(renders, out, SETTINGS, jobs=1)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.glob("*.h5")}
    changed = {name for name in after if after[name] != before.get(name)}
    entries = {entry.file: entry for entry in read_index(out).shards}
    touched = {key for name in changed for key in entries[name].scenes}
    assert "ball_5/scan_0000" in touched
    assert len(touched) <= 4
    assert added.sampled == 1, "the others are copied"
    assert added.kept_shards == len(after) - len(changed) >= 4
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in shards.iterdir()
    }
    gone = sample_renders(fewer, out, SETTINGS, jobs=1)
    assert gone.sampled == 0
    assert {path.name: path.read_bytes() for path in out.glob("*.h5")} == {
        name: data for name, (data, _) in before.items()
    }
    assert verify_shards(out) == []


def test_the_disk_holds_the_shards_and_parts_of_one(renders, shards, tmp_path, monkeypatch):
    out, real, seen = tmp_path / "out", pack.write_shard, []

    def measure() -> int:
        return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())

    def write(*arguments):
        real(*arguments)
        seen.append(measure())  # its parts are still there

    monkeypatch.setattr(pack, "write_shard", write)
    sample_renders(renders, out, replace(SETTINGS, shard_bytes=60_000), jobs=1)
    assert len(seen) == 14
    assert max(seen) < 1.2 * measure()


def test_a_stopped_run_goes_on_without_looking_at_finished_shards(renders, shards, tmp_path, monkeypatch):
    broken = tmp_path / "renders"
    shutil.copytree(renders, broken)
    bad = read_index(shards).shards[0].scenes[0]
    (broken / bad / "mesh.npz").write_bytes(b"no")
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        written = stop_at_call(patch, pack, "write_shard", 2)
        with pytest.raises(KeyboardInterrupt):
            sample_renders(broken, out, SETTINGS, jobs=1)
    lines = (out / ".parts/finished.jsonl").read_text().splitlines()
    assert len(lines) >= len(written) >= 1
    (out / ".parts/finished.jsonl").write_text("\n".join([*lines, lines[0][:50]]))  # a kill cut the last line off
    with monkeypatch.context() as patch:
        patch.setattr("mpc.datasets.shards.plan.check_shard", lambda *_: pytest.fail("a finished shard was read again"))
        summary = sample_renders(broken, out, SETTINGS, jobs=1)
    assert summary.kept_shards == len(written)
    assert [key for key, _ in summary.failures] == [bad]
    assert (summary.scenes, verify_shards(out)) == (13, [])


def test_a_stopped_change_of_a_finished_folder_keeps_its_index_aside(renders, shards, tmp_path, monkeypatch):
    out = tmp_path / "again"
    shutil.copytree(shards, out)
    for entry in read_index(out).shards[:2]:
        (out / entry.file).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(pack, "write_shard", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sample_renders(renders, out, SETTINGS, jobs=1)
    assert not (out / "index.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr("mpc.datasets.shards.plan.check_shard", lambda *_: pytest.fail("a kept shard was read again"))
        assert sample_renders(renders, out, SETTINGS, jobs=1).written_shards == 2
    assert read_index(out) == read_index(shards)


def test_folders_of_version_1_are_not_added_to(renders, tmp_path):
    shutil.copytree(Path(__file__).parent / "version_1", tmp_path / "old")
    with pytest.raises(InputError, match="version 1, which can be read, but not added to; choose another --out"):
        sample_renders(renders, tmp_path / "old", SETTINGS, jobs=1)
    content = json.loads((tmp_path / "old/settings.json").read_text())
    write_json(tmp_path / "old/settings.json", {**content, "version": 9})
    with pytest.raises(InputError, match="version 9"):
        sample_renders(renders, tmp_path / "old", SETTINGS, jobs=1)
