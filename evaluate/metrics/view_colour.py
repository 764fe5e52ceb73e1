"""The colours of one view of a data set, for the metrics of colour: shards hold no texture, but coloured points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from ...core.arrays import F64
from ...geometry.closest import ClosestSurface
from ...geometry.mesh import PosedMesh
from ...pages.pictures import draw_coloured, turned_camera
from ...reconstruct.picture_to_mesh import ReconstructedMesh
from .colour import barycentric_of, compare_pictures
from .pair import ComparedColours

COLOUR_POINTS = 5000


def needs_colour(metrics: Iterable[str]) -> bool:
    """Return whether any of these metrics, by name, compares colours."""
    return any(name.startswith(("colour_", "view_")) for name in metrics)


def compare_view_colours(
    mesh: ReconstructedMesh, item: Mapping[str, torch.Tensor], calibration: F64, device: str
) -> ComparedColours:
    """Compare the colours of a reconstruction with those of its view.

    At points: the shard's coloured points under the view's own light, each beside the rebuilt colour at the closest
    point. They lie on the truth alone, since only there the colour is known. In pictures: the view's own picture beside
    the rebuilt mesh drawn from the same camera.

    Args:
        mesh: the reconstruction, with colours at its vertices.
        item: of ViewDataset, with colour points.
        calibration: (4, 4) world metres to view space.
        device: where closest points are searched.
    """
    assert mesh.vertex_colours is not None
    colours = mesh.vertex_colours.astype(np.float64) / 255.0
    near = ClosestSurface(mesh.vertices, mesh.faces, device=device).query(item["colour_points"].double().numpy())
    corners = mesh.faces[near.faces]
    weights = barycentric_of(near.points, mesh.vertices[corners])
    differences = np.einsum("nij,ni->nj", colours[corners], weights) - item["colours"].double().numpy()
    given = item["image"].permute(1, 2, 0).numpy()
    surface = PosedMesh(mesh.vertices, mesh.faces)
    drawn = draw_coloured(surface, turned_camera(calibration), mesh.vertex_colours, given.shape[0])
    picture = compare_pictures(*(pixels.astype(np.float64) / 255.0 for pixels in (drawn, given)))
    # Two halves stand for the two directions; the mean of both is the mean over all points.
    return ComparedColours((differences[::2], differences[1::2]), (picture,))
