"""Meshes of a benchmark's people by networks with and without a body (`body_prior.py --benchmark`), as `mpc eval`
makes and measures them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from people_intervals import by_person, figures

from mpc.core.devices import one_thread
from mpc.core.files import read_json, write_json
from mpc.datasets.loading.body import KNOWN, body_maps
from mpc.datasets.shards.bodies import BODIES
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.landmarks import has_landmarks
from mpc.evaluate.methods.candidate import open_views
from mpc.evaluate.methods.method import GivenView
from mpc.evaluate.methods.run import RunMethod
from mpc.evaluate.metrics.measure import measure_pair
from mpc.evaluate.metrics.pair import MeshPair
from mpc.evaluate.settings import EvaluationSettings
from mpc.models.runs import LoadedRun

METRICS = ("chamfer", "p2s", "facing", "limbs")
FIGURES = ("iou", *METRICS)
HIGHER = ("iou", "facing", "limbs")
"""Figures that are better where they are higher."""
RESOLUTION, POINTS = 129, 10_000
"""Edge of the pictures; nodes along the grid; points on either surface, by which a view's Chamfer distance is known to
0.02 cm, and a mean over sixty views to 0.003 cm."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: of the network, and with `given` of the file of its figures.
        given: the body that it is given: "none", "known" or "fitted".
        run: the network.
    """

    name: str
    given: str
    run: LoadedRun


def mesh_rows(rows: Iterable[Row], shards: Path, out: Path, plain: str) -> list[dict[str, object]]:
    """Measure the views of the test split, and print a JSON line for each row.

    Args:
        rows: in the order in which they are measured.
        shards: with landmarks, the layers of the known bodies, and fitted bodies beside them.
        out: folder of the figures of each view; rows that are there are kept.
        plain: name of the row that the rows after it are compared with.

    Raises:
        SystemExit: landmarks or bodies are lacking, or a view has no mesh.
    """
    if not (
        has_landmarks(shards, "test")
        and BODIES.are_there(shards, "test")
        and set(KNOWN) <= set(read_index(shards).settings.get("layers", ()))
    ):
        raise SystemExit(f"{shards}: landmarks, known bodies or fitted ones are lacking; see the commands of --help")
    rng, found, against = np.random.default_rng(0), [], None
    for row in rows:
        path = out / f"{row.name}, given {row.given}.json"
        if not path.is_file():
            write_json(path, _measure(row, shards))
        views = read_json(path)["views"]
        people = by_person(
            np.array([[np.nan if view[name] is None else view[name] for name in FIGURES] for view in views]),
            [view["subject"] for view in views],
        )
        entry: dict[str, object] = {"network": row.name, "given": row.given, "views": len(views), "people": len(people)}
        for column, name in enumerate(FIGURES):
            entry |= figures(
                name, people[:, column], None if against is None else against[:, column], rng, higher=name in HIGHER
            )
        against = people if row.name == plain else against
        found.append(entry)
        print(json.dumps(entry), flush=True)
    return found


def _measure(row: Row, shards: Path) -> dict[str, Any]:
    """The figures of each view, JSON-ready."""
    settings = EvaluationSettings(metrics=METRICS, resolution=RESOLUTION, points=POINTS, body=row.given)
    size = row.run.surface.config.encoder.side
    method, data = RunMethod(row.run, settings, colour=False), open_views(shards, settings, size, 0)
    views = []
    for number, ref in enumerate(data.views):
        item, truth, key = data[number], data.scene_mesh(ref.scene), f"{ref.scene_key}/{ref.view_name}"
        if row.given != "none" and body_maps(item) is None:
            raise SystemExit(f"{shards}: {key} has no {row.given} body")
        with one_thread():
            rebuilt = method(GivenView.of(item, truth))
            if rebuilt.mesh is None:
                raise SystemExit(f"{row.name}, given {row.given}: {key} has no mesh: {rebuilt.failure}")
            pair = MeshPair.of(
                (rebuilt.mesh.vertices, rebuilt.mesh.faces), truth,
                points=settings.points, seed=settings.seed, key=key, device="cpu",
            )  # fmt: skip
            scores = measure_pair(pair, "mpc", METRICS, "none", depth=item["calibration"].double().numpy()[2, :3])
        views.append(
            {"key": key, "subject": ref.subject, "iou": rebuilt.iou, **{name: scores[name].value for name in METRICS}}
        )
    return {"name": row.name, "given": row.given, "views": views}
