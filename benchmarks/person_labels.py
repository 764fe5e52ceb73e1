"""Prove the labels of people on whole people: joints, parts and bodies, by other ways than mpc's own.

    python benchmarks/person_labels.py RIGS [--people 10] [--rigs 3] [--size 512] [--sheet labels.png]

Free people are made here (their clothes, hair and poses as `mpc people` draws them, half of the poses hard), the first
rigs of the folder RIGS are posed (.glb with MakeHuman's names of bones), and a folder in the form of THuman2.0 is made
with a fit of a toy body model. Each is rendered, and then of each scene

- joints: the greatest distance in the picture, pixels, between the joints of scene.json and those that are skinned here
  without mpc's skinning (other_skinning.py);
- parts: the share of 1,000 pixels whose part is that of the face which trimesh's Embree finds on the mesh of the file;
- body: the share of 10,000 points on the body below the clothes that lie, half a millimetre below its skin, inside of
  the clothed mesh of the file by libigl's winding number; of free people alone.

The sheet shows pictures with their parts in colour, and the joints: filled where they are seen. The status is 1 where
a joint is half a pixel off, where parts agree at less than 99 % of a scene's pixels, or where less than 99.9 % of all
bodies is inside.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import igl
import numpy as np
import numpy.typing as npt
import trimesh
from other_skinning import GltfRig, face_labels, fitted_joints, scan_joints
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import SceneRecord, ViewRecord, read_scene_mesh
from mpc.datasets.renders.layer_files import read_layer, read_picture
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.motion.joints import JOINTS
from mpc.people.make import make_people
from support.layout_folders import thuman
from support.toy_model import write_toy_model

F64 = npt.NDArray[np.float64]
PIXELS, POINTS, SKIN_M = 1000, 10_000, 0.0005
TILE = 256


@dataclass(frozen=True)
class Truth:
    """What is known of a scene without mpc's labels, world metres.

    Attributes:
        joints: (J, 3), NaN for those that are not found again.
        mesh: the surface of the file.
        parts: (F,) of its faces.
        body: the body below the clothes; None where it is not looked at.
    """

    joints: F64
    mesh: trimesh.Trimesh
    parts: npt.NDArray[np.uint8]
    body: trimesh.Trimesh | None = None


def make_models(folder: Path, given: argparse.Namespace) -> Path:
    """Free people, rigs of others and a THuman-like folder; the toy body model's file."""
    make_people(folder / "models" / "free", scans=given.people, rigged=0, seed=given.seed, jobs=1)
    (folder / "models" / "rigs").mkdir()
    for rig in sorted(given.rigs_folder.glob("*.glb"))[: given.rigs]:
        shutil.copy(rig, folder / "models" / "rigs" / rig.name)
    scan = thuman(folder / "models" / "sets", 5, 0.6, turn_deg=40)
    fit = scan.parents[1] / "THuman2.0_smplx" / scan.name / "smplx_param.pkl"
    content = pickle.loads(fit.read_bytes())
    content["body_pose"] = np.random.default_rng(1).normal(0, 0.25, (1, 63)).astype(np.float32)
    fit.write_bytes(pickle.dumps(content))
    return write_toy_model(folder / "SMPLX_NEUTRAL.npz", radius=0.06)


def truth_of_scan(scene: SceneRecord, models: Path, seed: int) -> Truth:
    """A free scan: the OBJ and the labels beside it."""
    name = scene.subject.rpartition(".")[2]
    folder = next(models.rglob(f"{name}/mesh.obj")).parent
    loaded = trimesh.load(folder / "mesh.obj", process=False, force="mesh", skip_materials=True)
    vertices, faces = np.array(loaded.vertices), np.array(loaded.faces)
    with np.load(folder / "mesh.labels.npz") as labels:
        body, body_faces = labels["body_vertices"].astype(float), labels["body_faces"]
        distance, nearest = cKDTree(labels["vertices"]).query(vertices)
        assert distance.max() < 1e-4
        parts = face_labels(faces, labels["vertex_part"][nearest])
    turn, shift = find_way(scene, vertices)
    joints = scan_joints(seed, name, body) @ turn.T + shift
    mesh = trimesh.Trimesh(vertices @ turn.T + shift, faces, process=False)
    return Truth(joints, mesh, parts, trimesh.Trimesh(body @ turn.T + shift, body_faces, process=False))


def truth_of_rig(scene: SceneRecord, models: Path) -> Truth:
    """A rig at the time of its frame."""
    rig = GltfRig(next(models.rglob(scene.notes["source"])))
    moved = rig.at(scene.animation, float(scene.notes["time_s"]))
    turn, shift = find_way(scene, moved.vertices)
    mesh = trimesh.Trimesh(moved.vertices @ turn.T + shift, moved.faces, process=False)
    return Truth(moved.joints @ turn.T + shift, mesh, face_labels(moved.faces, moved.parts))


def truth_of_fit(scene: SceneRecord, model: Path) -> Truth:
    """A scan with a fit: its joints by the model's definition; its parts are those of the scene's own mesh."""
    fit = scene.labels["fit"]
    to_world = np.array(fit["to_world"])
    joints = fitted_joints(model, fit["parameters"]) @ to_world[:3, :3].T + to_world[:3, 3]
    mesh = read_scene_mesh(scene)[0]
    assert mesh.face_part is not None
    return Truth(joints, trimesh.Trimesh(mesh.vertices, mesh.faces, process=False), mesh.face_part)


def axis(name: str) -> F64:
    """A unit vector by its name, "-y" for example."""
    return np.eye(3)["xyz".index(name[1])] * (1.0 if name[0] == "+" else -1.0)


def find_way(scene: SceneRecord, vertices: F64) -> tuple[F64, F64]:
    """From file coordinates to the world: a matrix by the unit and the axes that were noted, and a shift (3,).

    The shift follows from the boxes of the surface that was skinned here and of the scene's; they must be as large.
    """
    up, facing = axis(scene.notes["up"]), axis(scene.notes["facing"])
    turn = {"m": 1.0, "cm": 0.01, "mm": 0.001}[scene.notes["unit"]] * np.stack([np.cross(up, facing), up, facing])
    drawn, own = read_scene_mesh(scene)[0].vertices, vertices @ turn.T
    low, high = drawn.min(axis=0) - own.min(axis=0), drawn.max(axis=0) - own.max(axis=0)
    if np.abs(low - high).max() > 1e-4:
        raise SystemExit(f"{scene.key}: the surface that was skinned here has another size ({low} and {high})")
    return turn, (low + high) / 2


def joint_error(scene: SceneRecord, truth: Truth) -> tuple[int, float]:
    """How many joints are compared, and the greatest distance in a picture, pixels."""
    known = ~np.isnan(truth.joints).any(axis=1)
    worst = 0.0
    for view in scene.views:
        assert view.joints is not None
        told = np.array([row or [np.nan] * 2 for row in view.joints["px"]], float)
        whole = np.concatenate([truth.joints, np.ones((len(JOINTS), 1))], axis=1) @ view.calibration.T
        px = ((whole[:, :2] / whole[:, 3:] + 1) * scene.image_size - 1) / 2
        apart = np.linalg.norm(px - told, axis=1)[known]
        worst = max(worst, float(np.where(np.isnan(apart), np.inf, apart).max()))
    return int(known.sum()), worst


def part_agreement(scene: SceneRecord, truth: Truth, rng: np.random.Generator) -> float:
    """The share of pixels of all views whose part is that of the first face on their ray."""
    rays = trimesh.ray.ray_pyembree.RayMeshIntersector(truth.mesh)
    agree = []
    for view in scene.views:
        labels = read_layer(scene, view, "part_front")
        places = rng.permutation(np.argwhere(labels > 0))[: -(-PIXELS // len(scene.views))]
        xy = (2 * places[:, ::-1] + 1) / scene.image_size - 1
        back = np.linalg.inv(view.calibration)
        near, far = (np.concatenate([xy, np.tile([z, 1.0], (len(xy), 1))], axis=1) @ back.T for z in (-1.0, 1.0))
        near, far = near[:, :3] / near[:, 3:], far[:, :3] / far[:, 3:]
        faces = rays.intersects_first(near, (far - near) / np.linalg.norm(far - near, axis=1, keepdims=True))
        agree.append(np.where(faces >= 0, truth.parts[faces], 0) == labels[tuple(places.T)])
    return float(np.concatenate(agree).mean())


def share_inside(truth: Truth, seed: int) -> float:
    """The share of points half a millimetre below the body's skin that the clothed mesh holds."""
    assert truth.body is not None
    points, faces = trimesh.sample.sample_surface(truth.body, POINTS, seed=seed)
    below = np.asarray(points) - SKIN_M * truth.body.face_normals[faces]
    return float((igl.fast_winding_number(truth.mesh.vertices, truth.mesh.faces, below) > 0.5).mean())


def draw_tile(scene: SceneRecord, view: ViewRecord) -> Image.Image:
    """A picture over grey with the parts in colour, and the joints."""
    picture = read_picture(scene, view).astype(float)
    parts, size = read_layer(scene, view, "part_front"), scene.image_size
    shown = picture[..., :3] * picture[..., 3:] / 255 + 235 * (1 - picture[..., 3:] / 255)
    hues = (np.arange(256) * 0.382) % 1.0
    table = np.array([np.array(Image.new("HSV", (1, 1), (int(255 * hue), 200, 230)).convert("RGB"))[0, 0]
                      for hue in hues])  # fmt: skip
    shown = np.where(parts[..., None] > 0, 0.45 * shown + 0.55 * table[parts], shown)
    rows, columns = np.nonzero(picture[..., 3])
    half = min(max(np.ptp(rows), np.ptp(columns)) / 2 + 0.03 * size, size / 2)
    left, top = (float(np.clip((one.min() + one.max()) / 2 - half, 0, size - 2 * half)) for one in (columns, rows))
    box, scale = (left, top, left + 2 * half, top + 2 * half), TILE / (2 * half)
    tile = Image.fromarray(shown.astype(np.uint8)).resize((TILE, TILE), Image.Resampling.BICUBIC, box=box)
    pen = ImageDraw.Draw(tile)
    assert view.joints is not None
    for place, seen in zip(view.joints["px"], view.joints["visible"], strict=True):
        if place is not None:
            x, y = (place[0] + 0.5 - left) * scale, (place[1] + 0.5 - top) * scale
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill="black" if seen else None, outline="black")
    pen.text((4, 4), f"{scene.subject} {scene.animation} {view.name}", fill="black")
    return tile


def draw_sheet(scenes: list[SceneRecord], path: Path) -> None:
    """Both views of each scene in a grid."""
    tiles = [draw_tile(scene, view) for scene in scenes for view in scene.views[:2]]
    columns = 7
    sheet = Image.new("RGB", (columns * TILE, -(-len(tiles) // columns) * TILE), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * TILE, number // columns * TILE))
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rigs_folder", type=Path, metavar="RIGS")
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--rigs", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--work", type=Path, help="folder for people and renders, kept; without, a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.work or Path(scratch)
        model = folder / "SMPLX_NEUTRAL.npz"
        if not model.is_file():
            model = make_models(folder, given)
        settings = RenderSettings(
            views=2, step_deg=70, size=given.size, frames_per_animation=1, layers=("part_front",), body_model=model,
            fov_deg=20, rays=24,
        )  # fmt: skip
        made = render_models(folder / "models", folder / "renders", settings, renderer="embree", jobs=1)
        for name, reason in made.failures:
            print(f"{name}: {reason}")
        scenes = list(read_renders(folder / "renders").scenes)
        print(f"{'scene':34}{'joints':>8}{'px':>8}{'parts':>9}{'body':>9}")
        figures: dict[str, list[float]] = {"px": [], "parts": [], "body": []}
        for number, scene in enumerate(scenes):
            truth = find_truth(scene, folder / "models", model, given.seed)
            compared, px = joint_error(scene, truth)
            parts = part_agreement(scene, truth, np.random.default_rng(number))
            inside = None if truth.body is None else share_inside(truth, number)
            shown = "" if inside is None else f"{inside:9.2%}"
            print(f"{scene.key:34}{compared:8}{px:8.3f}{parts:9.2%}{shown}", flush=True)
            for name, value in (("px", px), ("parts", parts), ("body", inside)):
                figures[name] += [] if value is None else [value]
        ends = max(figures["px"]), min(figures["parts"]), min(figures["body"])
        for name, (px, parts, body) in (("worst", ends), ("mean", [np.mean(column) for column in figures.values()])):
            print(f"{name:42}{px:8.3f}{parts:9.2%}{body:9.2%}")
        if given.sheet is not None:
            draw_sheet(scenes, given.sheet)
        if not (ends[0] < 0.5 and ends[1] > 0.99 and np.mean(figures["body"]) > 0.999):
            sys.exit("the labels are not what they should be")


def find_truth(scene: SceneRecord, models: Path, model: Path, seed: int) -> Truth:
    """The truth of a scene by its kind."""
    if scene.kind == "rigged":
        return truth_of_rig(scene, models)
    notes: dict[str, Any] = scene.labels
    return truth_of_fit(scene, model) if "fit" in notes else truth_of_scan(scene, models, seed)


if __name__ == "__main__":
    main()
