"""One picture to one coloured mesh in world metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import F32, F64, I32, U8
from ..geometry.camera import project
from ..geometry.mesh import TexturedMesh
from ..models.runs import LoadedRun
from .localise.grid import LocalisedGrid
from .localise.localise import localise
from .surface.mesh import SurfaceMesh, extract_mesh, to_world
from .surface.texture import bake_texture
from .view_field import ViewField, encode_view


@dataclass(frozen=True, eq=False)
class ReconstructedMesh:
    """A person rebuilt from one picture.

    Attributes:
        vertices: (V, 3) float64, world metres.
        faces: (F, 3) int32, outward.
        vertex_colours: (V, 3) uint8, display values under the picture's light; None without a texture network.
        evaluations: points the surface network was asked about.
    """

    vertices: F64
    faces: I32
    vertex_colours: U8 | None
    evaluations: int


def reconstruct_view(
    run: LoadedRun,
    image: U8,
    calibration: F64,
    resolution: int = 257,
    *,
    largest_component: bool = False,
    colour: bool = True,
) -> ReconstructedMesh:
    """Rebuild the person in a picture.

    Args:
        run: from `load_run`.
        image: (H, W, 4) uint8 RGBA, straight alpha, of the size the run was trained on.
        calibration: (4, 4) world metres to view space.
        resolution: nodes a side of the view cube; minus one, 16 times a power of two (129, 257, 513).
        largest_component: drop all but the greatest part.
        colour: ask the texture network, where there is one, for every vertex.

    Raises:
        NoSurfaceError: the network sees nobody, or fills the whole cube.
    """
    return reconstruct_field(
        encode_view(run, image), calibration, resolution, largest_component=largest_component, colour=colour
    )


def reconstruct_field(
    view: ViewField,
    calibration: F64,
    resolution: int = 257,
    *,
    largest_component: bool = False,
    colour: bool = True,
) -> ReconstructedMesh:
    """`reconstruct_view` for a picture already encoded."""
    grid = localise(view.occupancy, resolution)  # meshes made on a CPU, so that what is measured on them agrees
    return mesh_of_grid(grid, view, calibration, largest_component=largest_component, colour=colour)


def mesh_of_grid(
    grid: LocalisedGrid, view: ViewField, calibration: F64, *, largest_component: bool = False, colour: bool = True
) -> ReconstructedMesh:
    """The last step of `reconstruct_view`: from a localised picture to world metres."""
    mesh = to_world(extract_mesh(grid, largest_component=largest_component), calibration)
    colours = vertex_colours(view, mesh, calibration) if colour and view.texture_features is not None else None
    return ReconstructedMesh(mesh.vertices, mesh.faces, colours, grid.total_evaluations)


def vertex_colours(view: ViewField, mesh: SurfaceMesh, calibration: F64) -> U8:
    """(V, 3) uint8: the texture network's colour at every vertex of a world-space mesh."""
    values = view.colours(project(mesh.vertices, calibration).astype(np.float32))
    colours: U8 = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    return colours


def textured_mesh(view: ViewField, mesh: ReconstructedMesh, calibration: F64, size: int) -> TexturedMesh:
    """The mesh with a texture of `size` texels a side: the texture network's colour at the point of each.

    Raises:
        SettingsError: too small a texture.
        MpcError: the run has no texture network.
    """

    def colours(points_world: F64) -> F32:
        return view.colours(project(points_world, calibration).astype(np.float32))

    return bake_texture(mesh.vertices, mesh.faces, size, colours)
