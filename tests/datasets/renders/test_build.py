"""`render_models` on real figures: settings, layers, elevations, the manifest, and the same bytes however it is run."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import SettingsError
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.dry_run import plan_renders
from mpc.datasets.renders.fit import check_fit
from mpc.datasets.renders.folder import check_folder
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.layer_files import read_layer, read_picture
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.geometry.camera import PerspectiveCamera, camera_of, pixel_centres, project
from mpc.geometry.mesh import PosedMesh
from mpc.render.light.lights import builtin_lights

SMALL = {"views": 2, "step_deg": 180.0, "size": 48, "rays": 16}


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_hdr(path, top, bottom):
    """A flat RGBE panorama of 16 x 8 pixels: grey 2^(top - 129) above, 2^(bottom - 129) below."""
    rows = [bytes([128, 128, 128, top])] * 64 + [bytes([128, 128, 128, bottom])] * 64
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 16\n" + b"".join(rows))


@pytest.fixture(scope="module")
def models(figures, tmp_path_factory):
    """Two of the figures."""
    root = tmp_path_factory.mktemp("two")
    for name in ("one", "two"):
        shutil.copytree(figures / name, root / name)
    return root


@pytest.fixture(scope="module")
def rendered(models, tmp_path_factory):
    """Perspective, two elevations, jitter and layers, with one worker."""
    out = tmp_path_factory.mktemp("rendered") / "renders"
    settings = RenderSettings(
        **SMALL, pitch_deg=(-10.0, 25.0), jitter_deg=(4.0, 3.0, 6.0), fov_deg=40.0, layers=("mask", "position")
    )
    summary = render_models(models, out, settings, renderer="embree", jobs=1)
    assert not summary.failures
    return out, settings


def test_views_carry_what_was_asked_for(rendered):
    out, settings = rendered
    scenes = read_renders(out).scenes
    assert [view.name for view in scenes[0].views] == ["000_-10", "180_-10", "000_+25", "180_+25"]
    turns = []
    for scene in scenes:
        for view, (yaw, pitch) in zip(scene.views, ((0, -10), (180, -10), (0, 25), (180, 25)), strict=True):
            camera = camera_of(view.calibration)
            assert isinstance(camera, PerspectiveCamera)
            assert np.isclose(camera.fov_deg, 40.0)
            assert np.isclose(camera.pitch_deg, view.pitch_deg)
            turn = ((camera.yaw_deg - yaw + 180) % 360 - 180, camera.pitch_deg - pitch, camera.roll_deg)
            assert (np.abs(turn) <= settings.jitter_deg).all()
            turns.append(turn)
    assert np.std(turns, axis=0).min() > 0.5, "every view has its own jitter"


def test_layers_lie_on_the_mesh_and_on_their_pixels(rendered):
    out, _ = rendered
    scene = read_renders(out).scenes[0]
    for view in scene.views:
        mask = read_layer(scene, view, "mask")
        position = read_layer(scene, view, "position")
        assert np.array_equal(mask, np.isfinite(position[..., 0]))
        assert mask.sum() > 50
        seen = project(position[mask].astype(np.float64), view.calibration)
        assert np.abs(seen[:, :2] - pixel_centres(48, 48)[mask]).max() < 1e-3


def test_the_manifest_holds_hashes_and_settings(rendered, models):
    out, _ = rendered
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == ["one/scan_0000", "two/scan_0000"]

    def sha(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    for line in lines:
        assert line["settings_sha256"] == sha(out / "settings.json")
        assert line["source_sha256"] == sha(models / line["key"].split("/")[0] / "mesh.obj")
        assert line["renderer"] == "embree"
        assert len(line["files"]) == 1 + 4 * 3  # mesh, pictures, two layers each
        assert all(sha(out / line["key"] / name) == digest for name, digest in line["files"].items())


@pytest.mark.parametrize("jobs", [2, 4])
def test_the_number_of_workers_changes_no_byte(rendered, models, tmp_path, jobs):
    out, settings = rendered
    render_models(models, tmp_path / "again", settings, renderer="embree", jobs=jobs)
    assert files_of(tmp_path / "again") == files_of(out)


def test_what_is_there_is_kept_and_a_change_is_noticed(rendered, models, tmp_path):
    out, settings = rendered
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    mesh = models / "two" / "mesh.obj"
    before = mesh.read_bytes()
    try:
        mesh.write_bytes(before + b"# another file now\n")
        summary = render_models(models, copy, settings, renderer="embree", jobs=1)
    finally:
        mesh.write_bytes(before)
    assert (summary.rendered, summary.kept) == (1, 1)
    other = RenderSettings(**SMALL, pitch_deg=(-10.0, 25.0), fov_deg=30.0)
    with pytest.raises(SettingsError, match=r"jitter_deg.*fov_deg 40.0 -> 30.0.*layers"):
        render_models(models, copy, other, renderer="embree", jobs=1)


def test_another_panorama_in_the_folder_is_another_setting(models, tmp_path):
    lights = tmp_path / "lights"
    lights.mkdir()
    write_hdr(lights / "sky.hdr", 130, 128)
    settings = RenderSettings(**SMALL, lights=lights)
    render_models(models, tmp_path / "out", settings, renderer="embree", jobs=1)
    write_hdr(lights / "sky.hdr", 128, 130)
    with pytest.raises(SettingsError, match="lights_sha256"):
        render_models(models, tmp_path / "out", settings, renderer="embree", jobs=1)


def test_a_dry_run_counts_estimates_and_writes_nothing(rendered, models, tmp_path):
    out, settings = rendered
    plan = plan_renders(models, tmp_path / "absent", settings, renderer="embree", jobs=1)
    assert not (tmp_path / "absent").exists()
    assert (plan.subjects, plan.scenes, plan.kept, plan.pictures) == (2, 2, 0, 8)
    actual = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert 0.7 * actual < plan.total_bytes < 1.3 * actual
    assert plan.seconds > 0
    done = plan_renders(models, out, settings, renderer="embree", jobs=1)
    assert (done.kept, done.pictures, done.total_bytes, done.measured) == (2, 0, 0, "")


def test_long_edges_are_halved_before_light_is_gathered(models, tmp_path):
    render_models(models, tmp_path / "fine", RenderSettings(**SMALL, longest_edge_m=0.05), renderer="embree", jobs=1)
    mesh, transfer = read_scene_mesh(read_renders(tmp_path / "fine").scenes[0])
    corners = mesh.vertices[mesh.faces]
    assert np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max() <= 0.05 + 1e-6
    assert transfer.shape == (len(mesh.vertices), 9)


@pytest.mark.parametrize("fov_deg", [0.0, 20.0, 70.0])
def test_the_extent_named_is_the_one_that_holds_the_scene(fov_deg):
    rng = np.random.default_rng(4)
    mesh = PosedMesh(rng.uniform(-0.9, 0.9, (60, 3)), np.arange(60, dtype=np.int32).reshape(-1, 3))

    def cameras(extent):
        return list(RenderSettings(extent_m=extent, fov_deg=fov_deg, views=8, step_deg=45).cameras((0, 0, 0)).values())

    with pytest.raises(SettingsError, match="--extent") as refusal:
        check_fit(mesh, cameras(1.5), 256)
    named = float(str(refusal.value).split("--extent ")[1].split()[0])
    check_fit(mesh, cameras(named), 256)
    with pytest.raises(SettingsError):
        check_fit(mesh, cameras(named * 0.97), 256)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fov_deg": 80.0}, {"pitch_deg": ()}, {"pitch_deg": (90.0,)}, {"pitch_deg": (5.0, 5.0)},
        {"jitter_deg": (1.0, -1.0, 0.0)}, {"layers": ("normals",)}, {"views": 72},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError):
        RenderSettings(**wrong)


def test_centres_of_the_view_cube_against_closed_forms():
    """A tall box about the origin with a flat one stretched out in front: only the pelvis is told, not found."""
    from trimesh.creation import box

    from mpc.datasets.renders.fit import scene_centre

    body = box(extents=(0.4, 1.6, 0.2))
    arm = box(extents=(0.1, 0.1, 0.8)).apply_translation((0.1, 0.3, 0.5))
    both = body + arm
    mesh = PosedMesh(np.asarray(both.vertices, np.float64), np.asarray(both.faces, np.int32))
    pelvis = np.array([0.02, -0.1, -0.03])
    assert scene_centre(mesh, pelvis, "pelvis") == pytest.approx((0.02, 0.0, -0.03))
    assert scene_centre(mesh, None, "pelvis") == pytest.approx((0.0, 0.0, 0.4))
    assert scene_centre(mesh, pelvis, "box") == pytest.approx((0.0, 0.0, 0.4))
    areas = 2 * np.array([0.4 * 1.6 + 0.4 * 0.2 + 1.6 * 0.2, 0.1 * 0.1 + 2 * 0.1 * 0.8])
    x, z = 0.1 * areas[1] / areas.sum(), 0.5 * areas[1] / areas.sum()
    assert scene_centre(mesh, pelvis, "surface") == pytest.approx((x, 0.0, z))
    assert scene_centre(mesh, pelvis) == scene_centre(mesh, None) == scene_centre(mesh, pelvis, "surface")
    assert RenderSettings().centre == "surface"
    with pytest.raises(SettingsError, match="'navel', expected one of surface, pelvis, box"):
        RenderSettings(centre="navel")


def test_more_samples_give_alpha_more_values(figures, tmp_path):
    """16 samples of a pixel on an edge; four are the default and are what folders without the setting have."""
    shutil.copytree(figures / "one", tmp_path / "models" / "one")
    values = {}
    for samples in (4, 16):
        out = tmp_path / f"renders_{samples}"
        render_models(tmp_path / "models", out, RenderSettings(**SMALL, antialias=samples), renderer="embree", jobs=1)
        scene = read_renders(out).scenes[0]
        values[samples] = set(np.unique(np.rint(read_picture(scene, scene.views[0])[..., 3] / 255 * samples)))
        assert set(np.unique(read_picture(scene, scene.views[0])[..., 3])) <= {
            round(255 * k / samples) for k in range(samples + 1)
        }
    assert len(values[16]) > len(values[4]) == 5
    with pytest.raises(SettingsError, match="antialias 4 -> 8"):
        render_models(tmp_path / "models", tmp_path / "renders_4", RenderSettings(**SMALL, antialias=8), jobs=1)
    content = json.loads((tmp_path / "renders_4" / "settings.json").read_text())
    del content["settings"]["antialias"]
    (tmp_path / "renders_4" / "settings.json").write_text(json.dumps(content))
    assert check_folder(tmp_path / "renders_4", RenderSettings(**SMALL))
    with pytest.raises(SettingsError, match="antialias is 5, expected one of 4, 8, 16"):
        RenderSettings(antialias=5)


def test_lights_are_chosen_and_exposed_from_the_command_line(figures, tmp_path):
    words = f"render {figures} --out {tmp_path / 'renders'} --views 2 --step 180 --size 32 --rays 16 --renderer embree"
    command = [*words.split(), "--jobs", "1", "--only", "one"]
    wrong = CliRunner().invoke(main, [*command, "--light-names", "studio_*", "room_lump_02"])
    assert wrong.exit_code == 2
    assert "did you mean room_lamp_02?" in wrong.output
    assert not (tmp_path / "renders").exists()
    done = CliRunner().invoke(main, [*command, "--light-names", "room_lamp_02", "--exposure", "-1"])
    assert done.exit_code == 0, done.output
    (scene,) = read_renders(tmp_path / "renders").scenes
    lamp = builtin_lights().coefficients[builtin_lights().names.index("room_lamp_02")]
    for view in scene.views:
        assert view.light_name == "room_lamp_02"
        assert view.light[0] == pytest.approx(lamp[0] / 2, rel=1e-5)  # the mean, which no turn changes


def test_an_older_folder_keeps_the_middle_it_was_made_with(rendered, models, tmp_path):
    """settings.json without "centre" is of the time when it was the pelvis; one with another centre says so itself."""
    from click.testing import CliRunner

    from mpc.cli.main import main

    def run(*more):
        options = ["--views=2", "--step=180", "--size=48", "--rays=16", "--renderer=embree", "--jobs=1"]
        result = CliRunner().invoke(main, ["render", str(models), "--out", str(out), *options, *more])
        return result.exit_code, result.output

    out = tmp_path / "renders"
    render_models(models, out, RenderSettings(**SMALL, centre="pelvis"), renderer="embree", jobs=1)
    before = files_of(out)
    assert json.loads(before["settings.json"])["settings"]["centre"] == "pelvis"
    for content in (before["settings.json"], before["settings.json"].replace(b'"centre": "pelvis",', b"")):
        (out / "settings.json").write_bytes(content)
        assert len(read_renders(out).scenes) == 2
        status, text = run("--dry-run")
        assert (status, "2 rendered already" in text, "made with --centre pelvis" in text) == (0, True, True)
        assert "2 rendered already" in run("--centre", "pelvis", "--dry-run")[1]
        status, text = run("--centre", "surface")
        assert (status, "centre pelvis -> surface" in text) == (2, True)
    status, text = run()
    assert (status, "2 kept" in text, "made with --centre pelvis" in text) == (0, True, True)
    centres = [scene.centre_world for scene in read_renders(out).scenes]
    boxes = [read_scene_mesh(scene)[0].bounds.mean(axis=0) for scene in read_renders(out).scenes]
    np.testing.assert_allclose(centres, boxes, atol=1e-6)
