"""`mpc check` and `mpc sample` agree on every kind of fault that was reported in public.

What the one accepts the other labels, as it labels the same person without the fault.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mpc.datasets.check.models import check_models
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.reader import ShardReader
from mpc.datasets.shards.settings import SampleSettings
from support.fault_cases import Obj, person, write_obj
from support.fault_folders import CASES

# Faults about which nothing need be said: the files are as good as others.
SILENT = {"02_option_after", "02_option_space", "02_unknown_option", "03_latin1", "03_gbk", "03_windows1251",
          "11_face_colours", "51_store", "76_library_folder", "01_two_libraries"}  # fmt: skip


@pytest.mark.slow
def test_check_and_sample_agree_on_every_case(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for pose in ("arms down", "sitting"):
        write_obj(person(pose), Obj(models / pose.replace(" ", "_")))
    for name, build in CASES.items():
        build(models / name)
    reports = {report.id: report for report in check_models(models, jobs=1).reports}
    settings = RenderSettings(views=1, step_deg=360, size=16, rays=16, longest_edge_m=1.0)
    drawn = render_models(models, tmp_path / "renders", settings, renderer="embree", jobs=1)
    sampled = SampleSettings(near_points=4000, uniform_points=10, colour_points=10, meshes="all")
    sample_renders(tmp_path / "renders", tmp_path / "shards", sampled, jobs=1)
    share = {}
    for path in sorted((tmp_path / "shards").glob("*.h5")):
        shard = ShardReader(path)
        for scene in range(shard.scenes):
            rows = shard.rows(scene, "octet")
            labels = np.unpackbits(shard.read("points/inside", rows.start, rows.stop - rows.start))
            share[shard.text("scenes/subject", scene)] = labels[:4000].mean()
    assert not drawn.failures
    assert {name for name, report in reports.items() if report.error is None} == set(share)
    for name in CASES:
        plain = "sitting" if name in ("60_wall", "60_board") else "arms_down"
        if name != "22_morph":  # which is wider than the person without it
            assert share[name] == pytest.approx(share[plain], abs=0.04), name
        usual = ("spoils the test", "nobody knows which way", "plain colours")
        told = [text for text in reports[name].warnings if not any(words in text for words in usual)]
        assert bool(told) == (name not in SILENT), (name, told)
