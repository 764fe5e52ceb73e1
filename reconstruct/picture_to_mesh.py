"""One picture to one coloured mesh in world metres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F32, F64, I32, U8, Bools
from ..core.pictures import mask_of
from ..geometry.camera import project
from ..geometry.mesh import PosedMesh
from ..models.runs import LoadedRun
from .localise.grid import LocalisedGrid
from .localise.localise import localise
from .surface.mesh import extract_mesh, to_world
from .surface.photo import PhotoColours
from .surface.texture import bake_texture
from .view_field import ViewField, encode_view


@dataclass(frozen=True, eq=False)
class ReconstructedMesh:
    """A person reconstructed from one picture.

    Attributes:
        vertices: (V, 3) float64, world metres.
        faces: (F, 3) int32, outward.
        vertex_colours: (V, 3) uint8, display values under the picture's light; None without a texture network.
        evaluations: number of points at which the surface network was evaluated.
    """

    vertices: F64
    faces: I32
    vertex_colours: U8 | None
    evaluations: int

    @property
    def posed(self) -> PosedMesh:
        """The mesh as renderers, metrics and file writers take it."""
        colours = self.vertex_colours
        if colours is not None:
            colours = np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], axis=1)
        return PosedMesh(self.vertices, self.faces, vertex_colours=colours)


def reconstruct_view(
    run: LoadedRun,
    image: U8,
    calibration: F64,
    resolution: int = 257,
    *,
    use_mask: bool = True,
    largest_component: bool = False,
    colour: bool = True,
    landmarks: F32 | None = None,
    body: F32 | None = None,
    both_ways: bool = True,
) -> ReconstructedMesh:
    """Reconstruct the person in a picture, as `mpc reconstruct` does.

    Args:
        run: from `load_run`.
        image: (H, W, 4) uint8 RGBA, straight alpha, of the size the run was trained on.
        calibration: (4, 4) world metres to view space.
        resolution: nodes along each side of the view cube; minus one, it is 16 times a power of two (129, 257, 513).
        use_mask: take what the picture's mask shows to be outside of the person for empty, without an evaluation.
        largest_component: keep only the connected part with the greatest area.
        colour: evaluate the texture network, where there is one, at every vertex.
        landmarks: (33, 7) of the person, see `ViewEncoder.encode`.
        body: (8, H, W) below the clothes, see `ViewEncoder.encode`.
        both_ways: average the maps with those of the mirror image, see `ViewEncoder`.

    Raises:
        NoSurfaceError: the network predicts that nothing is inside, or everything.
    """
    view = encode_view(run.surface, run.texture, image, landmarks, body, both_ways=both_ways)
    return reconstruct_field(
        view, calibration, resolution, mask=mask_of(image) if use_mask else None,
        largest_component=largest_component, colour=colour, photo=image,
    )  # fmt: skip


def reconstruct_field(
    view: ViewField,
    calibration: F64,
    resolution: int = 257,
    *,
    mask: Bools | None = None,
    largest_component: bool = False,
    colour: bool = True,
    photo: U8 | None = None,
) -> ReconstructedMesh:
    """`reconstruct_view` for a picture that is already encoded.

    Args:
        view: the encoded picture.
        calibration: (4, 4) world metres to view space.
        resolution: nodes along each side of the view cube.
        mask: (H, W) bool, the person in the picture, see `localise`.
        largest_component: keep only the connected part with the greatest area.
        colour: colour the vertices, where there is a texture network.
        photo: see `mesh_of_grid`.
    """
    # The mesh is made on the CPU on every machine, so that measurements of it agree.
    grid = localise(view.occupancy, resolution, mask=mask, bracket=view.depth_range)
    return mesh_of_grid(grid, view, calibration, largest_component=largest_component, colour=colour, photo=photo)


def mesh_of_grid(
    grid: LocalisedGrid,
    view: ViewField,
    calibration: F64,
    *,
    largest_component: bool = False,
    colour: bool = True,
    photo: U8 | None = None,
) -> ReconstructedMesh:
    """The last step of `reconstruct_view`: from a localised grid to a coloured mesh in world metres.

    Args:
        grid: the localised occupancy.
        view: the encoded picture.
        calibration: (4, 4) world metres to view space.
        largest_component: keep only the connected part with the greatest area.
        colour: colour the vertices, where there is a texture network.
        photo: (S, S, 4) uint8 RGBA, the cube's square of the photograph at any size; what it shows is coloured by it
            (surface/photo.py). None: the network colours everything.
    """
    mesh = to_world(extract_mesh(grid, largest_component=largest_component), calibration)
    colours = None
    if colour and view.texture_features is not None:
        values = _painter(view, mesh, calibration, photo)(mesh.vertices, mesh.vertex_normals)
        colours = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    return ReconstructedMesh(mesh.vertices, mesh.faces, colours, grid.total_evaluations)


def _painter(view: ViewField, mesh: PosedMesh, calibration: F64, photo: U8 | None) -> Callable[[F64, F64], F32]:
    """What colours points (N, 3) with normals (N, 3) of a mesh: the photo where it shows them, else the network."""
    photograph = None if photo is None else PhotoColours(mesh, photo, calibration)

    def colours(points_world: F64, normals_world: F64) -> F32:
        network = view.colours(project(points_world, calibration).astype(np.float32))
        return network if photograph is None else photograph.blend(points_world, normals_world, network)

    return colours


def textured_mesh(
    view: ViewField, mesh: ReconstructedMesh, calibration: F64, size: int, photo: U8 | None = None
) -> PosedMesh:
    """Give a mesh a texture: the colour at the surface point of each texel.

    Args:
        view: the encoded picture.
        mesh: its reconstruction.
        calibration: (4, 4) world metres to view space.
        size: texels along each side of the texture.
        photo: as for `mesh_of_grid`.

    Raises:
        SettingsError: the texture is too small for the charts of the mesh.
        MpcError: the run has no texture network.
    """
    surface = PosedMesh(mesh.vertices, mesh.faces)
    return bake_texture(mesh.vertices, mesh.faces, size, _painter(view, surface, calibration, photo))
