"""PIFu's and ICON's folders: read back by their own loaders' formulas, and by us."""

import pickle
import shutil
import tracemalloc

import numpy as np
import pytest
import trimesh
from PIL import Image

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.exchange.calibrations import from_eight_rows, from_pifu, to_eight_rows, to_pifu
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.exchange.import_folder import import_folder
from mpc.datasets.exchange.params import read_params
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.layer_files import read_picture
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.formats.png import read_png
from mpc.geometry.camera import OrthographicCamera, project, view_to_pixels
from mpc.geometry.directions import fibonacci_directions
from mpc.render.light.harmonics import sh_basis
from mpc.subjects.placement import PlacementOptions
from support.exr import read_exr

SIZE = 96
LOAD = PlacementOptions(unit="cm", up="+y", facing="+z")


@pytest.fixture(scope="module")
def renders(figures, tmp_path_factory):
    """Two textured figures, three views each, drawn by Embree."""
    models = tmp_path_factory.mktemp("two")
    for name in ("one", "two"):
        (models / name).symlink_to(figures / name)
    settings = RenderSettings(views=3, step_deg=70, offset_deg=20, pitch_deg=(10.0,), size=SIZE, rays=16)
    render_models(models, models / "renders", settings, renderer="embree", jobs=1)
    return models / "renders"


@pytest.fixture(scope="module")
def pifu(renders, tmp_path_factory):
    out = tmp_path_factory.mktemp("pifu")
    summary = export_renders(renders, out, "pifu", ratios=(0.5, 0.5, 0.0), jobs=1)
    assert (summary.written, summary.kept, summary.failures) == (2, 0, ())
    assert export_renders(renders, out, "pifu", ratios=(0.5, 0.5, 0.0), jobs=1).kept == 2
    return out


@pytest.fixture(scope="module")
def icon(renders, tmp_path_factory):
    out = tmp_path_factory.mktemp("icon") / "people"
    assert export_renders(renders, out, "icon", jobs=1).failures == ()
    return out


def pifu_calibration(param, size):
    """As lib/data/TrainDataset.py multiplies them."""
    extrinsic = np.eye(4)
    extrinsic[:3, :3] = param["R"]
    extrinsic[:3, 3] = -param["R"] @ param["center"]
    ratio = param["scale"] / param["ortho_ratio"]
    return np.diag([1 / (size // 2)] * 3 + [1]) @ np.diag([ratio, -ratio, ratio, 1]) @ extrinsic


@pytest.mark.parametrize("size", [64, 512])
def test_calibrations_go_there_and_back(size):
    rng = np.random.default_rng(size)
    for _ in range(20):
        camera = OrthographicCamera(
            tuple(rng.normal(size=3)), rng.uniform(1, 4), rng.uniform(0, 360), rng.uniform(-60, 60)
        )
        matrix = camera.calibration
        np.testing.assert_allclose(from_pifu(to_pifu(matrix, size), size), matrix, atol=1e-13)
        np.testing.assert_allclose(from_eight_rows(to_eight_rows(matrix, size)), matrix, atol=1e-13)
        rows = to_eight_rows(matrix, size)
        rows[5] *= -1  # MonoPort's first version: its loader negates this row
        np.testing.assert_allclose(from_eight_rows(rows), matrix, atol=1e-13)
    perspective = matrix.copy()
    perspective[3] = matrix[2] * 0.1
    with pytest.raises(SettingsError, match="perspective"):
        to_pifu(perspective, size)
    with pytest.raises(SettingsError, match="mirrored"):
        to_pifu(np.diag([-1.0, 1.0, 1.0, 1.0]), size)


def test_pifus_loader_sees_the_same_pixels(renders, pifu):
    scene = read_renders(renders).scenes[0]
    mesh, _ = read_scene_mesh(scene)
    name = scene.key.replace("/", "_")
    loaded = trimesh.load(pifu / "GEO" / "OBJ" / name / f"{name}_100k.obj", process=False, maintain_order=True)
    assert loaded.bounds[0, 1] == pytest.approx(0.0, abs=1e-3)
    assert 100 < loaded.bounds[1, 1] < 228
    stems = {path.stem for path in (pifu / "PARAM" / name).iterdir()}
    assert stems == {"340_10_00", "270_10_00", "200_10_00"}  # its yaw turns the person, ours the camera
    for view, stem in zip(scene.views, ("340_10_00", "270_10_00", "200_10_00"), strict=True):
        param = np.load(pifu / "PARAM" / name / f"{stem}.npy", allow_pickle=True).item()
        calibration = pifu_calibration(param, SIZE)
        theirs = trimesh.transform_points(loaded.vertices, calibration)
        ours = project(mesh.vertices, view.calibration) * [1, 1, -1]
        np.testing.assert_allclose(theirs.min(0), ours.min(0), atol=1e-5)
        np.testing.assert_allclose(theirs.max(0), ours.max(0), atol=1e-5)
        # Coloured points, visible or not, have the colour of their own light; those in front show in the picture.
        points = read_exr(pifu / "UV_POS" / name / "00.exr", 256, 256).reshape(-1, 3)
        colours = np.asarray(Image.open(pifu / "UV_RENDER" / name / f"{stem}.jpg")).reshape(-1, 3).astype(float)
        normals = np.asarray(Image.open(pifu / "UV_NORMAL" / name / "00.png")).reshape(-1, 3) / 127.5 - 1
        place = trimesh.transform_points(points, calibration)
        front = (normals @ np.asarray(param["R"]).T)[:, 2] > 0.8
        rank = np.rint(view_to_pixels(place, SIZE, SIZE)).astype(int)
        nearest = np.full((SIZE, SIZE), -np.inf)
        np.maximum.at(nearest, tuple(rank.T), place[:, 2])
        front &= place[:, 2] > nearest[tuple(rank.T)] - 0.01
        picture = np.asarray(Image.open(pifu / "RENDER" / name / f"{stem}.jpg")).astype(float)
        mask = np.asarray(Image.open(pifu / "MASK" / name / f"{stem}.png"))
        solid = front & (mask[tuple(rank.T)] == 255)
        assert solid.mean() > 0.05
        shown = picture[tuple(rank.T)][solid]
        assert np.abs(colours[solid] - shown).mean() < 20  # a pixel averages the texture's waves
        assert np.corrcoef(colours[solid].ravel(), shown.ravel())[0, 1] > 0.7
        assert np.corrcoef(colours[solid].ravel(), shown[::-1].ravel())[0, 1] < 0.5
        # The light turns with the camera: what it shines from a camera direction, ours shines from the world's.
        directions = fibonacci_directions(20)
        world = sh_basis(directions) @ view.light
        camera = sh_basis(directions @ np.asarray(param["R"]).T) @ param["sh"] * np.pi
        np.testing.assert_allclose(camera, world, atol=1e-6)
    listed = (pifu / "val.txt").read_text().split()
    assert len(listed) == 2
    assert len(set(listed)) == 1  # one name twice: NumPy would make a lone one no list


def test_icons_loader_sees_the_same_pixels(renders, icon):
    scene = read_renders(renders).scenes[1]
    mesh, _ = read_scene_mesh(scene)
    name = scene.key.replace("/", "_")
    loaded = trimesh.load(icon / "scans" / name / f"{name}.obj", process=False, maintain_order=True)
    folder = icon.parent / "people_3views" / name
    for view, stem in zip(scene.views, ("340", "270", "200"), strict=True):
        rows = np.loadtxt(folder / "calib" / f"{stem}.txt")
        theirs = trimesh.transform_points(np.asarray(loaded.vertices) * 100.0, rows[4:] @ rows[:4])
        ours = project(mesh.vertices, view.calibration) * [1, 1, -1]
        np.testing.assert_allclose(theirs.min(0), ours.min(0), atol=1e-6)
        np.testing.assert_allclose(theirs.max(0), ours.max(0), atol=1e-6)
        assert np.array_equal(read_png(folder / "render" / f"{stem}.png"), read_picture(scene, view))
        for side, sign in (("normal_F", 1), ("normal_B", -1)):
            picture = np.asarray(Image.open(folder / side / f"{stem}.png"))
            solid = picture[..., 3] > 0
            normals = picture[solid][:, :3] / 127.5 - 1
            np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=0.02)
            assert (normals[:, 2] * sign > -0.02).all()
            assert abs(normals[:, 1].mean()) < 0.4
    names = {
        line.split("/")[1] for split in ("train", "val", "test") for line in (icon / f"{split}.txt").read_text().split()
    }
    assert names == set((icon / "all.txt").read_text().split())


def test_what_was_exported_comes_back(renders, pifu, icon, tmp_path):
    originals = {scene.key.replace("/", "_"): scene for scene in read_renders(renders).scenes}
    for layout, source, load in (
        ("pifu", pifu, LOAD),
        ("icon", icon, PlacementOptions(unit="m", up="+y", facing="+z")),
    ):
        out = tmp_path / layout
        summary = import_folder(source, out, layout, load=load, rays=16, jobs=1)
        assert (summary.written, summary.failures) == (2, ())
        assert import_folder(source, out, layout, load=load, rays=16, jobs=1).kept == 2
        for scene in read_renders(out).scenes:
            original = originals[scene.subject]
            (mesh, transfer), (before, transfer_before) = read_scene_mesh(scene), read_scene_mesh(original)
            shift = mesh.bounds[0] - before.bounds[0]
            np.testing.assert_allclose(mesh.bounds - shift, before.bounds, atol=1e-6)
            assert np.abs(transfer.mean(0) - transfer_before.mean(0)).max() < 1e-3
            by_name = {view.name.split("_p")[0]: view for view in scene.views}
            for view in original.views:
                back = by_name[view.name]
                # The same place, the same pixel; the pictures are those that went out.
                ours = project(before.bounds, view.calibration)
                np.testing.assert_allclose(project(before.bounds + shift, back.calibration), ours, atol=1e-6)
                picture, sent = (read_picture(s, v).astype(int) for s, v in ((scene, back), (original, view)))
                assert np.abs(picture - sent)[sent[..., 3] == 255].mean() < (3.0 if layout == "pifu" else 1e-9)
                if layout == "pifu":
                    np.testing.assert_allclose(back.light, view.light, atol=1e-5)
                else:
                    assert "fitted" in back.light_name
                    assert float(back.light_name.split()[-1]) < 0.08
    settings = SampleSettings(near_points=800, uniform_points=400, colour_points=80)
    sampled = sample_renders(tmp_path / "pifu", tmp_path / "shards", settings, jobs=1)
    assert sampled.failures == ()


class Trap:
    def __reduce__(self):
        return print, ("this ran",)


def test_parameters_run_nothing(pifu, tmp_path, capsys):
    path = next((pifu / "PARAM").rglob("*.npy"))
    params = read_params(path)
    np.testing.assert_allclose(params["R"] @ params["R"].T, np.eye(3), atol=1e-12)
    with (tmp_path / "trap.npy").open("wb") as file:
        np.save(file, np.array({"R": Trap()}, object), allow_pickle=True)
    with pytest.raises(InputError, match=r"builtins\.print"):
        read_params(tmp_path / "trap.npy")
    assert "this ran" not in capsys.readouterr().out
    for data in (b"", b"\x93NUMPY", path.read_bytes()[:-40], pickle.dumps({"R": 1})):
        (tmp_path / "bad.npy").write_bytes(data)
        with pytest.raises(InputError, match=r"bad\.npy"):
            read_params(tmp_path / "bad.npy")


class Reserve:
    """Pickled as the call numpy.ndarray((2**27,)): a gigabyte, though the file has a few hundred bytes."""

    def __reduce__(self):
        return np.ndarray, ((1 << 27,),)


def test_parameters_with_a_call_hidden_beside_them_are_refused(pifu, tmp_path):
    """An unpickler that lets NumPy's own names be called reads such a file and reserves what it asks for."""
    path = next((pifu / "PARAM").rglob("*.npy"))
    good = np.load(path, allow_pickle=True).item()
    with (tmp_path / "hidden.npy").open("wb") as file:
        np.save(file, np.array({**good, "extra": Reserve()}, object), allow_pickle=True)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"hidden\.npy: the pickle holds more than arrays"):
            read_params(tmp_path / "hidden.npy")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_refusals_name_the_file(renders, pifu, tmp_path):
    with pytest.raises(InputError, match="no PIFu training folder"):
        import_folder(renders, tmp_path / "x", "pifu")
    with pytest.raises(InputError, match="no set of ICON's"):
        import_folder(renders, tmp_path / "x", "icon")
    with pytest.raises(InputError, match="not empty"):
        import_folder(pifu, renders.parent, "pifu")
    shutil.copytree(pifu, tmp_path / "pifu")
    broken = next((tmp_path / "pifu" / "RENDER").rglob("*.jpg"))
    broken.write_bytes(b"not a picture")
    summary = import_folder(tmp_path / "pifu", tmp_path / "out", "pifu", load=LOAD, rays=16, jobs=1)
    assert summary.written == 1
    assert broken.name in summary.failures[0][1]
