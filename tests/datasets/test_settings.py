"""Settings of a folder are compared by content: the same files elsewhere are the same, a default is a default."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mpc.core.errors import SettingsError
from mpc.core.folders import FolderFormat, check_folder, claim_folder
from mpc.datasets.renders import folder as renders_folder
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import SampleSummary, sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.verify import verify_shards
from support.balls import make_renders

THINGS = FolderFormat("mpc-things", 1, "things")
FEW: dict[str, Any] = {"near_points": 80, "uniform_points": 80, "colour_points": 8}


def test_a_missing_setting_has_its_default_also_in_a_table(tmp_path: Path) -> None:
    claim_folder(tmp_path, THINGS, {"seed": 1, "load": {"unit": "m"}})
    missing = {"seed": 0, "size": 3, "load": {"unit": None, "up": "+y"}}
    assert check_folder(tmp_path, THINGS, {"seed": 1, "size": 3, "load": {"unit": "m", "up": "+y"}}, missing)
    with pytest.raises(SettingsError, match="size 3 -> 4"):
        check_folder(tmp_path, THINGS, {"seed": 1, "size": 4, "load": {"unit": "m", "up": "+y"}}, missing)
    with pytest.raises(SettingsError, match=r"load .*\+y.* -> .*\+z"):
        check_folder(tmp_path, THINGS, {"seed": 1, "size": 3, "load": {"unit": "m", "up": "+z"}}, missing)


def test_renders_of_a_version_that_knew_fewer_settings(tmp_path: Path) -> None:
    """Only what the first version recorded, which drew about the pelvis."""
    renders_folder.claim_folder(tmp_path, RenderSettings(centre="pelvis"))
    path = tmp_path / "settings.json"
    content = json.loads(path.read_text())
    first = ("seed", "frames_per_animation", "views", "step_deg", "size", "extent_m", "rays", "lights")
    content["settings"] = {name: content["settings"][name] for name in first}
    path.write_text(json.dumps(content))
    assert renders_folder.check_folder(tmp_path, RenderSettings(centre="pelvis"))
    for other in ({"centre": "box"}, {"layers": ("mask",)}, {"exposure_ev": 1.0}, {"pitch_deg": (20.0,)}):
        with pytest.raises(SettingsError, match=next(iter(other))):
            renders_folder.check_folder(tmp_path, RenderSettings(**{"centre": "pelvis", **other}))


def write_panorama(path: Path, top: int) -> None:
    """A flat RGBE panorama of 16 x 8 pixels, brighter above than below."""
    path.parent.mkdir(exist_ok=True)
    rows = [bytes([128, 128, 128, top])] * 64 + [bytes([128, 128, 128, 128])] * 64
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 16\n" + b"".join(rows))


def test_panoramas_are_compared_by_content(tmp_path: Path) -> None:
    for name, top in (("here", 130), ("there", 130), ("others", 131)):
        write_panorama(tmp_path / name / "sky.hdr", top)
    out = tmp_path / "out"
    renders_folder.claim_folder(out, RenderSettings(lights=tmp_path / "here"))
    assert renders_folder.check_folder(out, RenderSettings(lights=tmp_path / "there"))
    with pytest.raises(SettingsError, match="lights_sha256"):
        renders_folder.check_folder(out, RenderSettings(lights=tmp_path / "others"))
    with pytest.raises(SettingsError, match=r"lights .*here -> None"):
        renders_folder.check_folder(out, RenderSettings())


def test_of_motions_the_place_does_not_count(tmp_path: Path) -> None:
    """Their content is part of every scene of a rig, which is rendered again where it has changed."""
    out = tmp_path / "out"
    renders_folder.claim_folder(out, RenderSettings(animations=tmp_path / "a", bone_map=tmp_path / "a.toml"))
    assert renders_folder.check_folder(out, RenderSettings(animations=tmp_path / "b", bone_map=tmp_path / "b.toml"))
    with pytest.raises(SettingsError, match=r"animations .*a -> None"):
        renders_folder.check_folder(out, RenderSettings(bone_map=tmp_path / "b.toml"))


def test_a_split_file_is_compared_by_who_is_in_which_split(tmp_path: Path) -> None:
    renders = make_renders(tmp_path / "renders", balls=4)

    def sample(name: str, **lists: list[str]) -> SampleSummary:
        (tmp_path / name).write_text(json.dumps(lists))
        settings = SampleSettings(**FEW, split_file=tmp_path / name)
        return sample_renders(renders, tmp_path / "shards", settings, jobs=1)

    assert sample("a.json", train=["ball_0", "ball_1"], test=["ball_2"]).sampled == 3
    before = {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir() if path.is_file()}
    again = sample("b.json", test=["ball_2"], train=["ball_1", "ball_0"])
    assert (again.sampled, again.written_shards) == (0, 0)
    assert {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir() if path.is_file()} == before
    with pytest.raises(SettingsError, match=r"moves 1 people of .*shards/ to another split \(ball_1 train -> test\)"):
        sample("c.json", train=["ball_0"], test=["ball_1", "ball_2"])
    added = sample("d.json", train=["ball_0", "ball_1"], test=["ball_2", "ball_3"])
    assert added.scenes == 4
    assert verify_shards(tmp_path / "shards") == []
    with pytest.raises(SettingsError, match="split_file given -> None"):
        sample_renders(renders, tmp_path / "shards", SampleSettings(**FEW), jobs=1)
    shutil.rmtree(tmp_path / "shards")
    settings = SampleSettings(**FEW, split_file=tmp_path / "d.json")
    sample_renders(renders, tmp_path / "shards", settings, jobs=1)
    assert verify_shards(tmp_path / "shards") == []
