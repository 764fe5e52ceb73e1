"""A person in a shirt of one open sheet, with a folded collar and a turned-back cuff, as scans of clothes have them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import trimesh

from mpc.geometry.mesh import PosedMesh

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# (radius, height) in metres, from the hem to the neck; the collar folds outward and down, the cuff back over the arm.
SHIRT = [(0.0, 0.0), (0.16, 0.0), (0.18, 0.3), (0.2, 0.55), (0.12, 0.62), (0.075, 0.68)]
COLLAR = [(0.075, 0.68), (0.09, 0.685), (0.115, 0.655), (0.14, 0.63)]
SLEEVE = [(0.07, 0.1), (0.065, 0.3), (0.06, 0.5)]
CUFF = [(0.06, 0.5), (0.067, 0.502), (0.074, 0.46), (0.075, 0.42)]
SECTIONS = 24


def revolved(profile: list[tuple[float, float]], steps: int = 3) -> trimesh.Trimesh:
    """The profile turned about the y axis, its faces away from the axis wherever it rises."""
    points = np.array(profile)
    fine = np.concatenate(
        [points[i] + np.linspace(0, 1, steps, endpoint=False)[:, None] * (points[i + 1] - points[i])
         for i in range(len(points) - 1)] + [points[-1:]]
    )  # fmt: skip
    angle = np.linspace(0, 2 * np.pi, SECTIONS, endpoint=False)
    ring = np.stack([np.sin(angle), np.zeros(SECTIONS), np.cos(angle)], axis=1)
    vertices = (fine[:, None, :1] * ring + fine[:, None, 1:] * [0.0, 1.0, 0.0]).reshape(-1, 3)
    row, column = np.divmod(np.arange((len(fine) - 1) * SECTIONS), SECTIONS)
    a, b = row * SECTIONS + column, row * SECTIONS + (column + 1) % SECTIONS
    faces = np.concatenate([np.stack([a, b, b + SECTIONS], axis=1), np.stack([a, b + SECTIONS, a + SECTIONS], axis=1)])
    return trimesh.Trimesh(vertices, faces, process=False)


def dressed_person() -> tuple[PosedMesh, dict[str, Bools]]:
    """The person as a modeller leaves it: everything that one sees faces outward.

    Collar and cuff are folds of the sheet, so their faces, which face outward like the rest, oppose their neighbours.

    Returns:
        The mesh, metres, y up.
        (F,) bool, by name: the faces of "shirt", "collar", "sleeve", "cuff", "head" and "hand".
    """
    sideways = trimesh.transformations.rotation_matrix(-np.pi / 2, [0, 0, 1])
    sideways[:3, 3] = [0.05, 0.45, 0.0]
    head, hand = trimesh.creation.icosphere(2, radius=0.1), trimesh.creation.icosphere(2, radius=0.057)
    head.apply_translation([0.0, 0.76, 0.0])
    hand.apply_translation([0.57, 0.45, 0.0])
    parts = {
        "shirt": revolved(SHIRT),
        "collar": revolved(COLLAR),
        "sleeve": revolved(SLEEVE).apply_transform(sideways),
        "cuff": revolved(CUFF).apply_transform(sideways),
        "head": head,
        "hand": hand,
    }
    for fold in ("collar", "cuff"):
        parts[fold].invert()
    counts = [len(part.faces) for part in parts.values()]
    whole = trimesh.util.concatenate(list(parts.values()))
    owner = np.repeat(np.arange(len(counts)), counts)
    mesh = PosedMesh(np.asarray(whole.vertices, np.float64), whole.faces.astype(np.int32))
    return mesh, {name: owner == number for number, name in enumerate(parts)}
