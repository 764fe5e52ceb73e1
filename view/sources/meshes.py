"""A mesh by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...formats.mesh_files import read_mesh
from ...geometry.mesh import PosedMesh
from ..content import Body, Content, Control, Draw


@dataclass(frozen=True)
class OneMesh:
    """A mesh by itself, as its coordinates stand.

    Attributes:
        path: the file.
    """

    path: Path
    draws: Sequence[Draw] = ()

    @property
    def title(self) -> str:
        """See Source."""
        return f"mesh {self.path}"

    def names(self) -> Sequence[str]:
        """See Source."""
        return (self.path.name,)

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        return ()

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        mesh = read_mesh(self.path)
        facts = {"file": str(self.path), **describe_mesh(mesh)}
        facts["size, as it stands"] = facts.pop("size, metres")
        return Content(facts=facts, bodies=(Body("mesh", mesh),))


def describe_mesh(mesh: PosedMesh) -> dict[str, str]:
    """Facts about a mesh for the panel."""
    size = mesh.bounds[1] - mesh.bounds[0]
    textures = [material.texture.shape for material in mesh.materials if material.texture is not None]
    facts = {
        "vertices": f"{len(mesh.vertices):,}",
        "faces": f"{len(mesh.faces):,}",
        "size, metres": " x ".join(f"{edge:.3g}" for edge in size),
    }
    if textures:
        facts["textures"] = ", ".join(f"{width} x {height}" for height, width, *_ in textures)
    elif mesh.vertex_colours is not None:
        facts["colours"] = "of the vertices"
    return facts
