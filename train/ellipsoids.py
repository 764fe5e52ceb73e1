"""People made of ellipsoids, in memory: pictures, labels and colours in closed form, for tests and benchmarks.

The data set has the interface of `ViewDataset` (datasets/loading/views.py) but needs no files, no rendering and no
meshes, so that an effect of training can be separated from an effect of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..core.arrays import F64, U8, Bools
from ..core.randomness import derive_rng
from ..geometry.camera import DEFAULT_EXTENT_M as EXTENT_M
from ..geometry.camera import OrthographicCamera, pixel_centres

LIGHT_VIEW = np.array([0.4, -0.6, -0.7]) / np.linalg.norm([0.4, -0.6, -0.7])
"""Direction towards the light in view space: from above, from the right, from in front of the person."""


@dataclass(frozen=True)
class Ellipsoids:
    """A union of E ellipsoids {centre + axes @ u, |u| <= 1}.

    Attributes:
        centres: (E, 3) world, metres.
        axes: (E, 3, 3), columns are the half axes, metres.
        colours: (E, 3) display values in [0, 1].
    """

    centres: F64
    axes: F64
    colours: F64

    def values(self, points: F64) -> F64:
        """|u|^2 of points (N, 3) in each ellipsoid, (N, E); below 1 inside."""
        inverse = np.linalg.inv(self.axes)
        flat = inverse.reshape(-1, 3)  # one product for all ellipsoids
        local = points @ flat.T - np.einsum("eij,ej->ei", inverse, self.centres).reshape(-1)
        return np.asarray((local.reshape(len(points), -1, 3) ** 2).sum(axis=-1))

    def inside(self, points: F64) -> Bools:
        """Which points (N, 3) are inside, (N,) bool."""
        return np.asarray(self.values(points).min(axis=1) < 1.0)

    def normals(self, points: F64, part: npt.NDArray[np.intp]) -> F64:
        """Outward unit normals at points (N, 3) on the ellipsoids `part` (N,)."""
        inverse = np.linalg.inv(self.axes)[part]
        local = np.einsum("nij,nj->ni", inverse, points - self.centres[part])
        normals = np.einsum("nij,ni->nj", inverse, local)
        return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def limb(start: F64, end: F64, radius: float) -> tuple[F64, F64]:
    """Centre (3,) and half axes (3, 3) of an ellipsoid from `start` to `end` that reaches a little beyond both."""
    along = end - start
    length = float(np.linalg.norm(along))
    first = along / length
    side = np.cross(first, [0.0, 0.0, 1.0] if abs(first[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    axes = np.stack([first * length * 0.58, side * radius, np.cross(first, side) * radius], axis=1)
    return (start + end) / 2, axes


def ellipsoid_person(rng: np.random.Generator, *, spread: float = 1.0) -> Ellipsoids:
    """A person of eleven ellipsoids.

    Args:
        rng: the only source of randomness.
        spread: how far the joints turn; 1 gives everyday poses, 3 gives rare ones.
    """
    scale = rng.uniform(0.85, 1.1)

    def turned(degrees: float, forward: float) -> F64:
        a, b = np.radians(degrees), np.radians(forward)
        return np.array([np.sin(a) * np.cos(b), -np.cos(a) * np.cos(b), np.sin(b)])

    hip, neck = np.array([0.0, 0.95, 0.0]), np.array([0.0, 1.45, 0.0])
    neck[[0, 2]] += rng.normal(0, 0.04 * spread, 2)
    head = neck + np.array([0, 0.2, 0.02])
    girth, wide = rng.uniform(0.8, 1.3), np.array([0.09, 0.0, 0.0])
    parts = [
        limb(hip - np.array([0, 0.05, 0]), neck, 0.15 * girth), limb(hip - wide, hip + wide, 0.15 * girth),
        (head, np.diag([0.085, 0.12, 0.1])),
    ]  # fmt: skip
    for side in (-1.0, 1.0):
        shoulder = neck + np.array([side * 0.17, -0.04, 0])
        upper = shoulder + 0.28 * turned(side * rng.uniform(5, 30 + 35 * spread), rng.normal(0, 25 * spread))
        lower = upper + 0.27 * turned(side * rng.uniform(0, 40 * spread), abs(rng.normal(0, 30 * spread)))
        thigh = hip + np.array([side * 0.1, -0.05, 0])
        knee = thigh + 0.42 * turned(side * rng.uniform(0, 15 * spread), rng.normal(0, 15 * spread))
        foot = knee + 0.42 * turned(side * rng.uniform(0, 8 * spread), -abs(rng.normal(0, 15 * spread)))
        parts += [limb(shoulder, upper, 0.055), limb(upper, lower, 0.045)]
        parts += [limb(thigh, knee, 0.085), limb(knee, foot, 0.06)]
    shirt, trousers, skin = rng.uniform(0.1, 0.9, (3, 3))
    colours = np.stack([shirt, trousers, skin, *([shirt, skin, trousers, trousers] * 2)])
    centres, axes = zip(*parts, strict=True)
    return Ellipsoids(np.stack(centres) * scale, np.stack(axes) * scale, colours)


def draw_ellipsoids(person: Ellipsoids, camera: OrthographicCamera, size: int, *, oversample: int = 2) -> U8:
    """Draw the nearest ellipsoid along each ray, with Lambert shading.

    Args:
        person: what to draw.
        camera: where from.
        size: pixels along each side.
        oversample: rays along each side of a pixel.

    Returns:
        (size, size, 4) uint8 RGBA, straight alpha.
    """
    big = size * oversample
    shape, centres, z, _ = _crossings(person, camera, big)
    xy = pixel_centres(big, big).reshape(-1, 2)
    part = z.argmin(axis=1)
    rows = np.arange(len(part))
    hit = np.isfinite(z[rows, part])
    normals = _normals(shape, centres, xy, z[rows, part], part, hit)
    colours = person.colours[part] * shade(normals)[:, None] * hit[:, None]
    flat = np.concatenate([colours, hit[:, None]], axis=1).reshape(size, oversample, size, oversample, 4)
    flat = flat.mean(axis=(1, 3))
    alpha = flat[..., 3:]
    straight = np.concatenate([flat[..., :3] / np.maximum(alpha, 1e-9), alpha], axis=-1)
    return np.asarray((straight * 255.0).round().astype(np.uint8))


def _crossings(person: Ellipsoids, camera: OrthographicCamera, size: int) -> tuple[F64, F64, F64, F64]:
    """Where the ray through each pixel enters and leaves each ellipsoid, in view space.

    Returns:
        Matrices S (E, 3, 3) and centres c (E, 3) with (p - c)^T S (p - c) < 1 inside, and the depths (P, E) of entrance
        (infinite where the ray passes by) and exit (minus infinity there).
    """
    matrix = camera.calibration
    axes = matrix[:3, :3] @ person.axes
    centres = person.centres @ matrix[:3, :3].T + matrix[:3, 3]
    shape = np.linalg.inv(np.einsum("eij,ekj->eik", axes, axes))
    xy = pixel_centres(size, size).reshape(-1, 1, 2) - centres[:, :2]
    # For each pixel and ellipsoid, the depths are the roots of a z^2 + 2 b z + c = 0.
    a = shape[:, 2, 2]
    b = np.einsum("nei,ei->ne", xy, shape[:, :2, 2])
    c = np.einsum("nei,eij,nej->ne", xy, shape[:, :2, :2], xy) - 1.0
    root = b**2 - a * c
    half = np.sqrt(np.maximum(root, 0)) / a
    middle = centres[:, 2] - b / a
    return shape, centres, np.where(root > 0, middle - half, np.inf), np.where(root > 0, middle + half, -np.inf)


def _normals(shape: F64, centres: F64, xy: F64, z: F64, part: npt.NDArray[np.intp], hit: Bools) -> F64:
    """Outward normals (P, 3) in view space at depths z (P,) on the ellipsoids `part` (P,); 0 where nothing is hit."""
    offset = np.concatenate([xy, np.where(hit, z, 0.0)[:, None]], axis=1) - np.where(hit[:, None], centres[part], 0.0)
    normals = np.einsum("nij,nj->ni", shape[part], offset) * hit[:, None]
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def ellipsoid_layers(person: Ellipsoids, camera: OrthographicCamera, size: int) -> dict[str, Tensor]:
    """Depth and normals of the first and the last surface, as an item of `ViewDataset(layers=...)` holds them.

    Args:
        person: what to look at.
        camera: where from.
        size: pixels along each side.
    """
    shape, centres, near, far = _crossings(person, camera, size)
    xy = pixel_centres(size, size).reshape(-1, 2)
    layers: dict[str, Tensor] = {}
    for side, depths, part in (("front", near, near.argmin(axis=1)), ("back", far, far.argmax(axis=1))):
        z = depths[np.arange(len(part)), part]
        hit = np.isfinite(z)
        normals = _normals(shape, centres, xy, z, part, hit).reshape(size, size, 3)
        depth = np.where(hit, z, np.nan).reshape(1, size, size)
        layers[f"layers/depth_{side}"] = torch.from_numpy(depth).float()
        layers[f"layers/normal_{side}"] = torch.from_numpy(normals.transpose(2, 0, 1).copy()).float()
    return layers


def shade(normals_view: F64) -> F64:
    """Display brightness (N,) in [0.45, 1] for view-space normals (N, 3)."""
    return np.asarray(0.45 + 0.55 * np.maximum(0.0, normals_view @ LIGHT_VIEW))


@dataclass(frozen=True)
class EllipsoidView:
    """One entry of `EllipsoidViews.views`.

    Attributes:
        scene_key: name of the scene.
        subject: name of the person.
        view_name: name of the view in its scene.
        yaw_deg: yaw of the camera, degrees.
    """

    scene_key: str
    subject: str
    view_name: str
    yaw_deg: float


class EllipsoidViews(Dataset[dict[str, Tensor]]):
    """A data set of views of ellipsoid people, see `train.data.Views`.

    Args:
        people: the people, each of which is one scene.
        yaws_deg: yaws of the views of each scene, degrees.
        size: pixels along each side of the pictures.
        points: number of points with labels, drawn anew for each (view, draw).
        colour_points: number of points with colours, drawn anew for each (view, draw).
        sigma_m: standard deviation of the noise on points near the surface, metres.
        seed: of the points.
        layers: whether items hold depth and normals of both sides, see `ellipsoid_layers`.
    """

    def __init__(
        self,
        people: Sequence[Ellipsoids],
        *,
        yaws_deg: Sequence[float] = (0.0, 90.0, 180.0, 270.0),
        size: int = 64,
        points: int = 1024,
        colour_points: int = 256,
        sigma_m: float = 0.05,
        seed: int = 0,
        layers: bool = False,
    ) -> None:
        self.people, self.size, self.sigma_m, self.seed = tuple(people), size, sigma_m, seed
        self.points, self.colour_points = points, colour_points
        self.cameras = [OrthographicCamera((0.0, 0.9, 0.0), EXTENT_M, yaw) for yaw in yaws_deg]
        self.views = tuple(
            EllipsoidView(f"person{scene:03d}/scan_0000", f"person{scene:03d}", f"{turn:03.0f}", turn)
            for scene in range(len(self.people))
            for turn in yaws_deg
        )
        self.images = [
            torch.from_numpy(draw_ellipsoids(person, camera, size).transpose(2, 0, 1).copy())
            for person in self.people
            for camera in self.cameras
        ]
        cells = [(person, camera) for person in self.people for camera in self.cameras] if layers else []
        self.layers = [ellipsoid_layers(person, camera, size) for person, camera in cells]

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor]:
        view, draw = key if isinstance(key, tuple) else (key, 0)
        scene, turn = divmod(view, len(self.cameras))
        person, camera = self.people[scene], self.cameras[turn]
        rng = derive_rng(self.seed, scene, turn, draw, "points")
        points = self._points(person, rng)
        surface, part = surface_points(person, self.colour_points, rng)
        normals = person.normals(surface, part)
        colours = person.colours[part] * shade(normals @ camera.rotation.T)[:, None]
        light = torch.zeros(9, 3)
        light[0] = float(np.sqrt(4 * np.pi))
        return {
            "image": self.images[view],
            "calibration": torch.from_numpy(camera.calibration).float(),
            "light": light,
            "points": torch.from_numpy(points).float(),
            "labels": torch.from_numpy(person.inside(points.astype(np.float32).astype(np.float64))).float(),
            "colour_points": torch.from_numpy(surface).float(),
            "colour_normals": torch.from_numpy(normals).float(),
            "colours": torch.from_numpy(colours).float(),
            "view": torch.tensor(view),
            "scene": torch.tensor(scene),
            **(self.layers[view] if self.layers else {}),
        }

    def _points(self, person: Ellipsoids, rng: np.random.Generator) -> F64:
        """Points near the surface, and an eighth of them evenly from the cube."""
        uniform = max(1, self.points // 8)
        near = surface_points(person, self.points - uniform, rng)[0]
        near += rng.normal(0, self.sigma_m, near.shape)
        even = rng.uniform(-0.5, 0.5, (uniform, 3)) * EXTENT_M + [0.0, 0.9, 0.0]
        half = EXTENT_M / np.sqrt(2) / 2  # the box that the cubes of all views contain
        clipped: F64 = np.clip(np.concatenate([near, even]), [-half, -0.3, -half], [half, 2.1, half])
        return clipped


def surface_points(person: Ellipsoids, count: int, rng: np.random.Generator) -> tuple[F64, npt.NDArray[np.intp]]:
    """Points (count, 3) on the outer surface of the union, and their ellipsoids (count,); not evenly distributed."""
    points, parts = np.empty((0, 3)), np.empty(0, dtype=np.intp)
    weights = np.abs(np.linalg.det(person.axes)) ** (2 / 3)
    while len(points) < count:
        part = rng.choice(len(weights), 2 * count, p=weights / weights.sum())
        directions = rng.normal(size=(2 * count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        found = person.centres[part] + np.einsum("nij,nj->ni", person.axes[part], directions)
        values = person.values(found)
        values[np.arange(len(part)), part] = np.inf
        free = values.min(axis=1) > 1.0
        points, parts = np.concatenate([points, found[free]]), np.concatenate([parts, part[free]])
    return points[:count], parts[:count]


def ellipsoid_people(count: int, seed: int, *, first: int = 0, spread: float = 1.0) -> list[Ellipsoids]:
    """Make people, each from a random stream of its own.

    Args:
        count: number of people.
        seed: of the streams.
        first: number of the first person; it skips people that are used elsewhere, such as in another split.
        spread: see `ellipsoid_person`.
    """
    return [ellipsoid_person(derive_rng(seed, index, "person"), spread=spread) for index in range(first, first + count)]
