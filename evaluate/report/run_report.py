"""The report of an evaluated run: one HTML file that holds its pictures and charts and fetches nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...core.arrays import F64, U8
from ...core.files import read_json
from ...core.pictures import contact_sheet, crop, resample, used_box
from ...core.progress import NoProgress, Progress
from ...core.settings import override
from ...datasets.loading.views import ViewDataset
from ...datasets.shards.index import read_index
from ...geometry.closest import ClosestSurface
from ...geometry.mesh import PosedMesh
from ...models.shipped import FOLDER, choose_run
from ...pages.page import section, write_page
from ...pages.pictures import clay_colours, data_uri, draw_coloured, turned_camera
from ...pages.viewer import ViewerModel
from ...reconstruct.picture_to_mesh import ReconstructedMesh
from ..methods.candidate import Candidate, open_views
from ..methods.method import GivenView, Method, stored_picture
from ..metrics.pair import MeshPair
from ..records import ViewScores
from ..run import view_key
from ..settings import EvaluationSettings
from ..summary import EvaluationResult, rebuilding_text
from .hardest import hardest_views
from .sections import (
    HEAT_CM,
    SPREAD_NOTE,
    VIEWER_NOTE,
    count_text,
    distance_colours,
    error_model,
    error_viewer,
    failure_lines,
    pick_examples,
    score_table,
    score_text,
    score_tiles,
    settings_blocks,
    shade_colours,
    spread_charts,
    three_sides,
)
from .training_log import mining_charts, read_log, training_charts

logger = logging.getLogger(__name__)

PICTURE = 320
THUMBNAIL = 160


@dataclass(frozen=True, eq=False)
class _Context:
    """What the sections of the report need.

    Attributes:
        rebuild: makes the mesh of a view again, coloured where there are colours.
        dataset: views of the split as they are rebuilt from.
        stored: the same views in the size they were rendered in.
        evaluation: the result that is shown.
    """

    rebuild: Method
    dataset: ViewDataset
    stored: ViewDataset
    evaluation: EvaluationResult

    @cached_property
    def by_key(self) -> dict[str, int]:
        """Index of each view by its key."""
        return {view_key(ref): index for index, ref in enumerate(self.dataset.views)}


def write_report(
    run: Path | None,
    shards: Path,
    evaluation: EvaluationResult,
    out: Path,
    *,
    examples: int = 3,
    worst: int = 6,
    training: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the report: scores, reconstructions beside the truth, worst cases, the training's curves, inputs, settings.

    Args:
        run: the evaluated run, or a folder of runs; None for a baseline, which was not trained.
        shards: the shards it was evaluated on.
        evaluation: what `evaluate` returned, or `evaluate_baseline`.
        out: the HTML file.
        examples: how many of the best, median and worst reconstruction are shown from three sides and in 3D.
        worst: number of worst cases that are shown.
        training: the shards whose training split the candidate knows; None: `shards`.
        progress: receives each part.

    Returns:
        `out`.
    """
    progress = progress or NoProgress()
    baseline = evaluation.settings["baseline"]
    candidate = Candidate(
        (training or shards).resolve(), run=None if run is None else choose_run(run)[0].resolve(), baseline=baseline
    )
    settings = override(EvaluationSettings(), evaluation.settings["settings"])
    context = _Context(
        candidate.open(evaluation.folder, settings, "cpu", colour=True),
        open_views(shards, settings, candidate.image_size(settings), 0),
        ViewDataset(shards, settings.split, points=0, colour_points=0), evaluation,
    )  # fmt: skip
    progress.start("Report", examples + worst + 1)
    ranked = evaluation.ranked(evaluation.metrics[0].name)
    shown = [_example(context, word, record) for word, record in pick_examples(evaluation)[:examples]]
    progress.advance(len(shown), "reconstructions")
    sections = [
        section("Scores", score_tiles(evaluation) + score_table(evaluation)),
        section("Spread", spread_charts(evaluation), SPREAD_NOTE),
        section(
            "Best, median and worst",
            "".join(example for example, _ in shown) or '<p class="note">No view could be measured.</p>',
            _EXAMPLES_NOTE,
        ),
        section("Errors in three dimensions", error_viewer([model for _, model in shown]), VIEWER_NOTE),
        section("Worst cases", _worst(context, ranked[:worst], progress), _worst_note(evaluation)),
        *([] if candidate.run is None else _training_sections(candidate.run, candidate.shards)),
        section("Inputs", _inputs(shards)),
        section("Settings", settings_blocks({"Evaluation": evaluation.settings, **_training_settings(candidate)})),
    ]
    progress.advance(1, "page")
    progress.finish()
    write_page(out, f"{candidate.name}: {settings.split}", _subtitle(evaluation), sections)
    return out


def _training_sections(run: Path, shards: Path) -> list[tuple[str, str]]:
    """The curves of a run's training and the views that were hardest in it."""
    # The weights of the package come without the log of their training.
    log = [] if run == FOLDER else read_log(run / "log.jsonl")
    hardest = hardest_views(shards, read_json(run / "run.json"))
    return [
        section("Training", f'<div class="charts">{training_charts(log)}</div>'),
        section("Hard example mining", f'<div class="charts">{mining_charts(log)}</div>', _MINING_NOTE),
        *([section("Hardest views", hardest, _HARDEST_NOTE)] if hardest else []),
    ]


def _training_settings(candidate: Candidate) -> dict[str, Any]:
    return {} if candidate.run is None else {"Training": read_json(candidate.run / "run.json")}


_EXAMPLES_NOTE = (
    "The first picture alone was given. Beside it the person as it is (other pictures of the set, each under its "
    "own light; its true surface as plaster) and as rebuilt: from that side, a quarter turn further, and from behind."
)
_MINING_NOTE = (
    "Views are drawn in proportion to their weight. The effective number of views says how many equally weighted views "
    "would spread as far: the lower beside the number of views, the more training dwells on hard ones."
)

_HARDEST_NOTE = (
    "Training views with the lowest score when last trained on, worst first: what mining drew most often in the end."
)


def _worst_note(evaluation: EvaluationResult) -> str:
    return (
        f"By {evaluation.metrics[0].name}. Colours show how far each rebuilt point lies from the true surface, from 0 "
        f"(blue) to {HEAT_CM:g} cm and more (dark red)."
    )


def _subtitle(evaluation: EvaluationResult) -> str:
    settings = evaluation.settings["settings"]
    return (
        f"{len(evaluation.records)} views of {count_text(len(evaluation.subjects), 'person', 'people')}, split "
        f"{settings['split']}, {settings['points']:,} points on each surface. {rebuilding_text(evaluation)} "
        f"mpc {__version__}."
    )


def _rebuild(context: _Context, record: ViewScores) -> tuple[ReconstructedMesh, F64, int]:
    index = context.by_key[record.key]
    truth = context.dataset.scene_mesh(context.dataset.views[index].scene)
    view = GivenView.of(context.dataset[index], truth, stored_picture(context.stored, index))
    mesh = context.rebuild(view).mesh
    assert mesh is not None, "a view that was measured has a mesh"
    return mesh, view.calibration, index


def _example(context: _Context, word: str, record: ViewScores) -> tuple[str, ViewerModel]:
    """The pictures of one reconstruction as HTML, and the reconstruction for the viewer."""
    mesh, calibration, index = _rebuild(context, record)
    rebuilt = PosedMesh(mesh.vertices, mesh.faces)
    truth = context.dataset.scene_mesh(context.dataset.views[index].scene)
    pair = MeshPair.of((mesh.vertices, mesh.faces), (truth.vertices, truth.faces), key=record.key)
    cameras = [turned_camera(calibration, turn) for turn in (0.0, 90.0, 180.0)]
    rows: dict[str, list[U8]] = {"truth": [_nearest_picture(context.stored, index, c.yaw_deg) for c in cameras]}
    if mesh.vertex_colours is not None:
        colours = mesh.vertex_colours
        rows["rebuilt"] = [draw_coloured(rebuilt, camera, colours, PICTURE) for camera in cameras]
    for name, surface in (("true surface", truth), ("rebuilt surface", rebuilt)):
        rows[name] = [draw_coloured(surface, camera, clay_colours(surface, camera), PICTURE) for camera in cameras]
    box = used_box([picture for pictures in rows.values() for picture in pictures])
    given = data_uri(crop(rows["truth"][0], box))
    strips = three_sides(rows, box, "front, side, back of the view")
    text = (
        f'<article class="example"><h3>{word}: {escape(record.key)} '
        f'<small>{score_text(context.evaluation, record)}</small></h3><div class="row">'
        f'<figure><img alt="input picture" src="{given}"><figcaption>input</figcaption></figure>'
        f'<div class="strips">{strips}</div></div></article>'
    )
    return text, error_model(f"{word}: {record.key}", pair)


def _worst(context: _Context, records: Sequence[ViewScores], progress: Progress) -> str:
    cards = []
    for record in records:
        mesh, calibration, index = _rebuild(context, record)
        rebuilt = PosedMesh(mesh.vertices, mesh.faces)
        truth = context.dataset.scene_mesh(context.dataset.views[index].scene)
        colours = distance_colours(rebuilt, ClosestSurface(truth.vertices, truth.faces))
        camera, side = turned_camera(calibration), turned_camera(calibration, 90.0)
        pictures = [
            _nearest_picture(context.stored, index, camera.yaw_deg),
            draw_coloured(truth, camera, clay_colours(truth, camera), PICTURE),
            *(draw_coloured(rebuilt, c, shade_colours(colours, rebuilt, c), PICTURE) for c in (camera, side)),
        ]
        box = used_box(pictures)
        sheet = contact_sheet([crop(picture, box) for picture in pictures], 4)
        cards.append(
            f'<figure class="card"><img alt="input, truth, error from front and side" src="{data_uri(sheet)}">'
            f"<figcaption><b>{escape(record.key)}</b> {score_text(context.evaluation, record)}<br>input, truth, "
            "error seen from the view and from its side</figcaption></figure>"
        )
        progress.advance(1, record.key)
    return f'{failure_lines(context.evaluation)}<div class="cards">{"".join(cards)}</div>'


def _nearest_picture(dataset: ViewDataset, index: int, yaw_deg: float) -> U8:
    scene = dataset.views[index].scene
    same = [number for number, view in enumerate(dataset.views) if view.scene == scene]
    nearest = min(same, key=lambda number: abs((dataset.views[number].yaw_deg - yaw_deg + 180.0) % 360.0 - 180.0))
    return resample(np.ascontiguousarray(dataset.picture(nearest).transpose(1, 2, 0)), PICTURE)


def _inputs(shards: Path) -> str:
    parts = []
    splits = {entry.split for entry in read_index(shards).shards}
    for split in (name for name in ("train", "val", "test") if name in splits):
        dataset = ViewDataset(shards, split, points=0, colour_points=0)
        scenes = _spread_indices(len(dataset.scene_keys), 48)
        pictures = []
        for scene in scenes:
            views = [number for number, view in enumerate(dataset.views) if view.scene == scene]
            pictures += [
                resample(np.ascontiguousarray(dataset.picture(views[i]).transpose(1, 2, 0)), THUMBNAIL)
                for i in (0, len(views) // 3, 2 * len(views) // 3)
            ]
        box = used_box(pictures)
        sheet = contact_sheet([crop(picture, box) for picture in pictures], min(18, len(pictures)))
        people = len({view.subject for view in dataset.views})
        parts.append(
            f'<figure><img alt="pictures of the split {split}" src="{data_uri(sheet)}"><figcaption>{split}: '
            f"{count_text(people, 'person', 'people')}, {count_text(len(dataset.scene_keys), 'scene')}, "
            f"{len(dataset)} views; three views each of {count_text(len(scenes), 'scene')}</figcaption></figure>"
        )
    return "".join(parts)


def _spread_indices(count: int, most: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, most)).round()})
