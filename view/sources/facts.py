"""Facts about a mesh for the panel."""

from __future__ import annotations

from ...geometry.mesh import PosedMesh


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
