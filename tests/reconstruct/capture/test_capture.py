"""`mpc reconstruct`: framing, inputs and files against closed forms and other readers; the command end to end."""

import shutil
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest
import trimesh
from PIL import Image

from mpc.core.errors import InputError, SettingsError
from mpc.core.files import write_json
from mpc.core.progress import NoProgress
from mpc.geometry.camera import OrthographicCamera, project, view_to_pixels
from mpc.models.runs import load_run
from mpc.reconstruct.capture import capture as capture_module
from mpc.reconstruct.capture import frame_pictures as frame_pictures_module
from mpc.reconstruct.capture.capture import capture
from mpc.reconstruct.capture.film_reader import FilmHead, read_frames
from mpc.reconstruct.capture.framing import FramingError, cut, frame_person, keep_frame
from mpc.reconstruct.capture.panels import FieldRenderer, MeshRenderer, turned
from mpc.reconstruct.capture.pictures import Source, find_sources, read_picture
from mpc.reconstruct.capture.settings import CaptureSettings
from mpc.reconstruct.localise.localise import localise
from mpc.reconstruct.picture_to_mesh import mesh_of_grid
from mpc.reconstruct.view_field import CPU_BATCH, ViewEncoder, batch_occupancy, batch_points
from support.reconstructing import invoke
from support.toy_run import red_person as person


def test_framing_puts_the_masks_box_where_training_puts_a_person_of_that_height():
    framing = frame_person(person(), extent_m=2.4, height_m=1.6)
    assert framing.pixels_per_metre == 100
    corners = np.array([[-0.2, 0.0, 0.3], [0.2, 1.6, -0.1]])  # feet at the left, head at the right, any depth
    pixels = view_to_pixels(project(corners, framing.calibration), 240, 240)
    assert np.allclose(pixels, [[199.5, 99.5], [39.5, 139.5]])  # of the square: 240 pixels, 20 above the picture's top
    square = cut(person(), framing, 240)
    assert np.array_equal(np.argwhere(square[..., 3] > 0)[[0, -1]], [[40, 100], [199, 139]])
    assert square[100, 120].tolist() == [180, 30, 40, 255]
    assert not square[0, 0].any()
    assert "1.6 m" in framing.assumption


def test_cutting_averages_areas_and_lets_no_background_in():
    framing = frame_person(person(box=(21, 181, 61, 101)), extent_m=2.4, height_m=1.6)
    small = cut(person(box=(21, 181, 61, 101)), framing, 80)
    whole = small[..., 3] == 255
    assert (small[small[..., 3] > 0][:, :3] == (180, 30, 40)).all()
    assert whole.sum() == 52 * 12  # whole pixels of 53.3 x 13.3
    assert small[..., 3].sum() / 255 == pytest.approx(160 * 40 / 9, rel=0.01)


def test_a_wide_person_fits_and_a_cut_off_one_is_said():
    wide = frame_person(person(box=(90, 110, 0, 160)), extent_m=2.4, height_m=1.7)
    assert 160 / wide.pixels_per_metre == pytest.approx(2.4 * 0.96)
    assert "just fits" in wide.assumption
    assert "left and right edge" in wide.assumption
    with pytest.raises(FramingError, match="empty"):
        frame_person(np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(SettingsError, match="height"):
        frame_person(person(), height_m=2.5)


def test_later_frames_of_a_film_keep_the_scale_and_move_in_the_world():
    first = frame_person(person(), height_m=1.6)
    crouching = frame_person(person(box=(100, 180, 80, 120)), height_m=1.6, like=first)
    assert crouching.pixels_per_metre == first.pixels_per_metre
    assert np.allclose(crouching.centre_world, (0.2, 0.4, 0.0))  # 20 pixels to the right, half as tall, on the ground


def test_kept_framing_wants_a_square():
    framing = keep_frame(np.zeros((64, 64, 4), np.uint8))
    assert np.array_equal(cut(np.full((64, 64, 4), 9, np.uint8), framing, 64), np.full((64, 64, 4), 9, np.uint8))
    with pytest.raises(FramingError, match="square"):
        keep_frame(np.zeros((64, 48, 4), np.uint8))


def test_inputs_and_what_is_wrong_with_them(tmp_path):
    rgba, folder = person(), tmp_path / "in"
    folder.mkdir()
    Image.fromarray(rgba).save(folder / "b.png")
    Image.fromarray(rgba[..., :3]).save(folder / "a.bmp")
    Image.fromarray(rgba[..., 3] // 255).save(tmp_path / "mask.png")  # of 0 and 1
    (folder / "notes.txt").write_text("")
    assert [source.path.name for source in find_sources([folder])] == ["a.bmp", "b.png"]
    assert np.array_equal(read_picture(folder / "b.png"), rgba)
    assert np.array_equal(read_picture(folder / "a.bmp", tmp_path / "mask.png"), rgba)
    # Without a mask, or with one that says nothing, there are three channels.
    assert np.array_equal(read_picture(folder / "a.bmp"), rgba[..., :3])
    Image.fromarray(rgba | np.array([0, 0, 0, 255], np.uint8)).save(tmp_path / "opaque.png")
    assert np.array_equal(read_picture(tmp_path / "opaque.png"), rgba[..., :3])
    for path, reason in (
        (folder / "c.png", "no such"),
        (folder / "notes.txt", "picture"),
    ):
        with pytest.raises(InputError, match=reason):
            read_picture(path)
    Image.fromarray(rgba[:50, :, 3]).save(tmp_path / "small.png")
    with pytest.raises(InputError, match="160 x 50"):
        read_picture(folder / "a.bmp", tmp_path / "small.png")
    with pytest.raises(InputError, match="one mask for 2"):
        find_sources([folder], tmp_path / "mask.png")
    with pytest.raises(InputError, match="no mask named a"):
        find_sources([folder], tmp_path)
    with pytest.raises(InputError, match="neither"):
        find_sources([folder / "notes.txt"])


def test_pictures_encoded_together_answer_as_alone(run_folder):
    run = load_run(run_folder)
    pictures = [
        cut(person(box=box), frame_person(person(box=box)), 32) for box in ((20, 180, 60, 100), (50, 90, 0, 50))
    ]
    views = ViewEncoder(run.surface, run.texture, batch=64).encode(pictures)
    points = np.random.default_rng(0).uniform(-1, 1, (300, 3)).astype(np.float32)
    owner = np.repeat([0, 1], [100, 200])
    together = batch_occupancy(views)(points, owner)
    alone = np.concatenate([views[0].occupancy(points[:100]), views[1].occupancy(points[100:])])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(views[0].occupancy(points[100:]) - alone[100:]).max() > 1e-3
    sizes = [batch_points(run.surface, run.texture, memory) for memory in (1, 3e6, 5e6, 1e12)]
    assert sizes == sorted(set(sizes))
    assert (sizes[0], sizes[-1]) == (1024, CPU_BATCH)


def test_the_command_on_pictures_masks_and_folders(run_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MPC_CACHE", str(tmp_path / "nothing was fetched"))
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(person()).save(folder / "anna.png")
    Image.fromarray(person()[..., :3]).save(folder / "bob.png")
    output = invoke(run_folder, folder, "--out", tmp_path / "out", "--format", "glb", "--format", "ply", code=3)
    assert "anna.png: assumed 1.7 m" in output
    assert "bob.png" in output
    assert "`mpc fetch`" in output
    assert "1 reconstructed, 1 failed" in output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["anna.gif", "anna.glb", "anna.ply", "anna.png"]
    mesh = trimesh.load(tmp_path / "out" / "anna.ply", process=False)
    assert np.abs(mesh.vertices - [0, 0.85, 0]).max() <= 1.2001  # within the cube that stands on the ground
    assert len(np.unique(mesh.visual.vertex_colors, axis=0)) > 5
    assert np.abs(mesh.vertices[:, 0]).max() < 0.4  # the mask is 0.425 m wide: beside it there is nobody
    assert iio.imread(tmp_path / "out" / "anna.png").shape == (32, 5 * 32, 3)
    assert len(iio.imread(tmp_path / "out" / "anna.gif")) == 3
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.fromarray(person()[..., 3]).save(masks / "bob.png")
    assert "1 reconstructed" in invoke(run_folder, folder / "bob.png", "--mask", masks, "--out", tmp_path / "two")
    assert (tmp_path / "two" / "bob.glb").read_bytes() == (tmp_path / "out" / "anna.glb").read_bytes()


def test_the_command_on_films(run_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MPC_CACHE", str(tmp_path / "nothing was fetched"))
    pytest.importorskip("av", reason="films need PyAV (the extra films)")
    from mpc.reconstruct.capture.films import FilmWriter

    boxes = [(20, 180, 60, 100), (20, 180, 64, 104), (0, 0, 0, 0)]
    with FilmWriter(tmp_path / "walk.mp4", 10) as film, FilmWriter(tmp_path / "mask.mp4", 10) as mask:
        for box in boxes:
            film.add(person(box=box)[..., :3])
            mask.add(np.repeat(person(box=box)[..., 3:], 3, axis=2))
    frames = list(read_frames(Source(tmp_path / "walk.mp4", tmp_path / "mask.mp4")))
    assert [number for number, _, _ in frames] == [0, 1, 2]
    assert np.allclose([seconds for _, seconds, _ in frames], [0, 0.1, 0.2])
    assert (frames[1][2][..., 3] > 127).sum() == pytest.approx(160 * 40, rel=0.02)
    assert np.abs(frames[0][2][100, 80, :3].astype(int) - (180, 30, 40)).max() < 16
    words = (tmp_path / "walk.mp4", "--out", tmp_path / "out")
    output = invoke(run_folder, *words, "--mask", tmp_path / "mask.mp4", "--mode", "fast", "--resolution", 65, code=3)
    assert "frame 2: the mask is empty" in output
    names = ["film.json", "walk_000000.glb", "walk_000001.glb"]
    assert sorted(p.name for p in (tmp_path / "out" / "walk").iterdir()) == names
    assert len(list(read_frames(Source(tmp_path / "out" / "walk.mp4", tmp_path / "out" / "walk.mp4")))) == 2
    assert "`mpc fetch`" in invoke(run_folder, *words[:2], tmp_path / "alone", code=3)
    (tmp_path / "walk.mp4").write_bytes(b"nonsense")
    assert "not readable as a film" in invoke(run_folder, *words, code=3)


def test_a_mesh_is_drawn_as_its_field_is(run_folder):
    """A coloured ball whose colours are its positions: drawn from triangles and by rays through the field."""

    class Ball:
        texture_features = True

        def occupancy(self, points):
            return 1 / (1 + np.exp(np.clip((np.linalg.norm(points, axis=1) - 0.6) / 0.01, -50, 50)))

        def colours(self, points):
            return points * 0.5 + 0.5

    calibration = OrthographicCamera((0.2, 0.9, -0.1), 2.0, 30.0).calibration
    sight = FieldRenderer(localise(Ball().occupancy, 129), Ball(), calibration)
    drawn = MeshRenderer(mesh_of_grid(sight.grid, sight.view, calibration), calibration)
    camera = OrthographicCamera((0.2, 0.9, -0.1), 2.2, 75.0, 10.0)
    for normals in (False, True):
        pictures = [of.draw(camera, 120, normals=normals, samples=2).astype(int) for of in (sight, drawn)]
        apart = np.abs(pictures[0] - pictures[1]).max(axis=-1)
        assert np.quantile(apart, 0.95) <= 3  # the rest is the edge
        assert pictures[0].std() > 30
    frames = list(drawn.turntable(camera, 40, 6))
    assert np.array_equal(frames[2], drawn.draw(turned(camera, 120), 40))


def test_the_cube_is_the_runs_unless_told(run_folder, tmp_path):
    record = {"created": "2026", "settings": {"image_size": 32}, "data": {"extent_m": 3.1, "fov_deg": 40.0}}
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    old = load_run(run)
    assert (old.extent_m, old.fov_deg) == (None, 0.0)
    write_json(run / "run.json", record)
    loaded = load_run(run)
    assert (loaded.extent_m, loaded.fov_deg) == (3.1, 40.0)
    Image.fromarray(person(box=(10, 190, 50, 110))).save(tmp_path / "p.png")
    # 2.5 m do not fit into 2.4 m.
    settings = CaptureSettings(resolution=33, height_m=2.5, turntable="none", size=32)
    source = [Source(tmp_path / "p.png")]
    assert "2.5" in capture(old, source, tmp_path / "a", settings).failures[0][1]
    assert "at most 2.3" in capture(old, source, tmp_path / "a", settings).failures[0][1]
    failures = capture(loaded, source, tmp_path / "b", settings).failures
    assert all("surface" in reason for _, reason in failures)  # weights are random: at most, nobody is seen
    assert "1.92" in capture(loaded, source, tmp_path / "c", replace(settings, extent_m=2.0)).failures[0][1]


class Recorded(NoProgress):
    """Keeps what is advanced and said, in order."""

    def __init__(self):
        self.events = []

    def advance(self, count=1, note=""):
        self.events.append((count, note))

    def message(self, text):
        self.events.append(text.partition(":")[0])


@pytest.mark.parametrize("batch", [1, 3])
def test_every_picture_is_counted_once_whatever_becomes_of_it(run_folder, tmp_path, batch, monkeypatch):
    monkeypatch.setenv("MPC_CACHE", str(tmp_path / "nothing was fetched"))
    pictures = {"a.png": person(), "b.png": person()[..., :3], "c.png": person(), "d.png": person()}
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / name)
    progress, sources = Recorded(), find_sources([tmp_path])
    settings = CaptureSettings(resolution=33, size=16, turntable="none", batch=batch)
    summary = capture(load_run(run_folder), sources, tmp_path / "out", settings, progress=progress)
    assert [one.name for one in summary.done] == ["a", "c", "d"]
    assert [(one.name, "`mpc fetch`" in one.reason) for one in summary.failures] == [("b.png", True)]
    alone = ["a.png", (1, "a"), (1, "b.png failed"), "c.png", (1, "c"), "d.png", (1, "d")]
    together = ["a.png", (1, "b.png failed"), "c.png", "d.png", (1, "a"), (1, "c"), (1, "d")]
    assert progress.events == (alone if batch == 1 else together)


def test_frames_before_a_film_breaks_are_reported(run_folder, tmp_path, monkeypatch):
    class Film:
        """Takes the place of the writer, which needs PyAV."""

        def __init__(self, path, rate):
            self.frames, self.broken = 0, False
            films.append(self)

        def __enter__(self):
            return self

        def add(self, picture, seconds):
            self.frames += 1

        def __exit__(self, kind, error, trace):
            self.broken = kind is not None

    def frames(source, every):
        yield 0, 0.0, person()
        yield 1, 0.1, person() * np.array([1, 1, 1, 0], np.uint8)
        raise InputError(source.path, "ends in the middle of a frame")

    films = []
    (tmp_path / "walk.mp4").write_bytes(b"a film")
    monkeypatch.setattr(capture_module, "FilmWriter", Film)
    monkeypatch.setattr(capture_module, "read_film_head", lambda path: FilmHead(10.0, 5))
    monkeypatch.setattr(frame_pictures_module, "read_frames", frames)
    progress = Recorded()
    settings = CaptureSettings(resolution=33, size=16)
    sources = [Source(tmp_path / "walk.mp4")]
    summary = capture(load_run(run_folder), sources, tmp_path / "out", settings, progress=progress)
    assert [one.name for one in summary.done] == ["walk_000000"]
    assert [one.name for one in summary.failures] == ["walk.mp4 frame 1", "walk.mp4"]
    assert "middle of a frame" in summary.failures[1].reason
    assert (tmp_path / "out" / "walk" / "walk_000000.glb").is_file()
    assert [(film.frames, film.broken) for film in films] == [(1, True)]
    assert progress.events == ["walk.mp4", (1, "walk_000000"), (1, "walk.mp4 frame 1 failed")]
