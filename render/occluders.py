"""Which faces cast shadows: all but those of cut-out materials that are mostly holes (hair cards, lace)."""

from __future__ import annotations

import numpy as np

from ..core.arrays import I32
from ..geometry.mesh import PosedMesh
from ..geometry.surface import albedo_at

# Corners' middles and centre: where a face's alpha is looked up.
_PROBES = np.array(
    [[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4], [3, 3, 1], [1, 3, 3], [3, 1, 3]], np.float64
)  # fmt: skip


def solid_faces(mesh: PosedMesh) -> I32 | None:
    """(K,) int32 faces that block light, or None for all of them (no cut-out material)."""
    cut_out = np.array([material.alpha_mode == "mask" for material in mesh.materials])
    candidates = np.flatnonzero(cut_out[mesh.face_material]).astype(np.int32)
    if not len(candidates):
        return None
    cutoff = np.array([material.alpha_cutoff for material in mesh.materials])[mesh.face_material[candidates]]
    covered = np.zeros(len(candidates))
    for probe in _PROBES / _PROBES.sum(axis=1, keepdims=True):
        alpha = albedo_at(mesh, candidates, np.broadcast_to(probe, (len(candidates), 3)))[:, 3]
        covered += alpha >= cutoff
    solid = np.ones(len(mesh.faces), bool)
    solid[candidates[covered < len(_PROBES) / 2]] = False
    return np.flatnonzero(solid).astype(np.int32)
