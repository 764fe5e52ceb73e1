"""What decides the numbers of an evaluation; it goes on from what was measured only where all of it is the same."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.checks import check_choice, check_ranges
from ..core.errors import SettingsError
from ..core.messages import unknown_name
from ..datasets.shards.split import SPLITS
from .metrics.align import ALIGNMENTS
from .metrics.pair import DEFAULT_POINTS
from .metrics.protocols import find_protocol
from .metrics.registry import DEFAULT_METRICS

FORMAT, VERSION = "mpc-evaluation", 1
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """How two surfaces are compared.

    Attributes:
        metrics: names, see evaluate/metrics/registry.py.
        protocol: see evaluate/metrics/protocols.py.
        align: how a prediction is first moved onto the truth, see evaluate/metrics/align.py.
        points: drawn on each surface by the protocol "mpc".
        seed: of all points.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    protocol: str = "mpc"
    align: str = "none"
    points: int = DEFAULT_POINTS
    seed: int = 0

    def __post_init__(self) -> None:
        find_protocol(self.protocol).choose(self.metrics)
        if self.align not in ALIGNMENTS:
            raise SettingsError(unknown_name("alignment", self.align, ALIGNMENTS))
        check_ranges(self, points=(2, None), seed=(0, None))


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(MeasureSettings):
    """Of a run.

    Attributes:
        split: "test", "val" or "train".
        resolution: nodes a side of the reconstruction's grid.
        views_per_scene: evenly spaced yaws of each scene; 0 for all.
        iou_points: of the shard's pool, per view.
        largest_component: measure the greatest part of the reconstruction alone.
    """

    split: str = "test"
    resolution: int = 257
    views_per_scene: int = 0
    iou_points: int = 4096
    largest_component: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("split", self.split, SPLITS)
        check_ranges(self, views_per_scene=(0, None), iou_points=(1, None), resolution=(17, None))


@dataclass(frozen=True, kw_only=True)
class FolderSettings(MeasureSettings):
    """Of two folders of meshes.

    Attributes:
        unit: of the files' coordinates, "m", "cm" or "mm"; "auto" before it is known.
    """

    unit: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit not in ("auto", *UNITS_M):
            raise SettingsError(unknown_name("unit", self.unit, ["auto", *UNITS_M]))
