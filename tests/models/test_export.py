"""Exported programs: loaded where mpc cannot be imported, with numbers of points of their own, they say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from torch import Tensor

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.core.files import read_json, write_json
from mpc.models.export import export_run
from mpc.models.features import normalise_images
from mpc.models.runs import load_run
from mpc.models.storage import save_network
from mpc.models.surface import SurfaceNetwork
from mpc.models.texture import TextureNetwork
from support.toy_run import write_toy_run
from support.toy_runs import toy

POINTS = (2, 300, 4097)

# What a user of the programs writes. The name of this package stands for nothing there.
ELSEWHERE = """
import sys
sys.modules["mpc"] = None
import torch
from safetensors.torch import load_file, save_file
from pathlib import Path

for work in map(Path, sys.argv[1:]):
    given, out = load_file(work / "given"), {}
    load = lambda name: torch.export.load(work / "model" / f"{name}.pt2").module()
    told = [given[name] for name in ("landmarks", "body") if name in given]
    maps, colour_maps = load("surface_encode")(given["image"], *told), load("texture_encode")(given["image"])
    query, colours = load("surface_query"), load("texture_query")
    for name, points in given.items():
        if name.startswith("points"):
            out[name] = query(maps, points, given["calibration"])
            out["colours" + name] = colours(colour_maps, maps, points, given["calibration"])
    save_file({name: value.detach().contiguous() for name, value in out.items()}, work / "found")
assert not [name for name in sys.modules if name.startswith("mpc.")]
"""


def maps_run(folder: Path) -> Path:
    """A run of the shipped recipe's kind, which reads landmarks and a body, of a few thousand untrained weights."""
    settings = toy(surface_network={"encoder": {"landmarks": 4, "body": "known"}, "head": {"channels": [8]}})
    torch.manual_seed(0)
    networks = SurfaceNetwork(settings.surface_network), TextureNetwork(settings.texture_network)
    for stage, network in zip(("surface", "texture"), networks, strict=True):
        for weight in network.parameters():  # layers that begin with zeros say something, too
            weight.data += 0.05 * torch.randn_like(weight)
        save_network(folder / stage / "best.safetensors", network, network.config, step=1)
    write_json(folder / "run.json", {"created": "2026", "settings": {"image_size": 16}, "data": {"extent_m": 2.5}})
    return folder


def ask(work: Path) -> dict[str, Tensor]:
    """Export a run by the command, write a picture and points for its programs, and say what its networks answer."""
    done = CliRunner().invoke(main, ["export-model", "--run", str(work / "run"), "--out", str(work / "model")])
    assert done.exit_code == 0, done.output
    record = read_json(work / "model" / "model.json")
    assert set(record["programs"]) == {path.name for path in (work / "model").glob("*.pt2")}
    size = record["image_size"]
    generator = torch.Generator().manual_seed(0)
    given: dict[str, Tensor] = {
        "image": torch.randint(0, 256, (1, 4, size, size), generator=generator, dtype=torch.uint8),
        "calibration": torch.diag(torch.tensor([0.8, -0.8, -0.8, 1.0]))[None],
        **{f"points{count}": torch.rand(1, count, 3, generator=generator) * 2.6 - 1.3 for count in POINTS},
    }
    run = load_run(work / "run")
    assert run.texture is not None
    if run.reads_landmarks:
        given["landmarks"] = torch.randn(1, 33, 7, generator=generator)
    if run.body_source != "none":
        given["body"] = torch.randn(1, 8, size, size, generator=generator)
    save_file(given, work / "given")
    answers = {}
    with torch.no_grad():
        images = normalise_images(given["image"])
        maps, colour_maps = (
            run.surface.encode(images, given.get("landmarks"), given.get("body")),
            run.texture.encode(images),
        )
        for name in (f"points{count}" for count in POINTS):
            answers[name] = run.surface.query(maps, given[name], given["calibration"])
            answers[f"colours{name}"] = run.texture.query(colour_maps, maps, given[name], given["calibration"])
            assert 0.0 <= float(answers[name].min()) < float(answers[name].max()) <= 1.0
    return answers


@pytest.mark.slow
def test_programs_say_the_same_where_there_is_no_mpc(tmp_path: Path) -> None:
    """A run of pixel features with Soft-Z, and one of maps that reads landmarks and a body."""
    works = [tmp_path / "pixels", tmp_path / "maps"]
    write_toy_run(works[0] / "run")
    maps_run(works[1] / "run")
    expected = [ask(work) for work in works]
    subprocess.run([sys.executable, "-c", ELSEWHERE, *map(str, works)], check=True, timeout=300, cwd=tmp_path)
    for work, answers in zip(works, expected, strict=True):
        found = load_file(work / "found")
        assert found.keys() == answers.keys()
        for name, answer in answers.items():
            torch.testing.assert_close(found[name], answer, rtol=0, atol=1e-6)


def test_what_cannot_be_exported_is_told(tmp_path: Path) -> None:
    run = write_toy_run(tmp_path / "run")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match=r"holds no model\.json"):
        export_run(load_run(run), tmp_path / "notes")
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"
    write_json(run / "run.json", {"created": "2026", "settings": {}})
    with pytest.raises(InputError, match=r"run\.json: does not say how large"):
        export_run(load_run(run), tmp_path / "model")
    assert not (tmp_path / "model").exists()
