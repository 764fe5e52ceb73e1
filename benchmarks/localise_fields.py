"""Fields for benchmarks/localise.py: posed people and trained networks as tables of the dense answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mpc.geometry.camera import OrthographicCamera, project, unproject
from mpc.geometry.closest import ClosestSurface
from mpc.geometry.mesh import PosedMesh
from mpc.reconstruct.localise.baselines import dense_grid
from mpc.sampling.inside import InsideOracle
from mpc.subjects.find import find_subjects
from mpc.subjects.scenes import list_scenes, load_scene

BAND = 4.0  # node spacings from the surface within which the distance is exact; beyond, the logistic has saturated


class Table:
    """The dense answer as an occupancy that counts what it is asked and the seconds it takes."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.resolution, self.asked, self.seconds = values, len(values), 0, 0.0

    def at(self, nodes: np.ndarray) -> np.ndarray:
        self.asked += len(nodes)
        return self.values.ravel()[nodes].astype(np.float32)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        began = time.process_time()
        index = np.rint((points.astype(np.float64) + 1) / 2 * (self.resolution - 1)).astype(np.int64)
        answer = self.at((index[:, 0] * self.resolution + index[:, 1]) * self.resolution + index[:, 2])
        self.seconds += time.process_time() - began
        return answer


@dataclass(eq=False)
class Person:
    """A posed person in the view space of a camera."""

    name: str
    mesh: PosedMesh
    camera: OrthographicCamera
    oracle: InsideOracle

    def occupancy(self, points: np.ndarray) -> np.ndarray:
        """The hard label at view-space points."""
        return self.oracle.inside(unproject(points.astype(np.float64), self.camera.calibration)).astype(np.float32)

    def silhouette(self, size: int) -> np.ndarray:
        """(size, size) bool: pixels whose centre shows the person."""
        from mpc.render.layers import render_layers

        return render_layers(self.mesh, self.camera, size, size, ["mask"]).mask


def people(models: Path, count: int) -> Iterator[Person]:
    """Posed people, evenly chosen from all scenes of a model directory."""
    specs = [(subject, spec) for subject in find_subjects(models) for spec in list_scenes(subject, seed=0)]
    for subject, spec in [specs[i] for i in np.unique(np.linspace(0, len(specs) - 1, count).round().astype(int))]:
        mesh = load_scene(subject, spec).mesh
        low, high = mesh.bounds
        camera = OrthographicCamera(tuple((low + high) / 2), max(2.4, 1.1 * float((high - low).max())), 20.0)
        yield Person(spec.key, mesh, camera, InsideOracle(mesh))


def dense_sides(person: Person, resolution: int) -> np.ndarray:
    """(R, R, R) bool: labels of all nodes; those outside the person's box are outside."""
    axis, bounds = np.linspace(-1, 1, resolution), person.mesh.bounds
    corners = np.array([[bounds[i, 0], bounds[j, 1], bounds[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    view = project(corners, person.camera.calibration)
    low, high = (np.searchsorted(axis, value) for value in (view.min(axis=0), view.max(axis=0)))
    labels = np.zeros((resolution,) * 3, bool)
    for i in range(low[0], high[0]):
        block = np.stack(np.meshgrid(axis[i], axis[low[1] : high[1]], axis[low[2] : high[2]], indexing="ij"), -1)
        # As localisation asks: coordinates rounded to float32.
        answer = person.occupancy(block.reshape(-1, 3).astype(np.float32)) > 0.5
        labels[i, low[1] : high[1], low[2] : high[2]] = answer.reshape(block.shape[1:3])
    return labels


def signed_distance(person: Person, inside: np.ndarray) -> np.ndarray:
    """(R, R, R) float16, node spacings, positive inside: exact within BAND of the surface, +-60 beyond.

    Faces that lie inside the union of solid parts (a body under a coat) are no surface and are left out.
    """
    from scipy import ndimage

    centres, offset = person.mesh.corners.mean(axis=1), person.mesh.face_normals * 2e-5
    outer = person.oracle.inside(centres + offset) != person.oracle.inside(centres - offset)
    surface = ClosestSurface(person.mesh.vertices, person.mesh.faces[outer])
    resolution = len(inside)
    distance = np.where(inside, np.float16(60), np.float16(-60))
    width = 2 * round(BAND) + 1
    near = ndimage.maximum_filter(inside, width) & ~ndimage.minimum_filter(inside, width)
    nodes = np.argwhere(near)
    spacing = person.camera.extent_m / (resolution - 1)
    for first in range(0, len(nodes), 1 << 18):
        part = nodes[first : first + (1 << 18)]
        at = tuple(part.T)
        world = unproject(part * (2.0 / (resolution - 1)) - 1.0, person.camera.calibration)
        away = surface.query(world).distances / spacing
        distance[at] = np.where(inside[at], np.maximum(away, 1e-3), -np.maximum(away, 1e-3)).astype(np.float16)
    return distance


def dense_answer(
    person: Person, resolution: int, soft: bool, cache: Path | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """`dense_sides`, and `signed_distance` where it is wanted; kept in the folder `cache`, where there is one."""
    path = None if cache is None else cache / f"{person.name.replace('/', '_')}_{resolution}.npz"
    if path is not None and path.is_file():
        with np.load(path) as kept:
            inside = np.unpackbits(kept["inside"], count=resolution**3).reshape((resolution,) * 3).view(bool)
            if not soft or "distance" in kept:
                return inside, kept["distance"] if soft else None
    inside = dense_sides(person, resolution)
    distance = signed_distance(person, inside) if soft else None
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        more = {} if distance is None else {"distance": distance}
        np.savez_compressed(path, inside=np.packbits(inside), **more)
    return inside, distance


def logistic(distance: np.ndarray, width: float) -> np.ndarray:
    """Occupancy (R, R, R) float32 of a signed distance, slab by slab."""
    values = np.empty(distance.shape, np.float32)
    for slab, out in zip(distance, values, strict=True):
        out[...] = 1 / (1 + np.exp(-np.clip(slab.astype(np.float32) / width, -15, 15)))
    return values


def network_fields(run: Path, shards: Path, count: int) -> Iterator[tuple[str, object, np.ndarray, float]]:
    """Name, occupancy, silhouette and edge of the cube in metres, of a network on views of the test split."""
    from mpc.datasets.loading.views import ViewDataset
    from mpc.models.runs import load_run
    from mpc.reconstruct.view_field import encode_view

    loaded = load_run(run)
    dataset = ViewDataset(shards, "test", points=0, colour_points=0, image_size=loaded.settings.get("image_size"))
    for index in np.linspace(0, len(dataset) - 1, count).round().astype(int):
        picture = dataset.picture(int(index)).transpose(1, 2, 0)
        view = dataset.views[int(index)]
        name = f"network {view.scene_key}/{view.view_name}"
        field = encode_view(loaded.surface, loaded.texture, picture)
        yield name, field.occupancy, picture[..., 3] > 127, loaded.extent_m or 2.4


def network_table(occupancy: object, resolution: int) -> np.ndarray:
    """The dense answer of a network."""
    return dense_grid(occupancy, resolution).values  # type: ignore[arg-type]
