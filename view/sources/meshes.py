"""A mesh by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.files import legible
from ...formats.mesh_files import read_mesh
from ..content import Body, Content, Control, Draw
from .facts import describe_mesh


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
        return (legible(self.path.name),)

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        return ()

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        mesh = read_mesh(self.path)
        facts = describe_mesh(mesh)
        facts["size, as it stands"] = facts.pop("size, metres")
        return Content(facts=facts, bodies=(Body("mesh", mesh),))
