"""A page about one evaluation that needs nothing but itself: pictures and charts lie inside the HTML."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...core.arrays import F64, U8
from ...core.files import read_json
from ...core.pictures import contact_sheet, crop, resample, used_box
from ...core.progress import NoProgress, Progress
from ...datasets.loading.views import ViewDataset
from ...datasets.shards.index import read_index
from ...geometry.device_mesh import DeviceMesh
from ...geometry.mesh import PosedMesh
from ...models.runs import LoadedRun, find_run, load_run
from ...pages.page import section, write_page
from ...pages.pictures import clay_colours, data_uri, draw_coloured, turned_camera
from ...pages.viewer import ViewerModel
from ...reconstruct.picture_to_mesh import ReconstructedMesh, reconstruct_view
from ..metrics.pair import MeshPair
from ..records import ViewScores
from ..run import view_key
from ..summary import EvaluationResult
from . import sections as common
from .hardest import hardest_views
from .training_log import mining_charts, read_log, training_charts

logger = logging.getLogger(__name__)

PICTURE = 320
THUMBNAIL = 160


@dataclass(frozen=True, eq=False)
class _Context:
    run: LoadedRun
    dataset: ViewDataset  # as the network sees it
    stored: ViewDataset  # the same views as rendered, for the eye
    evaluation: EvaluationResult
    by_key: dict[str, int]
    models: list[ViewerModel]  # what the view in three dimensions shows


def write_report(
    run: Path,
    shards: Path,
    evaluation: EvaluationResult,
    out: Path,
    *,
    examples: int = 3,
    worst: int = 6,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Path:
    """Write `out` (report.html): inputs, reconstructions beside the truth, curves, mining weights, worst cases, table.

    Args:
        run: the run evaluated (or a folder of runs).
        shards: the shards it was evaluated on.
        evaluation: from `evaluate`.
        out: the file.
        examples: reconstructions shown from front, side and back and in three dimensions: best, median, worst.
        worst: worst cases shown.
        device: where the shown views are reconstructed once more.
        progress: told of each part.

    Returns:
        `out`.
    """
    told = progress if progress is not None else NoProgress()
    loaded = load_run(find_run(run), device)
    split = evaluation.settings["settings"]["split"]
    size = loaded.settings.get("image_size")
    dataset = ViewDataset(shards, split, points=0, colour_points=0, image_size=size)
    by_key = {view_key(ref): index for index, ref in enumerate(dataset.views)}
    stored = ViewDataset(shards, split, points=0, colour_points=0)
    context = _Context(loaded, dataset, stored, evaluation, by_key, [])
    told.start("Report", examples + worst + 1)
    training: dict[str, Any] = read_json(loaded.folder / "run.json")
    log = read_log(loaded.folder / "log.jsonl")
    ranked = evaluation.ranked(evaluation.metrics[0].name)
    sections = [
        section("Scores", common.tiles(evaluation) + common.table(evaluation)),
        section("Spread", common.spread_charts(evaluation), common.SPREAD_NOTE),
        section(
            "Best, median and worst",
            _examples(context, common.pick_examples(evaluation)[:examples], told),
            _EXAMPLES_NOTE,
        ),
        section("Errors in three dimensions", common.error_viewer(context.models), common.VIEWER_NOTE),
        section("Worst cases", _worst(context, ranked[:worst], told), _worst_note(evaluation)),
        section("Training", f'<div class="charts">{training_charts(log)}</div>'),
        section("Hard example mining", f'<div class="charts">{mining_charts(log)}</div>', _MINING_NOTE),
        *([section("Hardest views", hardest, _HARDEST_NOTE)] if (hardest := hardest_views(shards, training)) else []),
        section("Inputs", _inputs(shards)),
        section("Settings", common.settings_blocks({"Evaluation": evaluation.settings, "Training": training})),
    ]
    told.advance(1, "page")
    told.finish()
    write_page(out, f"{loaded.folder.name}: {split}", _subtitle(evaluation), sections)
    return out


_EXAMPLES_NOTE = (
    "The network saw the first picture only. Beside it the person as it is (other pictures of the set, each under its "
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
        f"(blue) to {common.HEAT_CM:g} cm and more (dark red)."
    )


def _subtitle(evaluation: EvaluationResult) -> str:
    settings = evaluation.settings["settings"]
    return (
        f"{len(evaluation.records)} views of {common.count_text(len(evaluation.subjects), 'person', 'people')}, split "
        f"{settings['split']}, "
        f"rebuilt with {settings['resolution']} nodes a side, {settings['points']:,} points on each "
        f"surface. mpc {__version__}."
    )


def _rebuild(context: _Context, record: ViewScores) -> tuple[ReconstructedMesh, F64, int]:
    index = context.by_key[record.key]
    item = context.dataset[index]
    calibration = item["calibration"].double().numpy()
    settings = context.evaluation.settings["settings"]
    mesh = reconstruct_view(
        context.run, item["image"].permute(1, 2, 0).numpy(), calibration, settings["resolution"],
        largest_component=settings["largest_component"],
    )  # fmt: skip
    return mesh, calibration, index


def _examples(context: _Context, records: Sequence[tuple[str, ViewScores]], told: Progress) -> str:
    parts = [_example(context, word, record) for word, record in records]
    told.advance(len(records), "reconstructions")
    return "".join(parts) or '<p class="note">No view could be measured.</p>'


def _example(context: _Context, word: str, record: ViewScores) -> str:
    mesh, calibration, index = _rebuild(context, record)
    rebuilt = PosedMesh(mesh.vertices, mesh.faces)
    truth = context.dataset.scene_mesh(context.dataset.views[index].scene)
    pair = MeshPair(mesh.vertices, mesh.faces, truth.vertices, truth.faces, key=record.key)
    context.models.append(common.error_model(f"{word}: {record.key}", pair))
    cameras = [turned_camera(calibration, turn) for turn in (0.0, 90.0, 180.0)]
    rows: dict[str, list[U8]] = {"truth": [_nearest_picture(context.stored, index, c.yaw_deg) for c in cameras]}
    if mesh.vertex_colours is not None:
        colours = mesh.vertex_colours
        rows["rebuilt"] = [draw_coloured(rebuilt, camera, colours, PICTURE) for camera in cameras]
    for name, surface in (("true surface", truth), ("rebuilt surface", rebuilt)):
        rows[name] = [draw_coloured(surface, camera, clay_colours(surface, camera), PICTURE) for camera in cameras]
    box = used_box([picture for pictures in rows.values() for picture in pictures])
    given = data_uri(crop(rows["truth"][0], box))
    strips = common.three_sides(rows, box, "front, side, back of the view")
    return (
        f'<article class="example"><h3>{word}: {escape(record.key)} '
        f'<small>{common.score_text(context.evaluation, record)}</small></h3><div class="row">'
        f'<figure><img alt="input picture" src="{given}"><figcaption>input</figcaption></figure>'
        f'<div class="strips">{strips}</div></div></article>'
    )


def _worst(context: _Context, records: Sequence[ViewScores], told: Progress) -> str:
    cards = []
    for record in records:
        mesh, calibration, index = _rebuild(context, record)
        rebuilt = PosedMesh(mesh.vertices, mesh.faces)
        truth = context.dataset.scene_mesh(context.dataset.views[index].scene)
        heat = common.heat(rebuilt, DeviceMesh(truth.vertices, truth.faces))
        camera, side = turned_camera(calibration), turned_camera(calibration, 90.0)
        pictures = [
            _nearest_picture(context.stored, index, camera.yaw_deg),
            draw_coloured(truth, camera, clay_colours(truth, camera), PICTURE),
            *(draw_coloured(rebuilt, c, common.shaded(heat, rebuilt, c), PICTURE) for c in (camera, side)),
        ]
        box = used_box(pictures)
        sheet = contact_sheet([crop(picture, box) for picture in pictures], 4)
        cards.append(
            f'<figure class="card"><img alt="input, truth, error from front and side" src="{data_uri(sheet)}">'
            f"<figcaption><b>{escape(record.key)}</b> {common.score_text(context.evaluation, record)}<br>input, truth, "
            "error seen from the view and from its side</figcaption></figure>"
        )
        told.advance(1, record.key)
    return f'{common.failures(context.evaluation)}<div class="cards">{"".join(cards)}</div>'


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
            f"{common.count_text(people, 'person', 'people')}, {common.count_text(len(dataset.scene_keys), 'scene')}, "
            f"{len(dataset)} views; three views each of {common.count_text(len(scenes), 'scene')}</figcaption></figure>"
        )
    return "".join(parts)


def _spread_indices(count: int, most: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, most)).round()})
