"""The search on real fields, those of the package's network for drawn people: node for node that of the reference."""

import numpy as np
import pytest

from mpc.core.pictures import mask_of
from mpc.geometry.camera import OrthographicCamera
from mpc.models.runs import load_run
from mpc.models.shipped import shipped_run
from mpc.reconstruct.localise.localise import localise
from mpc.reconstruct.view_field import encode_view
from mpc.render.renderer import choose_renderer, open_renderer
from support.box_person import POSES, boxes
from support.numpy_search.localise import localise as reference

RESOLUTION = 65


@pytest.fixture(scope="module")
def people():
    """The network's field of a figure in two poses, each seen from another side, and its mask."""
    run = load_run(shipped_run())
    size = run.settings["image_size"]
    found = []
    for number, pose in enumerate(list(POSES)[:2]):
        mesh = boxes(POSES[pose], cells=4)
        with open_renderer(choose_renderer("embree"), mesh, size) as renderer:
            middle = mesh.vertices.min(axis=0) / 2 + mesh.vertices.max(axis=0) / 2
            picture = renderer.albedo(OrthographicCamera(tuple(middle.tolist()), 2.4, 30.0 + 60.0 * number))
        found.append((encode_view(run.surface, run.texture, picture), mask_of(picture)))
    return found


@pytest.mark.parametrize("mode", ["lossless", "visible", "fast"])
@pytest.mark.parametrize("masked", [True, False])
def test_nodes_of_people_are_those_of_the_reference(people, mode, masked):
    for view, mask in people:
        known = np.full(RESOLUTION**3, np.nan, np.float32)

        def at(points):
            i, j, k = np.rint((points.T.astype(np.float64) + 1) / 2 * (RESOLUTION - 1)).astype(np.int64)
            return (i * RESOLUTION + j) * RESOLUTION + k

        def noted(points, view=view, known=known, at=at):
            known[at(points)] = view.occupancy(points)
            return known[at(points)]

        chosen = {
            "mode": mode,
            "mask": mask if masked else None,
            "bracket": None if mode == "fast" else view.depth_range,
        }
        found = localise(noted, RESOLUTION, **chosen)
        # The reference asks a table of the network's answers: one that was not asked for before is NaN, an error.
        expected = reference(lambda points, known=known, at=at: known[at(points)], RESOLUTION, **chosen)
        assert found.total_evaluations > 500
        assert np.array_equal(found.nodes, expected.nodes)
        assert found.evaluations == expected.evaluations
        assert np.abs(found.values - expected.values).max() <= (1e-6 if mode == "fast" else 0.0)
