"""A run: its curves, a held-out person at each checkpoint, and the views that it finds hardest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import read_json_object
from ...evaluate.report.training_log import mining_charts, read_log, training_charts
from ...formats.mesh_files import read_mesh
from ...formats.png import read_png
from ..content import Board, Body, Content, Control, Draw, Picture
from .facts import describe_mesh
from .mining import STAGES
from .shards import Shards

CURVES, PERSON = "curves", "held-out person"
BOARD_M = 1.8  # height of the pictures of a held-out person in space
SCORES = {"texture": "colour error {:.3f}"}


@dataclass(frozen=True)
class Hard:
    """A view that a stage finds hard, as run.json lists it.

    Attributes:
        stage: its name.
        scene: key of the scene.
        view: name of the view.
        facts: its score and how often it was drawn.
    """

    stage: str
    scene: str
    view: str
    facts: Mapping[str, str]


class Run:
    """What `mpc train` wrote.

    Args:
        folder: of the run.
        shards: the shards it was trained on, which hold its hardest views; None where they are not at hand.

    Raises:
        InputError: the shards cannot be read, or are others than those of the run.
    """

    draws: Sequence[Draw] = ()

    def __init__(self, folder: Path, shards: Path | None = None) -> None:
        self.folder = folder
        self._shards = None if shards is None else Shards(shards, folder)
        if self._shards is not None and self._shards.mining is not None:
            self.draws = self._shards.draws
        self._known = frozenset(self._shards.names()) if self._shards is not None else frozenset()

    @property
    def title(self) -> str:
        """See Source."""
        return f"run {self.folder}"

    def names(self) -> Sequence[str]:
        """See Source; with shards, their scenes come after the run's own pages."""
        return (CURVES, *([PERSON] if self._pictures() else []), *self._hardest(), *sorted(self._known))

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        if name == PERSON and self._pictures():
            return (Control("checkpoint", tuple(self._pictures()), slider=True, rate=2.0),)
        hard = self._hardest().get(name)
        if self._shards is None or name == CURVES or (hard is None and name not in self._known):
            return ()
        if hard is None:
            return self._shards.controls(name, chosen)
        return [
            replace(control, first=hard.view) if control.name == "view" and hard.view in control.values else control
            for control in self._shards.controls(hard.scene, {})
        ]

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        if name == CURVES:
            log = read_log(self.folder / "log.jsonl")
            return Content(facts=describe_run(self.folder), charts=training_charts(log) + mining_charts(log))
        if name == PERSON:
            return self._show_person(chosen)
        hard = self._hardest().get(name)
        if hard is None:
            if self._shards is None or name not in self._known:
                raise InputError(self.folder, f"has no page {name}")
            return self._shards.show(name, chosen)
        if self._shards is None:
            return Content(facts=hard.facts, remarks=["--shards FOLDER, with what it was trained on, shows the view"])
        content = self._shards.show(hard.scene, chosen)
        return _with_facts(content, hard.facts)

    def _show_person(self, chosen: Mapping[str, str]) -> Content:
        pictures = self._pictures()
        if not pictures:
            raise InputError(self.folder, "holds no pictures of a held-out person yet")
        checkpoint = chosen["checkpoint"]
        path = pictures[checkpoint]
        pixels = read_png(path)
        facts = {
            "checkpoint": f"{checkpoint} steps",
            "picture": "the input; then what the network makes of it from the front, the side and the back",
        }
        panel = [Picture(PERSON, pixels)]
        surface = path.with_suffix(".glb")
        if not surface.is_file():  # the network predicts nobody, or an earlier version of mpc has trained it
            return Content(facts=facts, pictures=panel, boards=[Board(PERSON, pixels, height_m=BOARD_M)])
        mesh = read_mesh(surface)
        body = Body(PERSON, mesh, lit=mesh.vertex_colours is None)
        return Content(facts={**facts, **describe_mesh(mesh)}, pictures=panel, bodies=[body])

    def _pictures(self) -> dict[str, Path]:
        """The pictures by "stage step", in the order in which they were made."""
        return {
            f"{stage} {int(path.stem)}": path
            for stage in STAGES
            for path in sorted((self.folder / stage / "pictures").glob("*.png"))
            if path.stem.isdigit()
        }

    def _hardest(self) -> dict[str, Hard]:
        """The hardest views of each stage, the hardest first, by their names on the page."""
        stages = read_json_object(self.folder / "run.json").get("stages", {})
        found: dict[str, Hard] = {}
        for stage in STAGES:
            for number, entry in enumerate(stages.get(stage, {}).get("hardest", []), 1):
                key, view = str(entry["scene"]), str(entry["view"])
                score = SCORES.get(stage, "IoU {:.3f}").format(abs(float(entry["score"])))
                drawn = f", drawn {entry['drawn']} times" if "drawn" in entry else ""
                facts = {"hardest": f"number {number} of {stage}: {key}, view {view}", "score": score + drawn}
                found[f"hardest {stage} {number:02d} {key} {view}"] = Hard(stage, key, view, facts)
        return found


def describe_run(folder: Path) -> dict[str, str]:
    """Facts about a run for the panel."""
    record = read_json_object(folder / "run.json")
    settings, data = record.get("settings", {}), record.get("data", {})
    facts = {
        "state": str(record.get("status", "unknown")),
        "begun": str(record.get("created", ""))[:19].replace("T", " "),
        "preset": f"{settings.get('preset')}, pictures of {settings.get('image_size')} pixels",
        "views": f"{data.get('train_views', 0):,} for training, {data.get('val_views', 0):,} for validation",
    }
    for stage, found in record.get("stages", {}).items():
        facts[stage] = _describe_stage(found)
    return facts


def _describe_stage(found: Mapping[str, Any]) -> str:
    parts = [f"{found.get('steps', 0):,} steps in {float(found.get('seconds', 0.0)) / 60:.0f} min"]
    for key, name in (("val_iou", "IoU"), ("val_colour_error", "colour error")):
        if isinstance(found.get(key), int | float):
            parts.append(f"{name} {found[key]:.3f} on held-out views")
    if "views_drawn" in found:
        parts.append(f"{found['views_drawn']:,} views drawn, one at most {found.get('most_drawn', 0)} times")
    return ", ".join(parts)


def _with_facts(content: Content, facts: Mapping[str, str]) -> Content:
    """A content with more facts in front, also in what replaces it later."""
    later = content.later
    return replace(
        content,
        facts={**facts, **content.facts},
        later=None if later is None else lambda: _with_facts(later(), facts),
    )
