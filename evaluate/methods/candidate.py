"""Which run or baseline is measured, and how it is opened as a method in each process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import InputError, SettingsError
from ...core.files import read_json
from ...core.messages import unknown_name
from ...core.progress import Progress
from ...datasets.loading.body import KNOWN
from ...datasets.loading.views import ViewDataset
from ...datasets.shards.bodies import BODIES
from ...datasets.shards.index import read_index
from ...datasets.shards.landmarks import has_landmarks
from ...models.mean_occupancy import MeanOccupancy, load_mean_occupancy, save_mean_occupancy
from ...models.runs import load_run
from ..metrics.view_colour import needs_colour
from ..settings import BASELINES, EvaluationSettings
from .inflated import InflatedMask
from .mean import MeanShape, train_baseline
from .method import Method
from .nearest import NearestPerson, Silhouettes, load_silhouettes, open_training, save_silhouettes
from .run import RunMethod
from .true_depth import TrueDepth

MEAN_FILE, OUTLINES_FILE = "baseline.npz", "outlines.npz"


@dataclass(frozen=True)
class Candidate:
    """A run or a baseline; small and hashable, so that processes can keep what they open for it.

    Attributes:
        shards: whose training split the baselines know, the mean occupancy beside a run among them.
        run: folder of the run; None for a baseline.
        baseline: name, see BASELINES; "" for a run.
    """

    shards: Path
    run: Path | None = None
    baseline: str = ""

    def __post_init__(self) -> None:
        if self.run is None and self.baseline not in BASELINES:
            raise SettingsError(unknown_name("baseline", self.baseline, BASELINES))

    @property
    def name(self) -> str:
        """As reports show it."""
        return self.baseline if self.run is None else self.run.name

    def image_size(self, settings: EvaluationSettings) -> int | None:
        """Edge of the pictures that it is shown; None: as they are stored.

        Raises:
            SettingsError: a size is set for a run, which has its own.
        """
        if self.run is None:
            return settings.image_size
        if settings.image_size is not None:
            raise SettingsError("image_size is for baselines; a run sees pictures as in its training")
        size: int | None = load_run(self.run).settings.get("image_size")
        return size

    def prepare(self, folder: Path, settings: EvaluationSettings, progress: Progress) -> None:
        """Write what is learned from the training split, once, where `open` reads it; remove an older one.

        Raises:
            InputError: the baseline needs training people, and there are none.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in (MEAN_FILE, OUTLINES_FILE):
            (folder / name).unlink(missing_ok=True)
        mean = train_baseline(self.shards, points=settings.iou_points, seed=settings.seed)
        if mean is not None:
            save_mean_occupancy(folder / MEAN_FILE, mean)
        elif self.baseline in ("mean", "nearest"):
            raise InputError(self.shards, "holds no training split, which this baseline knows; name one: --training")
        if self.baseline == "nearest":
            save_silhouettes(folder / OUTLINES_FILE, Silhouettes.of(open_training(self.shards), progress))

    def is_told_landmarks(self, shards: Path, settings: EvaluationSettings, progress: Progress) -> bool:
        """Whether it is told landmarks; the user is told why not, where its networks could read them."""
        if self.run is None or not settings.landmarks or not load_run(self.run).reads_landmarks:
            return False
        there = has_landmarks(shards, settings.split)
        if not there:
            progress.message(
                f"{shards} lacks landmarks, so the run is evaluated without; `mpc landmarks {shards}` finds them"
            )
        return there

    def given_body(self, shards: Path, settings: EvaluationSettings, progress: Progress) -> str:
        """Which body it is given: "none", "known" or "fitted".

        Where it is to be given what it was trained with, and that is lacking, the user is told why there is none.

        Raises:
            InputError: the body that `settings.body` names is lacking.
            SettingsError: `settings.body` names one, and nothing of this candidate reads bodies.
        """
        trained = "none" if self.run is None else load_run(self.run).body_source
        asked = settings.body not in ("trained", "none")
        if trained == "none":
            if asked:
                raise SettingsError(
                    f"--body {settings.body}: {self.name} reads no body; a run trained with "
                    "--set surface_network.encoder.body=known (or fitted) does"
                )
            return "none"
        wanted = trained if settings.body == "trained" else settings.body
        lacking = _lacking_body(wanted, shards, settings.split)
        if lacking and asked:
            raise InputError(shards, f"{lacking} (--body {wanted})")
        if lacking:
            progress.message(f"{shards} {lacking}; the run is evaluated without a body")
        return "none" if lacking else wanted

    def describe(self, settings: EvaluationSettings) -> dict[str, Any]:
        """What its numbers depend on, for result.json and for resuming."""
        networks: dict[str, Any] = {}
        for stage in ("surface", "texture") if self.run is not None else ():
            assert self.run is not None
            for name in ("best", "last"):
                path = self.run / stage / f"{name}.json"
                if path.is_file():
                    header = read_json(path)
                    networks[stage] = {"weights": name, "step": header.get("step"), "sha256": header.get("sha256")}
                    break
        reads = self.run is not None and load_run(self.run).reads_landmarks
        told: dict[str, Any] = {"landmarks": "told" if settings.landmarks else "not told"} if reads else {}
        if self.run is not None and (trained := load_run(self.run).body_source) != "none":
            told["body"] = {"trained": trained, "given": settings.body}
        if self.run is not None and load_run(self.run).predicts_maps:
            told["maps"] = "both ways" if settings.both_ways else "one way"
        known = [entry.sha256 for entry in read_index(self.shards).shards if entry.split == "train"]
        return {
            "run": self.name, "baseline": self.baseline, "networks": networks,
            "training": {"folder": self.shards.name, "sha256": known}, **told,
        }  # fmt: skip

    def open(self, folder: Path, settings: EvaluationSettings, device: str, *, colour: bool = False) -> Method:
        """Open it as a method.

        Args:
            folder: where `prepare` wrote.
            settings: how meshes are made.
            device: where networks run.
            colour: colour the meshes even where no metric asks for it.
        """
        if self.run is not None:
            return RunMethod(load_run(self.run, device), settings, colour or needs_colour(settings.metric_names))
        if self.baseline == "mean":
            return MeanShape(load_mean_occupancy(folder / MEAN_FILE), settings)
        if self.baseline == "nearest":
            return NearestPerson(open_training(self.shards), load_silhouettes(folder / OUTLINES_FILE))
        return InflatedMask(settings) if self.baseline == "inflated" else TrueDepth(settings)

    def open_mean(self, folder: Path) -> MeanOccupancy | None:
        """The mean occupancy that every result is shown beside; None without a training split."""
        path = folder / MEAN_FILE
        return load_mean_occupancy(path) if path.is_file() else None

    def check_colours(self, settings: EvaluationSettings) -> None:
        """Check that metrics of colour can be measured, if they are asked for.

        Raises:
            SettingsError: there is no texture network, or predictions are moved first.
        """
        if needs_colour(settings.metric_names):
            textured = self.run is not None and load_run(self.run).texture is not None
            if not textured or settings.align != "none":
                raise SettingsError("metrics of colour need a texture network, and no alignment")


def open_views(shards: Path, settings: EvaluationSettings, size: int | None, colour_points: int) -> ViewDataset:
    """The views of the split that is measured, in the size that the candidate is shown (None: as stored)."""
    return ViewDataset(
        shards, settings.split, points=settings.iou_points, colour_points=colour_points, image_size=size,
        seed=settings.seed, landmarks=settings.landmarks, layers=KNOWN if settings.body == "known" else (),
        bodies=settings.body == "fitted",
    )  # fmt: skip


def _lacking_body(body: str, shards: Path, split: str) -> str:
    """Why the bodies of a source are not beside the shards, and what to do; "" where they are."""
    if body == "known" and not set(KNOWN) <= set(read_index(shards).settings.get("layers", ())):
        return f"lacks the layers {', '.join(KNOWN)}; render and sample with them"
    if body == "fitted" and not BODIES.are_there(shards, split):
        return f"lacks fitted bodies; `{BODIES.command} {shards}` fits them"
    return ""
