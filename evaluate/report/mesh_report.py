"""The report of a comparison of two folders of meshes: one HTML file that fetches nothing."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ... import __version__
from ...core.pictures import contact_sheet, crop, used_box
from ...core.progress import NoProgress, Progress
from ...geometry.camera import OrthographicCamera
from ...geometry.mesh import PosedMesh
from ...pages.page import section, write_page
from ...pages.pictures import clay_colours, data_uri, draw_coloured
from ..folders import open_pair
from ..match import find_meshes, match_files
from ..metrics.measure import align_pair
from ..metrics.pair import MeshPair
from ..records import ViewScores
from ..settings import FolderSettings
from ..summary import EvaluationResult
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
    """Write the report: scores and their spread, errors in three dimensions, the best, median and worst predictions.

    Args:
        predicted: folder of predictions that was given to `evaluate_folders`.
        true: folder of truths that was given to it.
        evaluation: what it returned.
        out: the HTML file.
        worst: number of worst cases that are shown.
        progress: receives each part.

    Returns:
        `out`.
    """
    progress = progress or NoProgress()
    files = {pair.key: pair for pair in match_files(find_meshes(predicted), find_meshes(true), predicted, true)[0]}
    content = evaluation.settings["settings"]
    settings = FolderSettings(**{**content, "metrics": tuple(content["metrics"])})
    examples = pick_examples(evaluation)
    ranked = evaluation.ranked(evaluation.metrics[0].name)[:worst]
    progress.start("Report", len(examples) + len(ranked) + 1)

    def load(record: ViewScores) -> MeshPair:
        pair = open_pair(files[record.key], settings)
        return pair if settings.align == "none" else align_pair(pair, settings.align)

    models, rows = [], []
    for word, record in examples:
        pair = load(record)
        models.append(error_model(f"{word}: {record.key}", pair))
        rows.append(_example(word, record, pair, evaluation))
        progress.advance(1, record.key)
    cards = ""
    for record in ranked:
        cards += _card(record, load(record), evaluation)
        progress.advance(1, record.key)
    sections = [
        section("Scores", score_tiles(evaluation) + score_table(evaluation) + _quirks(evaluation)),
        section("Spread", spread_charts(evaluation), SPREAD_NOTE),
        section("Errors in three dimensions", error_viewer(models), VIEWER_NOTE),
        section("Best, median and worst", "".join(rows) or '<p class="note">No mesh could be measured.</p>'),
        section(
            "Worst cases",
            failure_lines(evaluation) + f'<div class="cards">{cards}</div>',
            _worst_note(evaluation),
        ),
        section("Settings", settings_blocks({"Evaluation": evaluation.settings})),
    ]
    progress.advance(1, "page")
    progress.finish()
    write_page(out, evaluation.settings["run"], _subtitle(evaluation), sections)
    return out


def _subtitle(evaluation: EvaluationResult) -> str:
    count = count_text(len(evaluation.records), "prediction")
    meshes = count_text(len(evaluation.subjects), "mesh", "meshes")
    return (
        f"{count} of {meshes} in {evaluation.settings['truth']}, protocol {evaluation.protocol.name}, alignment "
        f"{evaluation.settings['settings']['align']}. mpc {__version__}."
    )


def _quirks(evaluation: EvaluationResult) -> str:
    """What a reader must know before comparing numbers of this protocol, as a list."""
    quirks = "".join(f"<li>{escape(quirk)}</li>" for quirk in evaluation.protocol.quirks)
    return f'<ul class="note">{quirks}</ul>' if quirks else ""


def _worst_note(evaluation: EvaluationResult) -> str:
    return (
        f"By {evaluation.metrics[0].name}: truth, prediction, and the prediction's distance to the truth from 0 (blue) "
        f"to {HEAT_CM:g} cm and more (dark red), from the front and from the side."
    )


def _cameras(true: PosedMesh, yaws: tuple[float, ...]) -> list[OrthographicCamera]:
    low, high = true.bounds
    x, y, z = ((low + high) / 2).tolist()
    return [OrthographicCamera((x, y, z), 1.1 * float((high - low).max()), yaw) for yaw in yaws]


def _example(word: str, record: ViewScores, pair: MeshPair, evaluation: EvaluationResult) -> str:
    predicted, true = pair.shapes
    cameras = _cameras(true, (0.0, 90.0, 180.0))
    colours = distance_colours(predicted, pair.true.closest)
    rows = {
        "truth": [draw_coloured(true, c, clay_colours(true, c), PICTURE) for c in cameras],
        "prediction": [draw_coloured(predicted, c, clay_colours(predicted, c), PICTURE) for c in cameras],
        "error": [draw_coloured(predicted, c, shade_colours(colours, predicted, c), PICTURE) for c in cameras],
    }
    box = used_box([picture for pictures in rows.values() for picture in pictures])
    return (
        f'<article class="example"><h3>{word}: {escape(record.key)} '
        f"<small>{score_text(evaluation, record)}</small></h3>"
        f'<div class="thirds">{three_sides(rows, box, "front, side, back")}</div></article>'
    )


def _card(record: ViewScores, pair: MeshPair, evaluation: EvaluationResult) -> str:
    predicted, true = pair.shapes
    front, side = _cameras(true, (0.0, 90.0))
    colours = distance_colours(predicted, pair.true.closest)
    pictures = [
        draw_coloured(true, front, clay_colours(true, front), PICTURE),
        draw_coloured(predicted, front, clay_colours(predicted, front), PICTURE),
        *(draw_coloured(predicted, c, shade_colours(colours, predicted, c), PICTURE) for c in (front, side)),
    ]
    box = used_box(pictures)
    sheet = contact_sheet([crop(picture, box) for picture in pictures], 4)
    return (
        f'<figure class="card"><img alt="truth, prediction, error from two sides" src="{data_uri(sheet)}">'
        f"<figcaption><b>{escape(record.key)}</b> {score_text(evaluation, record)}</figcaption></figure>"
    )
