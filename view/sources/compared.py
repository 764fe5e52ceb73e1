"""Predicted meshes beside the true ones, coloured by their error, with P2S and Chamfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.arrays import U8
from ...core.errors import InputError, SettingsError
from ...core.files import legible
from ...formats.mesh_files import read_mesh
from ...geometry.mesh import Material, PosedMesh
from ..content import Body, Content, Control, Draw
from .facts import describe_mesh

if TYPE_CHECKING:
    from ...evaluate.match import FilePair
    from ...evaluate.metrics.pair import MeshPair

POINTS = 30_000  # drawn on either surface: the mean distance is then known to about a hundredth of itself
BESIDE, OVER, ERROR, MISSING = "side by side", "one over the other", "error of the prediction", "error at the truth"
TRUTH_TINT = (110, 160, 215, 255)


@dataclass(frozen=True)
class ComparedMeshes:
    """Meshes of one path beside those of another, matched by name as `mpc eval --pred --truth` does.

    Attributes:
        predicted: a mesh, or a folder of meshes.
        true: the same.
    """

    predicted: Path
    true: Path
    draws: Sequence[Draw] = ()

    @property
    def title(self) -> str:
        """See Source."""
        return f"meshes of {self.predicted} beside {self.true}"

    def names(self) -> Sequence[str]:
        """See Source."""
        return tuple(self._pairs())

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        return (Control("arrangement", (BESIDE, OVER, ERROR, MISSING)),)

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        pair = self._pairs()[name]
        if pair.predicted is None:
            raise InputError(pair.true, "has no prediction")
        remark, scale = self._scale
        predicted, true = (_in_metres(path, scale) for path in (pair.predicted, pair.true))
        facts = {"prediction": str(pair.predicted), "truth": str(pair.true)}
        facts |= {f"{key} (prediction, truth)": f"{a}, {b}" for key, a, b in _facts(predicted, true)}
        arrangement = chosen["arrangement"]
        plain = Content(
            facts=facts,
            remarks=[remark] if remark else [],
            bodies=_arrange(arrangement, predicted, true) if arrangement in (BESIDE, OVER) else (),
        )
        return replace(plain, later=lambda: _measured(plain, predicted, true, name, arrangement))

    def _pairs(self) -> dict[str, FilePair]:
        from ...evaluate.match import FilePair, find_meshes, match_files

        if self.predicted.is_file() and self.true.is_file():
            name = legible(self.predicted.name)
            return {name: FilePair(name, name, self.predicted, self.true)}
        if self.predicted.is_file() or self.true.is_file():
            raise SettingsError(f"--truth {self.true}: give a mesh for a mesh, or a folder for a folder")
        pairs, _ = match_files(find_meshes(self.predicted), find_meshes(self.true), self.predicted, self.true)
        return {pair.key: pair for pair in pairs}

    @cached_property
    def _scale(self) -> tuple[str, float]:
        """Metres of one unit of the files, and a remark where it is not known."""
        from ...evaluate.folders import guess_unit
        from ...evaluate.settings import UNITS_M

        try:
            return "", UNITS_M[guess_unit([pair.true for pair in self._pairs().values()])]
        except SettingsError:
            return "the truth has the size of a person in no known unit; its coordinates are taken as metres", 1.0


def _in_metres(path: Path, scale: float) -> PosedMesh:
    mesh = read_mesh(path)
    return mesh if scale == 1.0 else mesh.with_vertices(mesh.vertices * scale)


def _facts(predicted: PosedMesh, true: PosedMesh) -> list[tuple[str, str, str]]:
    one, other = describe_mesh(predicted), describe_mesh(true)
    return [(key, one[key], other[key]) for key in ("faces", "size, metres")]


def _arrange(arrangement: str, predicted: PosedMesh, true: PosedMesh) -> tuple[Body, ...]:
    if arrangement == BESIDE:
        return Body("prediction", predicted), Body("truth", _beside(true, predicted))
    tinted = PosedMesh(true.vertices, true.faces, materials=(Material(colour=_unit(TRUTH_TINT)),))
    return Body("prediction", predicted), Body("truth", tinted)


def _unit(colour: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    red, green, blue, alpha = (value / 255 for value in colour)
    return red, green, blue, alpha


def _beside(mesh: PosedMesh, other: PosedMesh) -> PosedMesh:
    """The mesh moved to the right until it lies clear of the other."""
    shift = 1.05 * (other.bounds[1, 0] - mesh.bounds[0, 0])
    return mesh.with_vertices(mesh.vertices + np.array([max(shift, 0.0) + 0.1, 0.0, 0.0]))


def _measured(plain: Content, predicted: PosedMesh, true: PosedMesh, name: str, arrangement: str) -> Content:
    """The content with scores, and with error colours where these are chosen."""
    from ...evaluate.metrics.pair import MeshPair
    from ...evaluate.metrics.surface import measure_chamfer, measure_p2s, measure_s2p
    from ...evaluate.report.sections import HEAT_CM

    pair = MeshPair.of(predicted, true, points=POINTS, key=name, device="cpu")
    scores = {
        "Chamfer": f"{measure_chamfer(pair).value:.3f} cm",
        "P2S (prediction to truth)": f"{measure_p2s(pair).value:.3f} cm",
        "S2P (truth to prediction)": f"{measure_s2p(pair).value:.3f} cm",
    }
    bodies = plain.bodies
    if arrangement in (ERROR, MISSING):
        scores["colours"] = f"blue 0 cm, yellow {HEAT_CM / 2:g} cm, dark red {HEAT_CM:g} cm and more"
        bodies = (Body("error", _coloured(pair, arrangement)),)
    return replace(plain, facts={**scores, **plain.facts}, bodies=bodies, later=None)


def _coloured(pair: MeshPair, arrangement: str) -> PosedMesh:
    from ...evaluate.report.sections import distance_colours

    predicted, true = pair.shapes
    if arrangement == ERROR:
        mesh, colours = predicted, distance_colours(predicted, pair.true.closest)
    else:
        mesh, colours = true, distance_colours(true, pair.predicted.closest)
    opaque: U8 = np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], axis=1)
    return PosedMesh(mesh.vertices, mesh.faces, vertex_colours=opaque)
