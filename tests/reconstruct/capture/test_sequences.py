"""`mpc reconstruct --sequence`: a film as one animated GLB and as a turntable film of the person who moves."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import SettingsError
from mpc.formats.mesh_files import read_mesh, write_mesh
from mpc.geometry.mesh import PosedMesh
from mpc.models.runs import load_run
from mpc.reconstruct.capture import capture as capture_module
from mpc.reconstruct.capture.capture import capture
from mpc.reconstruct.capture.film_reader import read_frames
from mpc.reconstruct.capture.film_record import FrameRecord
from mpc.reconstruct.capture.pictures import Source
from mpc.reconstruct.capture.sequences import write_sequence
from mpc.reconstruct.capture.settings import CaptureSettings
from support.films import write_film
from support.sequence_files import scales_at
from support.stops import stop_at_call
from support.toy_run import red_person

pytest.importorskip("av", reason="films need PyAV (the extra films)")

SETTINGS = CaptureSettings(resolution=33, size=32, sequence=True)


def walk(folder, rate=10):
    """A film of a person and its mask; nobody is in the second frame."""
    boxes = [(20, 180, 40, 80), (0, 0, 0, 0), (20, 180, 60, 100), (20, 180, 80, 120)]
    write_film(folder / "walk.mp4", [red_person(box=box)[..., :3] for box in boxes], rate=rate)
    write_film(folder / "mask.mp4", [np.repeat(red_person(box=box)[..., 3:], 3, axis=2) for box in boxes], rate=rate)
    return Source(folder / "walk.mp4", folder / "mask.mp4")


def test_a_film_becomes_one_animation_and_a_turntable_film(run_folder, tmp_path):
    source, out = walk(tmp_path), tmp_path / "out"
    summary = capture(load_run(run_folder), [source], out, SETTINGS)
    assert [one.name for one in summary.failures] == ["walk.mp4 frame 1"]
    names = ["mask.mp4", "out", "walk.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert sorted(path.name for path in out.iterdir()) == ["walk", "walk.glb", "walk.mp4", "walk_turntable.mp4"]
    # Frame 0 is shown until frame 2 begins, at 0.2 s.
    for seconds, shown in ((0.0, 0), (0.15, 0), (0.21, 1), (0.31, 2), (0.4, 2)):
        assert [scale[0] for scale in scales_at(out / "walk.glb", seconds)] == [float(n == shown) for n in range(3)]
    scene = trimesh.load(out / "walk.glb")
    for number in (0, 2, 3):
        alone = trimesh.load(out / "walk" / f"walk_{number:06d}.glb", force="mesh")
        assert np.array_equal(scene.geometry[f"walk_{number:06d}"].vertices, alone.vertices)
    frames = list(read_frames(Source(out / "walk_turntable.mp4", whole=True)))
    assert np.allclose([seconds for _, seconds, _ in frames], [0, 0.2, 0.3])
    assert frames[0][2].shape[:2] == (32, 32)


def test_a_stopped_sequence_goes_on_and_a_finished_film_gets_one(run_folder, tmp_path, monkeypatch):
    run, source, out = load_run(run_folder), walk(tmp_path), tmp_path / "out"
    capture(run, [source], out, replace(SETTINGS, sequence=False))
    assert not (out / "walk.glb").exists()
    meshes = {path: path.stat().st_mtime_ns for path in (out / "walk").glob("*.glb")}
    with monkeypatch.context() as patch:
        stop_at_call(patch, capture_module, "write_sequence", 0)
        with pytest.raises(KeyboardInterrupt):
            capture(run, [source], out, SETTINGS)
    summary = capture(run, [source], out, SETTINGS)
    assert [one.kept for one in summary.done] == [True] * 3
    assert [one.name for one in summary.failures] == ["walk.mp4 frame 1"]
    assert all(path.stat().st_mtime_ns == made for path, made in meshes.items())
    made = (out / "walk.glb").stat().st_mtime_ns
    before = {path.name: path.read_bytes() for path in out.glob("walk*.*")}
    capture(run, [source], out, SETTINGS)
    assert (out / "walk.glb").stat().st_mtime_ns == made
    capture(run, [source], tmp_path / "at once", SETTINGS)
    assert {path.name: path.read_bytes() for path in (tmp_path / "at once").glob("walk*.*")} == before


def test_the_turntable_film_turns_and_the_person_moves_in_it(tmp_path):
    """A white ball moves to the right by 2 m in a film of one turn: its place follows from the camera's yaw."""
    (tmp_path / "ball").mkdir()
    ball, records = trimesh.creation.icosphere(subdivisions=3, radius=0.2), []
    for number in range(4):
        vertices = np.asarray(ball.vertices) + np.array([-1 + 2 * number / 3, 1.0, 0.0])
        colours = np.full((len(vertices), 4), 255, np.uint8) * np.array([0, 0, 0, 1], np.uint8)
        mesh = PosedMesh(vertices, np.asarray(ball.faces, np.int32), vertex_colours=colours)
        write_mesh(tmp_path / "ball" / f"ball_{number}.glb", mesh, lit=False)
        record = FrameRecord(
            name=f"ball_{number}", seconds=7.0 + number, vertices=0, faces=0, evaluations=0, assumption=""
        )
        records.append(record)
    write_sequence((tmp_path, "ball"), records, 1.0, 128)
    frames = list(read_frames(Source(tmp_path / "ball_turntable.mp4", whole=True)))
    assert np.allclose([seconds for _, seconds, _ in frames], [0, 1, 2, 3])
    extent = 1.1 * np.hypot(2.4, 0.4)
    for number, (_, _, picture) in enumerate(frames):
        rows, columns = np.nonzero(picture[..., 1] < 120)
        yaw = np.deg2rad(360 * number / 4)  # 4 s: one turn
        across = (-1 + 2 * number / 3) * np.cos(yaw)
        assert columns.mean() + 0.5 == pytest.approx(64 + across / extent * 128, abs=0.7)
        assert rows.mean() + 0.5 == pytest.approx(64, abs=0.7)
        assert len(rows) == pytest.approx(np.pi * (0.2 / extent * 128) ** 2, rel=0.1)
    assert np.array_equal(read_mesh(tmp_path / "ball.glb").vertices, read_mesh(tmp_path / "ball/ball_0.glb").vertices)


def test_what_it_needs_is_said(run_folder, tmp_path):
    with pytest.raises(SettingsError, match="GLB files, which the formats leave out"):
        CaptureSettings(sequence=True, formats=("ply",))
    source = walk(tmp_path)
    words = ["reconstruct", str(source.path), "--mask", str(source.mask), "--out", str(tmp_path / "out"), "--sequence"]
    result = CliRunner().invoke(main, [*words, "--run", str(run_folder), "--format", "ply"])
    assert (result.exit_code, "--sequence: no effect without --format glb" in result.output) == (2, True)
    (tmp_path / "one.png").write_bytes(b"")
    words[1:4] = [str(tmp_path / "one.png")]
    result = CliRunner().invoke(main, [*words, "--run", str(run_folder)])
    assert (result.exit_code, "--sequence: no effect without a film" in result.output) == (2, True)
