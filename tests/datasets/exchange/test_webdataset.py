"""WebDataset shards: read as a plain loader groups tar members by key, and back as an equal renders folder."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mpc.cli.main import main
from mpc.core.errors import InputError
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.exchange.import_folder import import_folder
from mpc.datasets.renders.layer_files import read_layer, read_picture
from mpc.datasets.renders.read import read_renders
from mpc.datasets.verify import verify_folder
from support.balls import make_renders

LAYERS = ("mask", "depth_front", "normal_front")
# How WebDataset splits the name of a member into the key of its sample and its field.
KEY = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")


def load_samples(path: Path) -> list[dict[str, Any]]:
    """As webdataset's `group_by_keys`: neighbouring members of one key are a sample, by lower-case extensions."""
    samples: list[dict[str, Any]] = []
    with tarfile.open(path) as tar:
        for member in tar:
            match = KEY.match(member.name)
            assert match is not None
            key, field = match[1], match[2].lower()
            if not samples or samples[-1]["__key__"] != key:
                assert key not in {sample["__key__"] for sample in samples}
                samples.append({"__key__": key})
            assert field not in samples[-1]
            stream = tar.extractfile(member)
            assert stream is not None
            samples[-1][field] = stream.read()
    return samples


def files_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three balls with layers and one texture, and their export."""
    root = tmp_path_factory.mktemp("webdataset")
    make_renders(root / "renders", balls=3, views=2, size=32, layers=LAYERS, boxed=True, mirrored=(1,))
    summary = export_renders(root / "renders", root / "set", "webdataset", ratios=(1, 0, 0), jobs=1)
    assert (summary.written, summary.failures) == (3, ())
    return root


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    shutil.copytree(source, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_loader_that_groups_members_by_key_sees_every_view(source: Path) -> None:
    listed = (source / "set" / "train.txt").read_text().split()
    assert [(source / "set" / split).read_text() for split in ("val.txt", "test.txt")] == ["", ""]
    scenes = read_renders(source / "renders").scenes
    assert listed == [f"{scene.key.replace('/', '_')}/views.tar" for scene in scenes]
    for scene, shard in zip(scenes, listed, strict=True):
        samples = load_samples(source / "set" / shard)
        assert [sample["__key__"] for sample in samples] == [
            f"{scene.key.replace('/', '_')}/{view.name}" for view in scene.views
        ]
        for sample, view in zip(samples, scene.views, strict=True):
            assert set(sample) == {"__key__", "json", "png", *(f"{layer}.png" for layer in LAYERS)}
            picture = np.asarray(Image.open(io.BytesIO(sample["png"])))  # whole, also for who knows nothing of boxes
            assert np.array_equal(picture, read_picture(scene, view))
            mask = np.asarray(Image.open(io.BytesIO(sample["mask.png"]))) > 127
            assert np.array_equal(mask, read_layer(scene, view, "mask"))
            depth = np.asarray(Image.open(io.BytesIO(sample["depth_front.png"]))).astype(float)
            assert depth.shape == (32, 32)
            real = read_layer(scene, view, "depth_front")
            np.testing.assert_allclose(((depth - 32768) / 32767)[mask], real[mask], atol=1e-6)
            told = json.loads(sample["json"])
            assert told["scene"] == scene.key
            assert told["image_size"] == 32
            np.testing.assert_array_equal(told["calibration"], view.calibration)
            np.testing.assert_array_equal(np.float32(told["light"]), view.light)
        (whole,) = load_samples(source / "set" / shard.replace("views", "scene"))
        arrays = np.load(io.BytesIO(whole["mesh.npz"]))
        assert arrays["vertices"].shape == arrays["transfer"][:, :3].shape
        assert json.loads(whole["scene.json"])["subject"] == scene.subject


def test_what_is_imported_is_the_renders_folder_byte_for_byte(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "back"
    assert import_folder(source / "set", out, "webdataset", jobs=1).written == 3
    assert verify_folder(out, deep=True, jobs=1).problems == ()
    before, after = files_of(source / "renders"), files_of(out)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith((".", "manifest")) for name in set(after) - set(before))
    assert import_folder(source / "set", out, "webdataset", jobs=1).kept == 3
    assert [scene.key for scene in read_renders(out).scenes] == [f"ball_{n}/scan_0000" for n in range(3)]


def test_an_import_follows_its_source(folder: Path) -> None:
    out = folder / "back"
    import_folder(folder / "set", out, "webdataset", jobs=1)
    damaged = out / "ball_1" / "scan_0000" / "mesh.npz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = import_folder(folder / "set", out, "webdataset", jobs=1)
    assert (again.written, again.kept) == (1, 2)
    assert damaged.read_bytes() == (folder / "renders" / "ball_1" / "scan_0000" / "mesh.npz").read_bytes()
    shutil.rmtree(folder / "set" / "ball_2_scan_0000")
    (notice,) = import_folder(folder / "set", out, "webdataset", jobs=1).notices
    assert "ball_2: ball_2/scan_0000: its person was not found by the last run: set aside" in notice
    assert len(read_renders(out).scenes) == 2


def test_views_of_several_elevations_come_back(tmp_path: Path) -> None:
    scene = make_renders(tmp_path / "renders", balls=1, views=1, size=16) / "ball_0" / "scan_0000"
    (scene / "000.png").rename(scene / "000_+15.png")
    content = json.loads((scene / "scene.json").read_text().replace('"000', '"000_+15'))
    (scene / "scene.json").write_text(json.dumps({**content, "sha256": None}))
    export_renders(tmp_path / "renders", tmp_path / "set", "webdataset", ratios=(1, 0, 0), jobs=1)
    (sample,) = load_samples(tmp_path / "set" / "ball_0_scan_0000" / "views.tar")
    assert sample["__key__"] == "ball_0_scan_0000/000_+15"
    assert import_folder(tmp_path / "set", tmp_path / "back", "webdataset", jobs=1).failures == ()
    assert (tmp_path / "back" / "ball_0" / "scan_0000" / "000_+15.png").is_file()


def change(tar: Path, name: str, data: bytes | None, *, kind: bytes = tarfile.REGTYPE) -> None:
    """Replace a member of a tar file, leave it out, or add it."""
    with tarfile.open(tar) as before:
        members = [(one, before.extractfile(one).read()) for one in before]  # type: ignore[union-attr]
    with tarfile.open(tar, "w") as after:
        for one, content in members:
            if one.name != name:
                after.addfile(one, io.BytesIO(content))
        if data is not None:
            one = tarfile.TarInfo(name)
            one.size, one.type = len(data), kind
            after.addfile(one, io.BytesIO(data))


def small_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


VIEW, SCENE = "ball_0_scan_0000/000", "ball_0_scan_0000/scene"
DAMAGE: dict[str, tuple[str, Any]] = {
    "cut in a picture": ("does not read as a tar file", lambda shards: cut(shards / "views.tar", 1000)),
    "cut in a header": ("lacks 000.", lambda shards: cut(shards / "views.tar", 2000)),
    "a picture less": ("lacks 000.png", lambda shards: change(shards / "views.tar", f"{VIEW}.png", None)),
    "a picture more": ("does not know", lambda shards: change(shards / "views.tar", "ball_0_scan_0000/777.png", b"")),
    "no picture": ("does not read as a picture", lambda shards: change(shards / "views.tar", f"{VIEW}.png", b"PNG")),
    "a small picture": ("8x8 pixels", lambda shards: change(shards / "views.tar", f"{VIEW}.png", small_png())),
    "a link": ("no plain file", lambda shards: change(shards / "scene.tar", "a", b"", kind=tarfile.SYMTYPE)),
    "no mesh": ("holds no", lambda shards: change(shards / "scene.tar", f"{SCENE}.mesh.npz", None)),
    "a path": ("is no texture", lambda shards: change(shards / "scene.tar", f"{SCENE}./../../x.png", b"")),
    "names that lead out": ("cannot be used", lambda shards: change(
        shards / "scene.tar", f"{SCENE}.scene.json", elsewhere(shards / "scene.tar"))),
}  # fmt: skip


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def elsewhere(tar: Path) -> bytes:
    content = json.loads(load_samples(tar)[0]["scene.json"])
    del content["sha256"]
    return json.dumps({**content, "subject": "../../out"}).encode()


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_shard_is_named_and_the_others_are_imported(folder: Path, kind: str) -> None:
    reason, damage = DAMAGE[kind]
    damage(folder / "set" / "ball_0_scan_0000")
    shutil.rmtree(folder / "set" / ".done")  # as in shards that were copied without it
    summary = import_folder(folder / "set", folder / "back", "webdataset", jobs=1)
    assert summary.written == 2
    ((name, told),) = summary.failures
    assert name == "ball_0_scan_0000"
    assert reason in told
    assert not (folder / "back" / "ball_0").exists() or not list((folder / "back" / "ball_0").glob("[!.t]*"))
    assert not (folder.parent / "out").exists()


def test_what_is_no_webdataset_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="is no WebDataset that `mpc export` wrote"):
        import_folder(folder / "renders", folder / "back", "webdataset")
    result = CliRunner().invoke(main, ["import", str(folder / "set"), "--format", "webdataset", "--rays", "16"])
    assert result.exit_code == 2
    assert "--rays: no effect with --format webdataset" in result.output
    (folder / "set" / "renders.json").unlink()
    result = CliRunner().invoke(main, ["import", str(folder / "set"), "--format", "webdataset", "--out", "x"])
    assert result.exit_code == 1
    assert "renders.json: no such file" in " ".join(result.output.split())
