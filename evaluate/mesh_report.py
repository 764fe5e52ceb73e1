"""A page about one comparison of two folders of meshes; like report.py, it needs nothing but itself."""

from __future__ import annotations

import os
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np

from .. import __version__
from ..geometry.camera import OrthographicCamera
from ..geometry.closest import ClosestSurface
from ..geometry.mesh import PosedMesh
from ..geometry.progress import NoProgress, Progress
from . import gallery
from .folders import FolderSettings, find_meshes, match_files, open_pair
from .measure import align_pair
from .pair import MeshPair
from .records import ViewScores
from .report_page import page, section
from .report_sections import (
    HEAT_CM,
    SPREAD_NOTE,
    VIEWER_NOTE,
    count_text,
    error_model,
    error_viewer,
    pick_examples,
    score_text,
    settings_blocks,
    shaded,
    spread_charts,
    table,
    tiles,
)
from .summary import EvaluationResult

PICTURE = 300


def write_mesh_report(
    predicted: Path,
    true: Path,
    evaluation: EvaluationResult,
    out: Path,
    *,
    worst: int = 6,
    progress: Progress | None = None,
) -> Path:
    """Write `out` (report.html): scores, their spread, the best, median and worst prediction, errors to turn about.

    Args:
        predicted, true: the folders given to `evaluate_folders`.
        evaluation: from `evaluate_folders`.
        out: the file.
        worst: worst cases shown.
        progress: told of each part.

    Returns:
        `out`.
    """
    told = progress if progress is not None else NoProgress()
    files = {pair.key: pair for pair in match_files(find_meshes(predicted), find_meshes(true), predicted, true)[0]}
    content = evaluation.settings["settings"]
    settings = FolderSettings(**{**content, "metrics": tuple(content["metrics"])})
    examples = pick_examples(evaluation)
    ranked = evaluation.ranked(evaluation.metrics[0].name)[:worst]
    told.start("Report", len(examples) + len(ranked) + 1)

    def load(record: ViewScores) -> MeshPair:
        pair = open_pair(files[record.key], settings)
        return pair if settings.align == "none" else replace(align_pair(pair, settings.align), true_mesh=pair.true_mesh)

    models, rows = [], []
    for word, record in examples:
        pair = load(record)
        models.append(error_model(f"{word}: {record.key}", pair))
        rows.append(_example(word, record, pair, evaluation))
        told.advance(1, record.key)
    cards = []
    for record in ranked:
        cards.append(_card(record, load(record), evaluation))
        told.advance(1, record.key)
    failed = "".join(
        f'<p class="failed">{escape(record.key)} failed: {escape(record.failure)}</p>' for record in evaluation.failed
    )
    quirks = "".join(f"<li>{escape(quirk)}</li>" for quirk in evaluation.protocol.quirks)
    sections = [
        section(
            "Scores", tiles(evaluation) + table(evaluation) + (f'<ul class="note">{quirks}</ul>' if quirks else "")
        ),
        section("Spread", spread_charts(evaluation), SPREAD_NOTE),
        section("Errors in three dimensions", error_viewer(models), VIEWER_NOTE),
        section("Best, median and worst", "".join(rows) or '<p class="note">No mesh could be measured.</p>'),
        section("Worst cases", failed + f'<div class="cards">{"".join(cards)}</div>', _worst_note(evaluation)),
        section("Settings", settings_blocks({"Evaluation": evaluation.settings})),
    ]
    told.advance(1, "page")
    told.finish()
    name = evaluation.settings["run"]
    count = count_text(len(evaluation.records), "prediction")
    meshes = count_text(len(evaluation.subjects), "mesh", "meshes")
    subtitle = (
        f"{count} of {meshes} in {evaluation.settings['truth']}, protocol {evaluation.protocol.name}, alignment "
        f"{settings.align}. mpc {__version__}."
    )
    temporary = out.with_name(out.name + ".part")
    temporary.write_text(page(name, subtitle, sections), encoding="utf-8")
    os.replace(temporary, out)
    return out


def _worst_note(evaluation: EvaluationResult) -> str:
    return (
        f"By {evaluation.metrics[0].name}: truth, prediction, and the prediction's distance to the truth from 0 (blue) "
        f"to {HEAT_CM:g} cm and more (dark red), from the front and from the side."
    )


def _surfaces(pair: MeshPair) -> tuple[PosedMesh, PosedMesh]:
    predicted = PosedMesh(np.asarray(pair.predicted_vertices, np.float64), np.asarray(pair.predicted_faces, np.int32))
    true = PosedMesh(np.asarray(pair.true_vertices, np.float64), np.asarray(pair.true_faces, np.int32))
    return predicted, true


def _cameras(true: PosedMesh, yaws: tuple[float, ...]) -> list[OrthographicCamera]:
    low, high = true.bounds
    x, y, z = ((low + high) / 2).tolist()
    return [OrthographicCamera((x, y, z), 1.1 * float((high - low).max()), yaw) for yaw in yaws]


def _heat(predicted: PosedMesh, true: PosedMesh) -> gallery.U8:
    distances = ClosestSurface(true.vertices, true.faces, device="cpu").query(predicted.vertices).distances
    return gallery.heat_colours(distances * 100, HEAT_CM)


def _example(word: str, record: ViewScores, pair: MeshPair, evaluation: EvaluationResult) -> str:
    predicted, true = _surfaces(pair)
    cameras = _cameras(true, (0.0, 90.0, 180.0))
    heat = _heat(predicted, true)
    rows = {
        "truth": [gallery.draw_coloured(true, c, gallery.clay_colours(true, c), PICTURE) for c in cameras],
        "prediction": [
            gallery.draw_coloured(predicted, c, gallery.clay_colours(predicted, c), PICTURE) for c in cameras
        ],
        "error": [gallery.draw_coloured(predicted, c, shaded(heat, predicted, c), PICTURE) for c in cameras],
    }
    box = gallery.used_box([picture for pictures in rows.values() for picture in pictures])
    figures = "".join(
        f'<figure><img alt="{name} from three sides" src="'
        f'{gallery.data_uri(gallery.contact_sheet([gallery.crop(p, box) for p in pictures], 3))}">'
        f"<figcaption>{name}: front, side, back</figcaption></figure>"
        for name, pictures in rows.items()
    )
    return (
        f'<article class="example"><h3>{word}: {escape(record.key)} '
        f"<small>{score_text(evaluation, record)}</small></h3>"
        f'<div class="thirds">{figures}</div></article>'
    )


def _card(record: ViewScores, pair: MeshPair, evaluation: EvaluationResult) -> str:
    predicted, true = _surfaces(pair)
    front, side = _cameras(true, (0.0, 90.0))
    heat = _heat(predicted, true)
    pictures = [
        gallery.draw_coloured(true, front, gallery.clay_colours(true, front), PICTURE),
        gallery.draw_coloured(predicted, front, gallery.clay_colours(predicted, front), PICTURE),
        *(gallery.draw_coloured(predicted, c, shaded(heat, predicted, c), PICTURE) for c in (front, side)),
    ]
    box = gallery.used_box(pictures)
    sheet = gallery.contact_sheet([gallery.crop(picture, box) for picture in pictures], 4)
    return (
        f'<figure class="card"><img alt="truth, prediction, error from two sides" src="{gallery.data_uri(sheet)}">'
        f"<figcaption><b>{escape(record.key)}</b> {score_text(evaluation, record)}</figcaption></figure>"
    )
