"""Meshes against meshes by name, from the command to the page; and results compared."""

import itertools
import json
import re

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import InputError, SettingsError
from mpc.evaluate.compare import bootstrap_interval, compare_results, least_p, sign_flip_p
from mpc.evaluate.folders import guess_unit
from mpc.evaluate.match import find_meshes, match_files
from support.evaluation import measure_folders


def body(radius=0.2):
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    mesh.apply_scale([1, 4, 0.8])
    return mesh


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six truths in centimetres (one unpredicted, one in a subfolder), predictions from two yaws, one of nobody."""
    root = tmp_path_factory.mktemp("meshes")
    for name in ("pred", "truth", "other"):
        (root / name).mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        true = body(0.2 + 0.01 * number).apply_scale(100)
        if number == 4:
            (root / "truth" / "person_4").mkdir()
            true.export(root / "truth" / "person_4" / "scan.ply")
        else:
            true.export(root / "truth" / f"person_{number}.obj")
        for yaw in (0, 180):
            for folder, size in (("pred", 1.0), ("other", 0.5)):
                moved = true.copy().apply_translation([0, 0, size * rng.uniform(1, 3)])
                moved.export(root / folder / f"person_{number}_{yaw:03d}.ply")
    body().apply_scale(100).export(root / "truth" / "unseen.stl")
    body().export(root / "pred" / "stranger.obj")
    return root


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_files_are_matched_by_name(folders):
    pairs, left = match_files(find_meshes(folders / "pred"), find_meshes(folders / "truth"), folders, folders)
    assert left == {"stranger": "no true mesh of that name"}
    assert len(pairs) == 11
    by_key = {pair.key: pair for pair in pairs}
    assert by_key["person_4_180"].true == folders / "truth" / "person_4" / "scan.ply"
    assert by_key["unseen"].predicted is None
    with pytest.raises(InputError, match="nowhere: cannot be listed"):
        find_meshes(folders / "truth" / "nowhere")


def test_from_the_command_to_the_page(folders):
    options = ("--pred", folders / "pred", "--truth", folders / "truth", "--points", 1000, "--jobs", 1)
    out = folders / "out"
    outcome = run("eval", *options, "--metrics", "chamfer", "p2s", "--out", out)
    assert outcome.exit_code == 3, outcome.output  # one truth has no prediction
    assert "person_2_180" in outcome.output
    assert "no true mesh of that name" in outcome.output
    assert "taken to be in cm" in outcome.output
    content = json.loads((out / "result.json").read_text())
    assert content["settings"]["unit"] == "cm"
    assert content["settings"]["protocol"] == "mpc"
    views = {view["key"]: view for view in content["views"]}
    assert views["unseen"]["failure"].endswith("has no prediction")
    assert views["person_1_180"]["yaw_deg"] == 180.0
    assert views["person_0_000"]["notes"]["true_height_m"] == pytest.approx(1.6, rel=1e-3)
    assert 0.2 < views["person_0_000"]["scores"]["chamfer"]["value"] < 3
    page = (out / "report.html").read_text()
    assert 'class="viewer"' in page
    assert "unseen failed" in page
    assert not re.search(r'(src|href)="(?!data:image/|#)|<link|https?://|url\(|@import', page)


def test_the_same_numbers_resumed_and_by_two_processes(folders):
    options = {"points": 500, "unit": "cm"}
    one = measure_folders(folders / "pred", folders / "truth", folders / "one", jobs=1, **options)
    lines = (folders / "one" / "records.jsonl").read_text().splitlines()
    (folders / "one" / "records.jsonl").write_text("\n".join(lines[:4]) + "\n")
    resumed = measure_folders(folders / "pred", folders / "truth", folders / "one", jobs=2, **options)
    assert [(r.key, r.scores) for r in resumed.records] == [(r.key, r.scores) for r in one.records]
    kept = {json.loads(line)["key"]: json.loads(line)["seconds"] for line in lines[:4]}
    assert all(r.seconds == kept[r.key] for r in resumed.records if r.key in kept)


def test_protocols_and_alignment_from_the_command(folders):
    options = ("--pred", folders / "pred", "--truth", folders / "truth", "--no-report", "--jobs", 1)
    outcome = run("eval", *options, "--protocol", "icon", "--align", "z", "--out", folders / "icon")
    assert outcome.exit_code == 3, outcome.output
    assert "protocol icon" in outcome.output
    assert "True points to predicted surface" in outcome.output
    means = json.loads((folders / "icon" / "result.json").read_text())["overall"]["means"]
    assert means["p2s"] < 0.05  # predictions were only shifted along z
    for arguments, words in (
        (("--protocol", "icom"), "did you mean icon"),
        (("--protocol", "icon", "--metrics", "fscore"), "has no metric 'fscore'"),
        (("--metrics", "chamfre"), "did you mean chamfer"),
    ):
        outcome = run("eval", *options, "--out", folders / "wrong", *arguments)
        assert outcome.exit_code == 2
        assert words in outcome.output
    assert "belong together" in run("eval", "--pred", folders / "pred").output
    assert "belong together" in run("eval", "--truth", folders / "truth").output


def test_options_that_a_mode_ignores_are_named(folders):
    both = ("--pred", folders / "pred", "--truth", folders / "truth")
    compare = ("--compare", folders / "pred", folders / "other")
    for arguments, ignored, mode in (
        ((*both, "--split", "val", "--largest-component"), ["--split", "--largest-component"], "with --pred"),
        ((*both, "--resolution", 257, "--views", 1), ["--views", "--resolution"], "with --pred"),
        ((*both, "--run", folders, "--shards", folders), ["--run", "--shards"], "with --pred"),
        ((*compare, "--metrics", "chamfer", "p2s"), ["--metrics"], "with --compare"),
        ((*compare, "--no-report", "--jobs", 2), ["--report/--no-report", "--jobs"], "with --compare"),
        ((*compare, *both), ["--pred", "--truth"], "with --compare"),
        (("--unit", "cm", "--out", folders), ["--unit"], "without --pred or --compare"),
    ):
        outcome = run("eval", *arguments)
        assert outcome.exit_code == 2, outcome.output
        message = outcome.output.split("Error: ")[1].strip()
        assert message == f"{', '.join(ignored)}: no effect {mode}"


def test_units_are_told_from_the_size_of_people(folders, tmp_path):
    assert guess_unit([folders / "truth" / "person_0.obj"]) == "cm"
    body().export(tmp_path / "m.obj")
    assert guess_unit([tmp_path / "m.obj"]) == "m"
    body().apply_scale(8).export(tmp_path / "odd.obj")
    with pytest.raises(SettingsError, match="say --unit m"):
        guess_unit([tmp_path / "odd.obj"])


def test_a_better_run_is_told_from_chance(folders):
    for name in ("pred", "other"):
        measure_folders(folders / name, folders / "truth", folders / f"c-{name}", points=500, unit="cm")
    outcome = run("eval", "--compare", folders / "c-pred", folders / "c-other", "--out", folders / "cmp")
    assert outcome.exit_code == 0, outcome.output
    assert "10 views of 5 subjects" in outcome.output
    comparison = compare_results([folders / "c-pred", folders / "c-other"])
    first, second = comparison.differences["chamfer"]
    assert second.difference == pytest.approx(second.mean - first.mean)
    assert second.difference_interval[0] < second.difference < second.difference_interval[1] < 0
    assert second.p_value == pytest.approx(2 / 2**5)  # the least that five subjects can give
    assert comparison.left_out == ("unseen",)
    page = (folders / "cmp" / "compare.html").read_text()
    assert "c-pred" in page or "pred" in page
    assert not re.search(r'(src|href)="(?!data:image/|#)|<link|https?://', page)
    measure_folders(folders / "pred", folders / "truth", folders / "c-icon", protocol="icon", unit="cm")
    with pytest.raises(SettingsError, match="protocol is icon, but mpc"):
        compare_results([folders / "c-pred", folders / "c-icon"])
    with pytest.raises(SettingsError, match="at least two"):
        compare_results([folders / "c-pred"])
    with pytest.raises(InputError, match=r"holds no result\.json"):
        compare_results([folders / "c-pred", folders])


def test_the_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    hits = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        low, high = bootstrap_interval(rng.normal(3.0, 1.0, 40), rng, resamples=500)
        hits += low <= 3.0 <= high
    assert 175 <= hits <= 198  # 95 % of 200, with the bootstrap's known shortfall at 40


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_scipy_gives_the_figures_of_a_direct_enumeration(count):
    """All 2^N patterns of signs, and the quantiles of the means of the same resamples, written out."""
    for seed in range(5):
        values = np.random.default_rng(seed).normal(0.4, 1.0, count)
        means = [np.mean(np.array(signs) * values) for signs in itertools.product((-1, 1), repeat=count)]
        share = np.mean([abs(mean) >= abs(values.mean()) - 1e-12 for mean in means])
        assert sign_flip_p(values, np.random.default_rng(0)) == pytest.approx(share, rel=1e-12)
        draws = values[np.random.default_rng(7).integers(count, size=(10_000, count))].mean(axis=1)
        expected = np.quantile(draws, (0.025, 0.975))
        assert bootstrap_interval(values, np.random.default_rng(7)) == pytest.approx(expected, rel=1e-12)


def test_one_subject_has_no_spread_and_no_p_value():
    assert bootstrap_interval(np.array([3.0]), np.random.default_rng(0)) == (3.0, 3.0)
    assert sign_flip_p(np.array([3.0]), np.random.default_rng(0)) == 1.0
    assert [least_p(count) for count in (1, 2, 5, 13)] == [1.0, 0.5, 2 / 32, 2 / 2**13]
    many = np.random.default_rng(0).normal(9.0, 0.1, 40)
    assert sign_flip_p(many, np.random.default_rng(0)) == pytest.approx(least_p(40))


def test_flipping_signs_is_exact_for_few_and_right_for_many():
    assert sign_flip_p(np.array([1.0, 2.0, 3.0]), np.random.default_rng(0)) == pytest.approx(2 / 8)
    assert sign_flip_p(np.array([1.0, -1.0]), np.random.default_rng(0)) == 1.0
    p_values = [
        sign_flip_p(np.random.default_rng(seed).normal(size=30), np.random.default_rng(seed), resamples=400)
        for seed in range(100)
    ]
    assert 0 <= sum(p < 0.05 for p in p_values) <= 12
    assert sign_flip_p(np.random.default_rng(0).normal(2.0, size=30), np.random.default_rng(0)) < 1e-3
