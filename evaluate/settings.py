"""What decides the numbers of an evaluation; it goes on from what was measured only where all of it is the same."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import SettingsError
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
            raise SettingsError(f"unknown alignment {self.align!r}; there are {', '.join(ALIGNMENTS)}")
        self.check_least(points=2)

    def check_least(self, **least: int) -> None:
        """Raise SettingsError, by name, for a number below its least."""
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise SettingsError(f"{name} is {getattr(self, name)}, expected at least {bound}")


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
        self.check_least(views_per_scene=0, iou_points=1, resolution=17)


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
            raise SettingsError(f"unknown unit {self.unit!r}; there are auto, {', '.join(UNITS_M)}")
