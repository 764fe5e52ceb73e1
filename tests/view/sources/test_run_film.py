"""A run and the result of a film as they are viewed: read from their records, finished or not."""

import json

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.formats.mesh_files import write_mesh
from mpc.formats.png import write_png
from mpc.geometry.mesh import PosedMesh
from mpc.view.recognise import open_source
from mpc.view.sources.run import CURVES, PERSON


def shown(source, name, **chosen):
    values = {control.name: control.value(chosen) for control in source.controls(name, chosen)}
    return source.show(name, values)


@pytest.fixture
def run(tmp_path):
    """A run of two stages, with two pictures and a hard view."""
    hardest = [{"scene": "ball_1/scan_0000", "view": "090", "score": 0.25, "drawn": 7}]
    record = {"status": "finished", "created": "2026-11-30T12:11:42.004", "settings": {"preset": "tiny"},
              "data": {"train_views": 20, "val_views": 4},
              "stages": {"surface": {"steps": 40, "seconds": 120.0, "val_iou": 0.5, "hardest": hardest}}}  # fmt: skip
    folder = tmp_path / "run"
    for stage, step in (("maps", 20), ("surface", 5), ("surface", 40)):
        (folder / stage / "pictures").mkdir(parents=True, exist_ok=True)
        write_png(folder / stage / "pictures" / f"{step:06d}.png", np.full((4, 16, 3), step, np.uint8))
    (folder / "run.json").write_text(json.dumps(record))
    lines = [{"stage": stage, "step": step, "loss": 1 / step, "val_front_cm": 3.0, "val_front_deg": 30.0}
             for stage in ("maps", "surface") for step in (10, 20)]  # fmt: skip
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"cut')
    return folder


def test_a_run_shows_its_curves_and_its_person_at_each_checkpoint(run):
    source = open_source(run.parent)  # a folder of runs: the newest
    assert source.names() == (CURVES, PERSON, "hardest surface 01 ball_1/scan_0000 090")
    curves = shown(source, CURVES)
    for title in ("Maps: loss", "Maps: depth", "Maps: normals", "Surface: loss", "Surface: IoU"):
        assert title in curves.charts
    assert curves.facts["surface"] == "40 steps in 2 min, IoU 0.500 on held-out views"
    (control,) = source.controls(PERSON, {})
    assert control.values == ("maps 20", "surface 5", "surface 40")
    content = shown(source, PERSON, checkpoint="surface 40")
    assert (content.pictures[0].pixels[..., :3] == 40).all()
    assert (content.bounds[1] - content.bounds[0])[:2] == pytest.approx([4 * 1.8, 1.8])
    assert content.bodies == ()
    # The person in space, where training has left its surface.
    corners = np.array([[0.0, 0, 0], [0.5, 0, 0], [0, 1.5, 0]])
    write_mesh(run / "surface" / "pictures" / "000040.glb", PosedMesh(corners, np.array([[0, 1, 2]], np.int32)))
    content = shown(source, PERSON, checkpoint="surface 40")
    assert content.bodies[0].mesh.vertices == pytest.approx(corners)
    assert content.boards == ()
    assert (content.pictures[0].pixels[..., :3] == 40).all()
    assert shown(source, PERSON, checkpoint="surface 5").bodies == ()
    hard = shown(source, source.names()[2])
    assert hard.facts["score"] == "IoU 0.250, drawn 7 times"
    assert "--shards" in hard.remarks[0]


def test_a_run_that_has_only_begun_is_shown(run):
    for path in (run / "surface" / "pictures").iterdir():
        path.unlink()
    for path in (run / "maps" / "pictures").iterdir():
        path.unlink()
    (run / "log.jsonl").unlink()
    (run / "run.json").write_text("{}")
    source = open_source(run)
    assert source.names() == (CURVES,)
    assert shown(source, CURVES).facts["state"] == "unknown"
    with pytest.raises(InputError, match="no pictures of a held-out person yet"):
        shown(source, PERSON)


def write_frame(folder, number):
    mesh = PosedMesh(np.eye(3) * (number + 1.0), np.array([[0, 1, 2]], np.int32))
    write_mesh(folder / f"walk_{number:04d}.ply", mesh)
    return {"name": f"walk_{number:04d}", "seconds": number / 20, "assumption": "1.75 m tall"}


def test_a_film_plays_its_frames_in_order_at_its_rate(tmp_path):
    folder = tmp_path / "walk"
    folder.mkdir()
    frames = [write_frame(folder, number) for number in (2, 0, 1)]
    record = {"format": "mpc-film", "source": "walk.mp4", "frames": frames, "failures": [["walk_0003", "nobody"]]}
    (folder / "film.json").write_text(json.dumps(record))
    source = open_source(folder)
    (control,) = source.controls("walk", {})
    assert list(control.values) == ["walk_0000", "walk_0001", "walk_0002"]
    assert control.rate == pytest.approx(20.0)
    content = shown(source, "walk", frame="walk_0002")
    assert content.bodies[0].mesh.vertices == pytest.approx(np.eye(3) * 3.0)
    assert content.facts["frame"] == "walk_0002 at 0.10 s"
    assert content.remarks == ["walk_0003: nobody"]
    (folder / "walk_0001.ply").unlink()
    with pytest.raises(InputError, match="walk_0001: the mesh of the frame is gone"):
        shown(source, "walk", frame="walk_0001")


def test_a_film_that_is_being_made_shows_the_frames_so_far(tmp_path):
    folder = tmp_path / "walk"
    (folder / ".unfinished").mkdir(parents=True)
    (folder / ".unfinished" / "film.json").write_text(json.dumps({"source": "walk.mp4"}))
    source = open_source(folder)
    with pytest.raises(InputError, match="no frame of the film is finished yet"):
        source.controls("walk", {})
    for number in range(2):
        frame = write_frame(folder, number)
        (folder / ".unfinished" / f"walk_{number:04d}.json").write_text(json.dumps(frame))
        (control,) = source.controls("walk", {})
        assert len(control.values) == number + 1
    assert any("not finished" in remark for remark in shown(source, "walk").remarks)
