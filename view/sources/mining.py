"""The mining weights of a run: which views of its shards are drawn how often."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64, I64
from ...core.errors import InputError
from ...core.files import read_json_object
from ...core.randomness import derive_rng
from ...datasets.shards.index import ShardIndex
from ..content import Draw

STAGES = ("maps", "surface", "texture")


@dataclass(frozen=True, eq=False)
class Mined:
    """What one stage of a run knows of the views of the training split.

    Attributes:
        stage: its name.
        scores: (V,) float64: IoU, or minus the error, when a view was last trained on.
        drawn: (V,) int64: how often.
        weights: (V,) float64: exp(-score / alpha + beta).
    """

    stage: str
    scores: F64
    drawn: I64
    weights: F64

    def describe(self, view: int) -> dict[str, str]:
        """Facts about a view for the panel."""
        share = float(self.weights[view] / self.weights.sum())
        seen = f"score {self.scores[view]:.3f}" if self.drawn[view] else "not trained on yet"
        return {
            f"mining, {self.stage}": f"{seen}, drawn {self.drawn[view]} times, weight {self.weights[view]:.4g}, "
            f"{share * len(self.weights):.2f} times as often as on average"
        }


class MiningRun:
    """The stages of a run, and the views that its shards hold in the order of the run.

    Args:
        run: folder of the run.
        shards: the folder it was trained on.
        index: of these shards.

    Raises:
        InputError: the run has no mining weights, or those of other shards.
    """

    def __init__(self, run: Path, shards: Path, index: ShardIndex) -> None:
        entries = [entry for entry in index.shards if entry.split == "train"]
        if any(len(entry.scene_views) != len(entry.scenes) for entry in entries):
            raise InputError(shards, "is of a version whose index does not say how many views a scene has")
        self.first: dict[str, int] = {}
        count = 0
        for entry in entries:
            for key, views in zip(entry.scenes, entry.scene_views, strict=True):
                self.first[key] = count
                count += views
        self._keys, self._starts = list(self.first), np.array([*self.first.values(), count])
        self.stages = [mined for stage in STAGES if (mined := read_mining(run, stage)) is not None]
        if not self.stages:
            raise InputError(run, "holds no mining weights yet (no state.safetensors of a stage)")
        for mined in self.stages:
            if len(mined.scores) != count:
                raise InputError(
                    run, f"has weights of {len(mined.scores)} views, the training split of {shards} has {count}"
                )

    def describe(self, key: str, view: int) -> dict[str, str]:
        """Facts about the view of a number within its scene; none for a scene of another split."""
        if key not in self.first:
            return {}
        facts: dict[str, str] = {}
        for mined in self.stages:
            facts |= mined.describe(self.first[key] + view)
        return facts

    def draws(self) -> Sequence[Draw]:
        """A button for each stage, which draws a view as the run's next step would."""
        return [Draw(label=f"draw by the weights of {mined.stage}", pick=self._picker(mined)) for mined in self.stages]

    def _picker(self, mined: Mined) -> Any:
        numbers = itertools.count()

        def pick() -> tuple[str, Mapping[str, str]]:
            rng = derive_rng(0, "view", mined.stage, next(numbers))
            view = int(rng.choice(len(mined.weights), p=mined.weights / mined.weights.sum()))
            return self.place(view)

        return pick

    def place(self, view: int) -> tuple[str, Mapping[str, str]]:
        """The scene of a view of the split, and what to choose of its controls: the view by its place in the scene."""
        scene = int(np.searchsorted(self._starts, view, side="right")) - 1
        return self._keys[scene], {"view": f"#{view - int(self._starts[scene])}"}


def read_mining(run: Path, stage: str) -> Mined | None:
    """Read the mining weights of a stage; None where the stage has none yet.

    Raises:
        InputError: the state of the stage, or run.json, is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = run / stage / "state.safetensors"
    if not path.is_file():
        return None
    settings = read_json_object(run / "run.json").get("settings", {}).get("mining", {})
    try:
        with safe_open(path, framework="np") as file:
            scores, drawn = (file.get_tensor(f"mining/{name}") for name in ("scores", "drawn"))
        weights = np.exp(-scores / _alpha(settings, stage) + _beta(settings, stage))
    except (SafetensorError, KeyError, TypeError, OSError) as error:
        raise InputError(path, f"does not read as the state of a stage ({error})") from error
    return Mined(stage, scores, drawn, weights)


def _alpha(settings: Mapping[str, Any], stage: str) -> float:
    if stage == "maps" and settings.get("maps_by", "iou") == "error":
        return float(settings["maps_alpha"])
    return float(settings["texture_alpha" if stage == "texture" else "surface_alpha"])


def _beta(settings: Mapping[str, Any], stage: str) -> float:
    if stage == "maps" and settings.get("maps_by", "iou") == "error":
        return 0.0
    return float(settings["texture_beta" if stage == "texture" else "surface_beta"])
