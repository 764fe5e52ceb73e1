"""The true colours of a view, for the metrics of colour: shards hold no texture, but pictures and coloured points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from ...core.arrays import F64
from ...geometry.closest import ClosestSurface
from ...geometry.mesh import PosedMesh
from ...pages.pictures import draw_coloured, turned_camera
from ...reconstruct.picture_to_mesh import ReconstructedMesh
from .colour import barycentric_of
from .pair import MeshPair

COLOUR_POINTS = 5000


def asks_for_colour(metrics: Iterable[str]) -> bool:
    """Whether any of these metrics is one of colour."""
    return any(name.startswith(("colour_", "view_")) for name in metrics)


def share_true_colours(
    pair: MeshPair, mesh: ReconstructedMesh, item: Mapping[str, torch.Tensor], calibration: F64
) -> None:
    """Give a pair what evaluate/metrics/colour.py would compute from two coloured meshes.

    Colours at points: of the shard's coloured points under the view's own light, each beside the rebuilt colour at the
    closest point; from the truth alone, since only there the colour is known. Pictures: the view's own, beside the
    rebuilt mesh drawn from the same camera.

    Args:
        pair: of the view; changed.
        mesh: the reconstruction, with colours at its vertices.
        item: of ViewDataset, with colour points.
        calibration: (4, 4) world metres to view space.
    """
    assert mesh.vertex_colours is not None
    colours = mesh.vertex_colours.astype(np.float64) / 255.0
    near = ClosestSurface(mesh.vertices, mesh.faces, device=pair.device).query(item["colour_points"].double().numpy())
    corners = mesh.faces[near.faces]
    weights = barycentric_of(near.points, mesh.vertices[corners])
    gaps = np.einsum("nij,ni->nj", colours[corners], weights) - item["colours"].double().numpy()
    pair.shared["colours at points"] = (gaps[::2], gaps[1::2])  # one half as if the other way: their mean is the same
    given = item["image"].permute(1, 2, 0).numpy()
    surface = PosedMesh(mesh.vertices, mesh.faces)
    drawn = draw_coloured(surface, turned_camera(calibration), mesh.vertex_colours, given.shape[0])
    rebuilt, true = (picture.astype(np.float64) / 255.0 for picture in (drawn, given))
    shown = (rebuilt[..., 3] > 0) | (true[..., 3] > 0)
    pictures = (rebuilt[..., :3] * rebuilt[..., 3:], true[..., :3] * true[..., 3:], shown)
    pair.shared["pictures of colours"] = [pictures]
