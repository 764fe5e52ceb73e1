"""What an evaluation tells a network of the person beside the picture: landmarks, and a body."""

import shutil

import numpy as np
import pytest
import torch

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.shards.beside import ViewNumbers
from mpc.datasets.shards.bodies import BODIES
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.landmarks import ShardLandmarks, write_landmarks
from mpc.evaluate.methods import candidate as candidate_module
from mpc.evaluate.report.run_report import write_report
from mpc.evaluate.summary import format_table
from support.pillar_run import make_world, measure_run, pillar_run


@pytest.fixture(scope="module")
def world(figure_shards, tmp_path_factory):
    return make_world(figure_shards, tmp_path_factory.mktemp("told"))


def noting(world, monkeypatch, **options):
    """A function that measures the pillar on one view a person and returns the result and the networks asked."""
    pillar_run(monkeypatch, world, **options)
    made = []
    real = candidate_module.load_run
    monkeypatch.setattr(candidate_module, "load_run", lambda *args: made.append(real(*args)) or made[-1])

    def measured(**more):
        made.clear()
        result = measure_run(world, resolution=33, views_per_scene=1, points=100, fresh=True, **more)
        return result, [run.surface for run in made]

    return measured


def test_landmarks_beside_the_shards_are_told_unless_turned_off(world, monkeypatch):
    look = noting(world, monkeypatch, reads_landmarks=True)

    def measured(**more):
        result, networks = look(**more)
        given = [landmarks for network in networks for landmarks in network.given]
        return result, [None if one is None else float(one[0, 0, 0]) for one in given]

    result, given = measured()
    assert given == [None, None]
    assert "reads the person's landmarks, and was not told them" in format_table(result)
    shards = world / "shards"
    for entry in read_index(shards).shards:
        values = np.ones((entry.views, 33, 7), np.float32) * np.arange(entry.views)[:, None, None]
        write_landmarks(shards, entry, ShardLandmarks(values, np.ones(entry.views, bool)))
    told, given = measured()
    assert given == [0.0, 8.0]  # the first of each person's eight views
    assert told.settings["settings"]["landmarks"]
    assert "was told them" in format_table(told)
    off, given = measured(landmarks=False)
    assert given == [None, None]
    assert off.settings == result.settings
    out = write_report(world / "runs", shards, told, told.folder / "report.html", examples=1, worst=1)
    assert "reads the person&#x27;s landmarks, and was told them" in out.read_text()
    shutil.rmtree(shards / "landmarks")


def test_the_body_of_its_training_is_given_unless_another_is_asked_for(world, monkeypatch):
    look = noting(world, monkeypatch, body_source="fitted")

    def measured(**more):
        result, networks = look(**more)
        return result, [body for network in networks for body in network.bodies]

    lacking, given = measured()
    assert given == [None, None]
    assert "reads a body below the clothes, fitted in training, and was given none" in format_table(lacking)
    for entry in read_index(world / "shards").shards:
        codes = np.zeros((entry.views, *BODIES.shape), np.uint16)
        codes[..., 10:20, 10:20] = 20_000 + np.arange(entry.views)[:, None, None, None]
        BODIES.write(world / "shards", entry, ViewNumbers(codes, np.ones(entry.views, bool)))
    fitted, given = measured()
    for place, row in enumerate((0, 8)):  # the first of each person's eight views
        body, shown = given[place][0], torch.isfinite(given[place][0])
        assert body.shape[0] == 8
        assert shown.all(dim=0).sum() == shown[0].sum() > 0
        torch.testing.assert_close(body[:2][shown[:2]].mean(), torch.tensor((20_000 + row - 32768) / 32767))
    assert "and was given the fitted one" in format_table(fitted)
    assert measured(body="none")[1] == [None, None]
    with pytest.raises(InputError, match=r"shards: lacks the layers body_depth_front, .* \(--body known\)"):
        measured(body="known")
    shutil.rmtree(world / "shards" / "bodies")
    with pytest.raises(InputError, match=r"lacks fitted bodies; `.*` fits them \(--body fitted\)"):
        measured(body="fitted")


def test_a_body_is_asked_of_networks_that_read_one(world, monkeypatch):
    look = noting(world, monkeypatch)
    with pytest.raises(SettingsError, match=r"--body fitted: untrained reads no body; .*encoder.body=known"):
        look(body="fitted")
    result, _ = look(body="none")
    assert result.settings["settings"]["body"] == "none"
