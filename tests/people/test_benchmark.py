"""The benchmark's lists: whole, of reserved seeds, made as listed, refused by training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("anny")

from mpc.cli.main import main
from mpc.core.errors import InputError, SettingsError
from mpc.core.held_out import RESERVED_SEEDS, benchmark_list, held_out_subjects
from mpc.datasets.shards.index import ShardEntry, ShardIndex, write_index
from mpc.people.benchmark import make as make_module
from mpc.people.benchmark.listed import (
    LISTS,
    Benchmark,
    benchmark_json,
    digest_list,
    digest_vertices,
    read_benchmark,
)
from mpc.people.benchmark.make import make_benchmark
from mpc.people.benchmark.records import read_record
from mpc.people.make import make_people
from mpc.train.presets import choose_settings
from mpc.train.run import train


def test_the_lists_are_whole_and_their_seeds_reserved():
    benchmark = read_benchmark("v1")
    assert [len(benchmark.of(name)) for name in LISTS] == [30, 30]
    assert len({person.name for person in benchmark.people}) == 60
    assert len({person.seed for person in benchmark.people}) == 60
    assert all(person.seed in RESERVED_SEEDS for person in benchmark.people)
    assert len({person.sha256 for person in benchmark.people}) == 60
    assert all(benchmark_list(person.name) == f"v1 {person.list_name}" for person in benchmark.people)
    assert {"sitting", "squatting", "lunging", "reaching"} <= {person.pose_name for person in benchmark.of("hard")}
    assert {"relaxed", "walking"} <= {person.pose_name for person in benchmark.of("easy")}
    # What is read is what would be written again.
    text = Path(make_module.__file__).with_name("v1.json").read_text()
    assert benchmark_json(benchmark.name, benchmark.texture_size, benchmark.people) == text


def test_a_changed_list_is_not_read(tmp_path, monkeypatch):
    benchmark = read_benchmark("v1")
    person = benchmark.people[0]
    for change in ({"seed": person.seed + 1}, {"pose": dataclasses.replace(person.pose, neck=(0.0, 0.0, 1.0))}):
        changed = dataclasses.replace(person, **change)
        assert digest_list([dataclasses.asdict(changed)]) != digest_list([dataclasses.asdict(person)])
    with pytest.raises(SettingsError, match="v1"):
        read_benchmark("v2")
    with pytest.raises(ValueError, match="Benchmark: expected the fields"):
        read_record(Benchmark, {"name": "v1"})
    table = dataclasses.asdict(person.pose)
    del table["neck"]  # as if it had come later: what a field stands for by default is what was there before
    assert read_record(type(person.pose), table) == dataclasses.replace(person.pose, neck=(0.0, 0.0, 0.0))


def test_hashes_of_vertices_know_tenths_of_millimetres_and_no_order():
    points = np.random.default_rng(0).integers(0, 9000, (50, 3)) * 1e-4
    assert digest_vertices(points) == digest_vertices(points[::-1] + 4e-5) == digest_vertices(np.tile(points, (2, 1)))
    moved = points.copy()
    moved[7, 1] += 1e-4
    assert digest_vertices(moved) != digest_vertices(points)


@pytest.mark.slow
def test_people_are_made_as_listed_and_checked_again(tmp_path, monkeypatch):
    """The first of each list, with small textures; then one whose vertices were moved."""
    whole = read_benchmark("v1")
    few = dataclasses.replace(whole, people=(whole.people[0], whole.people[30]), texture_size=64)
    monkeypatch.setattr(make_module, "read_benchmark", lambda name: few)
    first = make_benchmark(tmp_path / "bench", "v1", jobs=1)
    assert first.failed == ()
    assert first.made == ("v1_easy_00", "v1_hard_00")
    assert (tmp_path / "bench" / "LICENSE.txt").read_text().startswith("mpc benchmark v1: people to measure on")
    path = tmp_path / "bench" / "v1_easy_00" / "mesh.obj"
    lines = path.read_text().splitlines()
    number = next(index for index, line in enumerate(lines) if line.startswith("v "))
    x, *others = lines[number].split()[1:]
    lines[number] = " ".join(["v", f"{float(x) + 0.0002:.6f}", *others])
    path.write_text("\n".join(lines) + "\n")
    again = make_benchmark(tmp_path / "bench", "v1", jobs=1)
    assert again.kept == ("v1_hard_00",)
    assert [name for name, _ in again.failed] == ["v1_easy_00"]
    assert "not as listed" in again.failed[0][1]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "people.json").write_text(json.dumps({"settings": {}}))
    with pytest.raises(SettingsError, match="other people"):
        make_benchmark(tmp_path / "other", "v1", jobs=1)


@pytest.mark.slow
def test_who_wears_an_open_jacket_stays_as_listed(tmp_path):
    """Their forearms are hollow, which `mpc people` does not do any more."""
    person = next(person for person in read_benchmark("v1").people if person.name == "v1_hard_07")
    assert any(worn.garment.open_front for worn in person.plan.worn)
    make_module.write_listed(tmp_path, person, 64)
    assert make_module.check_listed(tmp_path / "mesh.obj", person) is None


@pytest.mark.parametrize("seed", [RESERVED_SEEDS.start, RESERVED_SEEDS.stop - 1])
def test_reserved_seeds_are_refused(tmp_path, seed):
    with pytest.raises(SettingsError, match="reserved for benchmarks"):
        make_people(tmp_path, scans=1, rigged=0, seed=seed)
    result = CliRunner().invoke(main, ["people", str(tmp_path / "x"), "--scans", "1", "--seed", str(seed)])
    assert result.exit_code == 2
    assert "reserved for benchmarks" in result.output


def test_options_of_drawn_people_mean_nothing_to_a_benchmark(tmp_path):
    for option in (["--seed", "1"], ["--scans", "2"], ["--hard-poses", "0.1"]):
        result = CliRunner().invoke(main, ["people", "--benchmark", "v1", str(tmp_path), *option])
        assert result.exit_code == 2
        assert f"{option[0]}: no effect with --benchmark" in result.output


def test_people_of_a_benchmark_are_known_by_name_and_by_licence():
    split = {"v1_easy_03": "test", "v1_hard_11": "val", "bench/v1_easy_00": "train", "anna": "train", "ben": "train"}
    licences = {"anna": "LICENSE.txt: mpc benchmark v1: people to measure on, never to train on.", "ben": "CC0"}
    assert held_out_subjects(split, licences) == ["anna", "bench/v1_easy_00", "v1_hard_11"]
    assert benchmark_list("v1_easy_3") == benchmark_list("scan_000") == ""


def test_training_refuses_people_of_a_benchmark(tmp_path):
    """Before a shard is opened: the index alone says who is in which split, and what their licence says."""
    entry = ShardEntry(
        file="train-all.h5", split="train", scenes=("anna/scan_0000",), views=1, bytes=1, sha256="", contents=""
    )
    licences = {"anna": "LICENSE.txt: mpc benchmark v1: people to measure on, never to train on."}
    index = ShardIndex(
        settings={}, split={"anna": "train"}, shards=(entry,), failures={}, notices=(), licences=licences
    )
    write_index(tmp_path, index)
    with pytest.raises(InputError, match=r"anna belong to a benchmark.*--split 0,0,1"):
        train(tmp_path, tmp_path / "runs", choose_settings("tiny")[0])
    assert not (tmp_path / "runs").exists()
