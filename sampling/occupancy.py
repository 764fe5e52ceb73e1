"""Labelled points: near the surface with several spreads, and uniform in every view's cube."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.arrays import F32, F64, I16, Bools
from ..geometry.mesh import PosedMesh
from ..geometry.surface import sample_surface
from .focus import face_focus
from .inside import InsideOracle, ambiguous_share
from .lattice import Lattice, make_lattice

UNIFORM = "uniform"
# Gaussian noise of more sigmas than this beyond the view cubes is clipped to the lattice (about once in 1e9 points).
NOISE_REACH = 6.0
# The user is warned of a scene whose ambiguous share of the volume is greater.
REPORTED_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class PointSet:
    """Points of one kind, in random order, so that any contiguous slice is a random sample.

    Attributes:
        name: "near_<sigma in millimetres>mm" or "uniform".
        sigma_m: standard deviation of the Gaussian noise, metres; 0 for "uniform".
        q: (N, 3) int16 lattice points.
        inside: (N,) bool, the label of the position as stored.
        confidence: (N,) float32 in [0, 1], see InsideOracle.judge; None where all labels are certain.
    """

    name: str
    sigma_m: float
    q: I16
    inside: Bools
    confidence: F32 | None


@dataclass(frozen=True, eq=False)
class OccupancySamples:
    """All labelled points of a scene: its pool.

    Attributes:
        lattice: converts stored points to world positions.
        sets: one per sigma, then "uniform".
        method: how points were labelled, see `InsideOracle.method`.
        ambiguous_share: see `inside.ambiguous_share`.
        notices: messages for the user about ambiguity.
    """

    lattice: Lattice
    sets: tuple[PointSet, ...]
    method: str
    ambiguous_share: float
    notices: tuple[str, ...]


def set_name(sigma_m: float) -> str:
    """The name of the set of near-surface points of one sigma."""
    return f"near_{sigma_m * 1000:g}mm"


def sample_occupancy(
    mesh: PosedMesh,
    calibrations: Sequence[F64],
    *,
    near_counts: dict[float, int],
    uniform_count: int,
    noise: Literal["isotropic", "normal"] = "isotropic",
    focus: float = 0.0,
    rng: np.random.Generator,
) -> OccupancySamples:
    """Draw points around a mesh and label them inside or outside its solid parts.

    Near points are uniform on the surface plus Gaussian noise ("Spatial Sampling" in PIFu, Saito et al., ICCV 2019,
    with a single sigma of 5 cm). Uniform points fill the upright cylinder that contains all views' cubes, so that the
    points in any one cube are uniform in that cube at every yaw. Labels are not balanced here: a trainer chooses the
    mixture.

    Args:
        mesh: the scene, world metres, its faces outward (see `orient_mesh`).
        calibrations: (4, 4) float64 of every view, world metres to the cube [-1, 1]^3.
        near_counts: number of points for each sigma in metres.
        uniform_count: number of points in the cylinder.
        noise: "isotropic", or "normal" for noise along the surface's normal only, as in MonoPort.
        focus: strength of the extra density on thin and curved parts, see `focus.face_focus`; 0 for none.
        rng: sole source of randomness.

    Raises:
        SettingsError: the scene lies too far from the world's origin.
    """
    centre, radius, half_height = covering_cylinder(calibrations)
    reach = max(radius, half_height) + NOISE_REACH * max(near_counts, default=0.0)
    lattice = make_lattice(centre, reach)
    oracle = InsideOracle(mesh)
    weights = face_focus(mesh, focus) if focus > 0 else None
    sets: list[PointSet] = []
    for sigma, count in near_counts.items():
        surface = sample_surface(mesh, count, rng, weights)
        if noise == "normal":
            offset = mesh.face_normals[surface.faces] * rng.normal(0.0, sigma, (count, 1))
        else:
            offset = rng.normal(0.0, sigma, (count, 3))
        sets.append(_label(oracle, lattice, set_name(sigma), sigma, surface.positions + offset))
    distance, angle = radius * np.sqrt(rng.random(uniform_count)), rng.random(uniform_count) * (2.0 * np.pi)
    height = rng.uniform(-half_height, half_height, uniform_count)
    uniform = np.stack([distance * np.sin(angle), height, distance * np.cos(angle)], axis=1) + centre
    sets.append(_label(oracle, lattice, UNIFORM, 0.0, uniform))
    notices: list[str] = []
    share = ambiguous_share(mesh, oracle)
    if share > REPORTED_SHARE:
        notices.append(f"{share:.0%} of the volume is ambiguous: the surface is open ({oracle.open_edges} edges)")
    return OccupancySamples(lattice, tuple(sets), oracle.method, share, tuple(notices))


def covering_cylinder(calibrations: Sequence[F64]) -> tuple[tuple[float, float, float], float, float]:
    """Centre (world), radius and half height, metres, of the upright cylinder that contains all views' cubes."""
    signs = np.array(np.meshgrid([-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0])).reshape(3, 8).T
    centres, corners = [], []
    for calibration in calibrations:
        # In homogeneous coordinates: a perspective camera's cube is a frustum in the world.
        places = np.pad(signs, ((0, 0), (0, 1)), constant_values=1.0) @ np.linalg.inv(calibration).T
        corners.append(places[:, :3] / places[:, 3:])
        centres.append((corners[-1].min(axis=0) + corners[-1].max(axis=0)) / 2)
    x, y, z = np.mean(centres, axis=0)
    reach = np.concatenate(corners) - np.array([x, y, z])
    radius = float(np.hypot(reach[:, 0], reach[:, 2]).max())
    return (float(x), float(y), float(z)), radius, float(np.abs(reach[:, 1]).max())


def _label(oracle: InsideOracle, lattice: Lattice, name: str, sigma_m: float, points: F64) -> PointSet:
    q = lattice.round(points)
    # Points are rounded before they are labelled, so that a label belongs to the stored position.
    return PointSet(name, sigma_m, q, *oracle.judge(lattice.positions(q)))
