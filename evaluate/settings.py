"""What decides the numbers of an evaluation; a call resumes earlier records only where all of it is the same."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.checks import check_choice, check_ranges
from ..core.errors import SettingsError
from ..core.guard import Limits
from ..core.messages import unknown_name
from ..datasets.shards.split import SPLITS
from .metrics.align import ALIGNMENTS
from .metrics.pair import DEFAULT_POINTS
from .metrics.protocols import find_protocol

# Version 1 measured runs without the mask of the picture, and `normal_image` with the normals of faces.
FORMAT, VERSION = "mpc-evaluation", 2
# What each baseline makes of a view, as reports say it.
BASELINES = {
    "mean": "the mean occupancy of the training people, whatever the picture shows",
    "inflated": "the outline inflated: every disk that it holds becomes a ball",
    "nearest": "the training person whose outline is most like that of the picture, as they are in that view",
    "true-depth": "what lies between the true front and back at each pixel, a ceiling that looks at the truth",
}
BODIES = ("trained", "none", "known", "fitted")
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """How two surfaces are compared.

    Attributes:
        metrics: names, see evaluate/metrics/registry.py; None for the protocol's own choice, which is Chamfer and P2S
            for "mpc".
        protocol: name, see evaluate/metrics/protocols.py.
        align: how a prediction is moved onto the truth first, see evaluate/metrics/align.py.
        points: number of points that the protocol "mpc" draws on each surface.
        seed: all random points are derived from it.
    """

    metrics: tuple[str, ...] | None = None
    protocol: str = "mpc"
    align: str = "none"
    points: int = DEFAULT_POINTS
    seed: int = 0

    def __post_init__(self) -> None:
        find_protocol(self.protocol).choose(self.metrics)
        if self.align not in ALIGNMENTS:
            raise SettingsError(unknown_name("alignment", self.align, ALIGNMENTS))
        check_ranges(self, points=(2, None), seed=(0, None))

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that are measured, each once."""
        return tuple(metric.name for metric in find_protocol(self.protocol).choose(self.metrics))


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(MeasureSettings):
    """How a run is evaluated.

    Attributes:
        split: "test", "val" or "train".
        resolution: number of nodes along each edge of the reconstruction's grid.
        views_per_scene: number of evenly spaced yaws of each scene; 0 for all; None for the protocol's number, or
            without one for all on a GPU and 4 on the CPU.
        image_size: edge of the pictures that a baseline is shown, pixels; None: as they are stored. A run sees pictures
            of the size that it was trained on.
        iou_points: number of points of each view's pool at which the network's occupancy is compared with the labels.
        use_mask: skip points that the picture's mask shows to be outside of the person, as `mpc reconstruct` does.
        photo_colours: colour what the picture shows by the picture, as `mpc reconstruct` does, at its stored size.
        both_ways: average predicted maps with those of the mirror image, as `mpc reconstruct` does.
        largest_component: measure only the largest component of the reconstruction.
        landmarks: give the landmarks beside the shards to networks that read them, where they are there.
        body: the body that networks that read one are given, where it is there: "known" from the shards' layers,
            "fitted" from beside the shards, "none", or "trained", the one of their training.
    """

    split: str = "test"
    resolution: int = 257
    views_per_scene: int | None = None
    image_size: int | None = None
    iou_points: int = 4096
    use_mask: bool = True
    photo_colours: bool = True
    both_ways: bool = True
    largest_component: bool = False
    landmarks: bool = True
    body: str = "trained"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("split", self.split, SPLITS)
        check_choice("body", self.body, BODIES)
        check_ranges(self, iou_points=(1, None), resolution=(17, None))
        if self.image_size is not None:
            check_ranges(self, image_size=(16, None))
        if self.views_per_scene is not None:
            check_ranges(self, views_per_scene=(0, None))


@dataclass(frozen=True, kw_only=True)
class FolderSettings(MeasureSettings):
    """How two folders of meshes are compared.

    Attributes:
        unit: of the files' coordinates: "m", "cm", "mm", or "auto" to derive it from the size of the true meshes.
    """

    unit: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit not in ("auto", *UNITS_M):
            raise SettingsError(unknown_name("unit", self.unit, ["auto", *UNITS_M]))


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where and by how many processes units are measured; the numbers do not depend on it.

    Attributes:
        jobs: number of processes; 0 for one per core on the CPU, and one per GPU on GPUs.
        backend: name of a joblib backend.
        device: "auto", "cpu", "cuda" (all GPUs of the machine) or "cuda:N".
        limits: time and memory of a view (core/guard.py); None for no bound and no process of its own.
    """

    jobs: int = 0
    backend: str = "loky"
    device: str = "auto"
    limits: Limits | None = None
