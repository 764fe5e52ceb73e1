"""What the fit of a body tells of a scan: its parameters with the way into the world, and with the model the body."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..core.arrays import F64
from ..formats.limits import note_files
from ..geometry.labels import label_faces
from ..geometry.mesh import PosedMesh
from .body_fits import BodyFit, read_body_fit
from .body_model import BodyModel, fold, load_body_model
from .find import Subject


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedScan:
    """A scan and what its fit tells.

    Attributes:
        mesh: the scan, with the parts of its faces where the model is there.
        told: what scene.json says of the fit, JSON-ready; None where there is none.
        body: the fitted body, world metres; None without the model.
        joints: (J, 3) world metres; None without the model.
    """

    mesh: PosedMesh
    told: dict[str, Any] | None = None
    body: PosedMesh | None = None
    joints: F64 | None = None


def fit_scan(subject: Subject, file: Path, mesh: PosedMesh, to_world: F64, model: Path | None) -> FittedScan:
    """Read the fit of a scan and apply it.

    Args:
        subject: whose scan it is.
        file: the scan's file.
        mesh: the scan, world metres.
        to_world: (4, 4) the file's coordinates to the world.
        model: the user's file of SMPL-X; None for none.

    Raises:
        InputError: the fit, or the model, is damaged.
    """
    fit = read_body_fit(subject, file)
    if fit is None:
        return FittedScan(mesh=mesh)
    from_world = np.linalg.inv(to_world)
    place = to_world @ fit.to_scan(mesh.vertices @ from_world[:3, :3].T + from_world[:3, 3])
    told: dict[str, Any] = {
        "model": "smplx",
        "parameters": _listed(fit.parameters),
        "flat_hands": fit.flat_hands,
        "at_pelvis": fit.at_pelvis,
        "to_world": place.tolist(),
    }
    if model is None:
        return FittedScan(mesh=mesh, told=told)
    with note_files():  # the model belongs to the settings, not to the files of this person
        smplx = load_body_model(model)
    return _with_model(smplx, fit, place, mesh, told)


def _with_model(model: BodyModel, fit: BodyFit, place: F64, mesh: PosedMesh, told: dict[str, Any]) -> FittedScan:
    parameters = fit.parameters
    if fit.at_pelvis:
        parameters = {**parameters, "transl": -model.pose(parameters).root}
    posed = model.pose(parameters, flat_hands=fit.flat_hands)
    folded, scale = fold(parameters, place, posed.root)
    told = {**told, "folded": {"parameters": _listed(folded), "scale": scale}}
    body = model.mesh(posed).transformed(place)
    # A scan has no bones: its faces are of the part that the nearest place of the body is of.
    nearest = cKDTree(body.vertices).query(mesh.vertices)[1]
    part = label_faces(model.parts()[nearest], mesh.faces)
    joints = posed.joints @ place[:3, :3].T + place[:3, 3]
    return FittedScan(mesh=replace(mesh, face_part=part), told=told, body=body, joints=joints)


def _listed(parameters: dict[str, F64]) -> dict[str, list[float]]:
    return {name: np.asarray(values).tolist() for name, values in parameters.items()}
