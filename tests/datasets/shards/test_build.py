"""Shards: whole or absent, the same bytes whoever writes them, every flipped bit found, readable with plain h5py."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import mpc
from mpc.core.errors import InputError, SettingsError
from mpc.datasets.renders.format import read_scene, read_scene_mesh
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.format import LAYOUT
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.split import choose_split, read_split, split_subjects
from mpc.datasets.shards.verify import verify_shards
from mpc.sampling.inside import label_inside
from mpc.sampling.lattice import Lattice, make_lattice
from support.balls import make_renders

SMALL = SampleSettings(near_points=2000, uniform_points=1000, colour_points=500, shard_bytes=100_000)


@pytest.fixture(scope="module")
def renders(tmp_path_factory) -> Path:
    return make_renders(tmp_path_factory.mktemp("a") / "renders")


@pytest.fixture(scope="module")
def shards(renders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("b") / "shards"
    summary = sample_renders(renders, out, SMALL, jobs=1)
    assert (summary.scenes, summary.sampled, summary.failures) == (6, 6, ())
    assert summary.written_shards > 3, "shard_bytes has no effect"
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_bytes_for_any_number_of_workers(renders, shards, tmp_path):
    sample_renders(renders, tmp_path / "two", SMALL, jobs=2)
    assert contents(tmp_path / "two") == contents(shards)


def test_second_run_keeps_everything(renders, shards):
    before = contents(shards)
    summary = sample_renders(renders, shards, SMALL, jobs=1)
    assert (summary.sampled, summary.written_shards, summary.scenes) == (0, 0, 6)
    assert contents(shards) == before


def test_labels_belong_to_the_points_as_stored(renders, shards):
    checked = 0
    for path in sorted(shards.glob("*.h5")):
        with h5py.File(path) as file:
            counts = [count for _, _, count in json.loads(file.attrs["point_sets"])]
            for scene in range(len(file["scenes/key"])):
                rows = slice(*file["offsets/point"][scene : scene + 2])
                bits = file["points/inside"][slice(*file["offsets/octet"][scene : scene + 2])]
                q = file["points/q"][rows]
                wide = q * file["scenes/step_m"][scene] + file["scenes/origin_world"][scene]
                narrow = q * np.float32(file["scenes/step_m"][scene]) + file["scenes/origin_world"][scene].astype("f4")
                assert (narrow.astype(np.float64) == wide).all(), "float32 and float64 readers see other positions"
                key = file["scenes/key"][scene].decode()
                mesh, _ = read_scene_mesh(read_scene(renders / key))
                assert (label_inside(mesh, wide) == np.unpackbits(bits).astype(bool)).all()
                assert sum(counts) == len(q)
                checked += 1
    assert checked == 6


def test_near_points_have_their_sigma_and_uniform_ones_fill_the_cylinder(renders, tmp_path):
    settings = replace(SMALL, near_points=20_000, uniform_points=20_000, shard_bytes=1 << 30)
    sample_renders(renders, tmp_path / "out", settings, jobs=1)
    with h5py.File(next((tmp_path / "out").glob("train*.h5"))) as file:
        q = file["points/q"][: int(file["offsets/point"][1])] * file["scenes/step_m"][0]
        from_centre = q + file["scenes/origin_world"][0] - file["scenes/centre_world"][0]
        sets = json.loads(file.attrs["point_sets"])
        start = 0
        for name, sigma, count in sets:
            part = from_centre[start : start + count]
            start += count
            if name != "uniform":
                # Off a ball of radius R, |R n + noise| - R has about the noise's spread and a mean of sigma^2 / R.
                distance = np.linalg.norm(part, axis=1) - 0.5
                assert abs(distance.std() / sigma - 1) < 0.06
                continue
            radius = np.hypot(part[:, 0], part[:, 2])
            assert radius.max() < 1.2 * np.sqrt(2) + 1e-3
            assert abs((radius < 1.2).mean() - 0.5) < 0.02
            assert abs(np.mean(part[:, 1] < 0.6) - 0.75) < 0.02


def test_a_killed_run_goes_on_to_the_same_bytes(renders, shards, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom mpc.datasets.shards.build import sample_renders\n"
        "from mpc.datasets.shards.settings import SampleSettings\n"
        "settings = SampleSettings(near_points=2000, uniform_points=1000, colour_points=500, shard_bytes=100_000)\n"
        "sample_renders(Path(sys.argv[1]), Path(sys.argv[2]), settings, jobs=1)\n"
    )
    out = tmp_path / "out"
    states = set()
    for seen in ("settings.json", ".parts/*.npz", "test-*.h5", "train-*.h5"):
        process = subprocess.Popen([sys.executable, "-c", code, str(renders), str(out)])
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and not list(out.glob(seen)):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        states.add(len(list(out.rglob("*"))))
        for path in out.glob("*.h5"):
            assert (shards / path.name).read_bytes() == path.read_bytes(), "a shard with its final name is not whole"
    assert len(states) > 1, "every kill came at the same moment"
    sample_renders(renders, out, SMALL, jobs=1)
    assert contents(out) == contents(shards)


def test_a_damaged_part_is_sampled_again(renders, shards, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def stop(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mpc.datasets.shards.pack.write_shard", stop)
        with pytest.raises(OSError, match="No space"):
            sample_renders(renders, out, SMALL, jobs=1)
    parts = sorted((out / ".parts").glob("*.npz"))
    assert len(parts) == 2, "the scenes of the first shard"
    parts[0].write_bytes(parts[0].read_bytes()[:-500])
    data = bytearray(parts[1].read_bytes())
    data[len(data) // 2] ^= 1
    parts[1].write_bytes(data)
    sample_renders(renders, out, SMALL, jobs=1)
    assert contents(out) == contents(shards)


@pytest.mark.parametrize("seed", range(3))
def test_every_flipped_bit_is_found(shards, tmp_path, seed):
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    assert verify_shards(folder) == []
    rng = np.random.default_rng(seed)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".h5", ".json"))  # the log is no data
    sizes = np.array([path.stat().st_size for path in files])
    for number in range(20):
        path = (
            files[number % len(files)]
            if number < 2 * len(files)
            else files[rng.choice(len(files), p=sizes / sizes.sum())]
        )
        data = bytearray(path.read_bytes())
        place, bit = int(rng.integers(len(data))), int(rng.integers(8))
        data[place] ^= 1 << bit
        path.write_bytes(data)
        problems = verify_shards(folder)
        assert any(problem.shard == path.name for problem in problems), (path.name, place, bit, problems)
        data[place] ^= 1 << bit
        path.write_bytes(data)
    assert verify_shards(folder) == []


def test_damage_is_named_by_shard_dataset_and_scene_and_repaired(renders, shards, tmp_path):
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    path = sorted(folder.glob("train*.h5"))[-1]
    for name, column in LAYOUT.items():
        if column.level in ("scene", "view", "vertex", "face", "part", "doubt"):
            continue
        with h5py.File(path) as file:
            scene = len(file["scenes/key"]) - 1
            offset = file[name].id.get_offset() + file[name].id.get_storage_size() - 1
            key = file["scenes/key"][scene].decode()
        data = bytearray(path.read_bytes())
        data[offset] ^= 0x10
        path.write_bytes(data)
        problems = verify_shards(folder)
        assert [(p.shard, p.dataset, p.scene) for p in problems] == [(path.name, name, key)]
        data[offset] ^= 0x10
        path.write_bytes(data)
    data[offset] ^= 0x10
    path.write_bytes(data)
    sample_renders(renders, folder, SMALL, jobs=1)
    assert verify_shards(folder), "a later run covered the damage up"
    summary = sample_renders(renders, folder, SMALL, jobs=1, repair=True)
    assert summary.written_shards == 1
    assert contents(folder) == contents(shards)


def test_a_truncated_and_a_missing_shard_are_named(shards, tmp_path):
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    first, second = sorted(folder.glob("train*.h5"))[:2]
    first.write_bytes(first.read_bytes()[:1000])
    second.unlink()
    assert {problem.shard for problem in verify_shards(folder)} == {first.name, second.name}
    with pytest.raises(InputError, match="not a shards folder"):
        verify_shards(tmp_path)


def test_broken_scenes_are_reported_and_the_others_sampled(tmp_path):
    renders = make_renders(tmp_path / "renders", balls=3, broken=(1,))
    for _ in range(2):
        summary = sample_renders(renders, tmp_path / "shards", SMALL, jobs=1)
        assert summary.scenes == 2
        assert [key for key, _ in summary.failures] == ["ball_1/scan_0000"]
        assert "damaged scene" in summary.failures[0][1]
    assert verify_shards(tmp_path / "shards") == []


def test_refusals(renders, shards, tmp_path):
    with pytest.raises(SettingsError, match="uniform_points 1000 -> 1008"):
        sample_renders(renders, shards, replace(SMALL, uniform_points=1008), jobs=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("")
    with pytest.raises(InputError, match="not empty"):
        sample_renders(renders, tmp_path / "full", SMALL, jobs=1)
    with pytest.raises(SettingsError, match="sigmas_m"):
        SampleSettings(sigmas_m=(0.05, 5.0))
    with pytest.raises(SettingsError, match="too far"):
        make_lattice((5000.0, 0.0, 0.0), 2.0)


def test_a_new_subject_is_added(tmp_path):
    renders = make_renders(tmp_path / "renders", balls=4)
    sample_renders(renders, tmp_path / "shards", SMALL, jobs=1)
    before = read_index(tmp_path / "shards").split
    shutil.rmtree(renders)
    make_renders(renders, balls=5)
    summary = sample_renders(renders, tmp_path / "shards", SMALL, jobs=1)
    assert summary.scenes == 5
    assert summary.sampled < 5
    assert summary.kept_shards > 0
    assert {s: read_index(tmp_path / "shards").split[s] for s in before} == before
    assert verify_shards(tmp_path / "shards") == []


def test_split_by_hash():
    subjects = [f"subject_{number}" for number in range(2000)]
    split = split_subjects(subjects)
    share = [list(split.values()).count(name) / 2000 for name in ("train", "val", "test")]
    np.testing.assert_allclose(share, [0.8, 0.1, 0.1], atol=0.03)
    assert split_subjects(reversed(subjects)) == split
    more = split_subjects([*subjects, "another"])
    assert all(more[subject] == split[subject] for subject in subjects)
    for count in range(3, 12):
        for start in range(20):
            few = split_subjects([f"p{start}_{number}" for number in range(count)])
            assert set(few.values()) == {"train", "val", "test"}
    assert "val" not in split_subjects(subjects[:9], (0.5, 0.0, 0.5)).values()
    with pytest.raises(SettingsError, match="ratios"):
        split_subjects(subjects, (1.0, -0.5, 0.5))


def test_split_by_lists(tmp_path):
    (tmp_path / "train.txt").write_text("thuman2/0000\n# a remark\nb\n")
    (tmp_path / "test.txt").write_text("c\n")
    assert read_split(tmp_path) == {"thuman2/0000": "train", "b": "train", "c": "test"}
    chosen = choose_split(["thuman2_0000", "c", "unlisted"], (0.8, 0.1, 0.1), tmp_path)
    assert chosen == {"thuman2_0000": "train", "c": "test"}
    (tmp_path / "split.json").write_text('{"train": ["a"], "val": ["a"]}')
    with pytest.raises(InputError, match="a is in train and in val"):
        read_split(tmp_path / "split.json")


def test_lattice_is_exact_in_float32():
    lattice = Lattice((1.5, 2.0**-14 * 12345, -900.0), 2.0**-14)
    q = np.random.default_rng(0).integers(-32767, 32768, (1000, 3)).astype(np.int16)
    narrow = q * np.float32(lattice.step_m) + np.asarray(lattice.origin_world, np.float32)
    assert (narrow.astype(np.float64) == lattice.positions(q)).all()
    assert (lattice.round(lattice.positions(q)) == q).all()


def test_the_reading_example_of_the_documentation(shards):
    text = (Path(mpc.__file__).parent / "docs" / "shard-format.md").read_text()
    first, more, _, _ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)  # others: test_layers.py, test_joints.py
    assert len([line for line in first.splitlines() if line]) == 10
    example = first + more
    path = sorted(shards.glob("test*.h5"))[0]
    space: dict = {}
    exec(example.replace("shards/test-all.h5", str(path)), space)
    assert space["picture"].shape == (64, 64, 4)
    assert space["points"].shape == (3000, 3)
    assert 0.2 < space["inside"].mean() < 0.6
    assert (np.linalg.norm(space["points"] - space["centre"], axis=1)[space["inside"]] < 0.501).all()
    assert space["colours"].max() <= 1.0
    for name, column in LAYOUT.items():
        assert f"`{name}`" in text, f"{name} is not documented"
        assert column.dtype.strip("<|") in text
