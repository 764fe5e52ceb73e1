"""The settings of training: one frozen dataclass per component, presets, and a TOML file on top of them."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.checks import check_choice, check_least, check_ranges
from ..core.errors import InputError, SettingsError
from ..core.settings import dotted, override
from ..datasets.loading.augment import AugmentSettings
from ..datasets.loading.points import UNIFORM_SHARE
from ..models.maps import MapsConfig
from ..models.surface import SurfaceConfig
from ..models.texture import TextureConfig
from .body import BodySettings
from .landmarks import LandmarkSettings
from .mining import MiningSettings

OPTIMISERS = ("rmsprop", "adam", "adamw", "muon")
LOSSES = ("mse", "bce", "balanced-bce", "l1")
SCHEDULES = ("constant", "step", "cosine", "anneal")
STAGES = ("both", "maps", "surface", "texture")


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """One stage of training: maps, surface or texture.

    Attributes:
        steps: number of optimiser steps; 0: computed from `epochs`.
        epochs: length of the stage in passes; a pass draws as many views as there are (with replacement).
        batch: number of views in one step, over all processes.
        accumulate: each process computes its batch in this many parts, one after the other, to save memory.
        points: number of points of each view in one step; IoU is measured on the same points.
        loss: "mse", "bce" or "balanced-bce" for the surface, "l1" for maps and texture.
        optimiser: "rmsprop", "adam", "adamw" or "muon" (train/muon.py).
        learning_rate: the learning rate after the warm-up.
        weight_decay: of AdamW.
        warmup: share of all steps during which the rate rises from 0.
        schedule: "constant", "step" (divided by ten after each share in `decay_at`), "cosine" (to a hundredth), or
            "anneal" (constant up to the first share in `decay_at`, then a cosine to a hundredth).
        decay_at: shares of all steps, see `schedule`.
        clip: largest norm of the gradient; 0: no limit.
        ema: decay of an exponential average of the weights, which is then stored and measured; 0: no average.
        norm_batches: batches that the statistics of batch norm are measured with at the end (train/batch_norm.py); 0:
            they stay those of the weights before averaging.
        validate_every: steps between validations (the last step is always validated); 0: a tenth of all steps.
        validation_views: greatest number of views of the validation split, drawn once and for all.
        facing: weight of `losses.facing_loss`; used if the surface network has a summary (models/summary.py).
        maps: weight of `maps.maps_loss` in the surface stage; used if the surface network predicts maps.
    """

    steps: int = 0
    epochs: float = 5.0
    batch: int = 24
    accumulate: int = 1
    points: int = 4096
    loss: str = "mse"
    optimiser: str = "rmsprop"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: float = 0.0
    schedule: str = "step"
    decay_at: tuple[float, ...] = (0.6, 0.85)
    clip: float = 0.0
    ema: float = 0.0
    norm_batches: int = 0
    validate_every: int = 0
    validation_views: int = 64
    facing: float = 0.0
    maps: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES), ("loss", LOSSES)):
            check_choice(name, getattr(self, name), allowed)
        check_least(self, 1, "batch", "accumulate", "points", "validation_views")
        check_least(self, 0, "weight_decay", "clip", "norm_batches", "validate_every")
        if self.steps < 0 or (self.steps == 0 and self.epochs <= 0):
            raise SettingsError(f"steps {self.steps}, epochs {self.epochs}: expected something to do")
        if self.learning_rate <= 0:
            raise SettingsError(f"learning_rate {self.learning_rate}: expected a number above 0")
        if not all(0.0 <= share <= 1.0 for share in (self.warmup, *self.decay_at)):
            raise SettingsError(f"warmup {self.warmup}, decay_at {self.decay_at}: expected shares from 0 to 1")
        check_ranges(self, facing=(0, 100), maps=(0, 100))
        if not 0.0 <= self.ema < 1.0:
            raise SettingsError(f"ema {self.ema}: expected at least 0 and below 1")

    def total_steps(self, views: int) -> int:
        """Number of steps for a data set with that many views."""
        return self.steps or max(1, round(self.epochs * views / self.batch))


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """All settings of a run; run.json holds them with all values resolved.

    Attributes:
        preset: name of the preset that the settings started from, for the record.
        seed: of weights, draws and points.
        image_size: pixels along each side of the pictures that the networks see; None: as stored.
        device: "auto", "cpu", "cuda" or "cuda:N".
        amp: compute in bfloat16 where the device has units for it, and on older GPUs in float16
            (core/devices.py, `training_dtype`).
        compile: run the networks through `torch.compile`.
        uniform_share: share of the points that is drawn evenly from the cube; the others lie near the surface. PIFu has
            1/17.
        sigma_power: points near the surface with a noise of sigma get a share in proportion to sigma to this power.
            0 draws as many with each sigma; 1 or more prefers the distant ones, which teach a coarse network more.
        sigmas_m: points near the surface are those with a noise of one of these sigmas, metres; empty: all that the
            shards hold.
        balanced: draw as many points inside as outside in each view, as PIFu's loader does; the two settings above then
            decide which points those are.
        workers: number of loader processes; 0 loads in the training process.
        threads: number of torch's threads on the CPU; 0: all or one, whichever is faster (train/threads.py). Their sums
            differ in the last bits, so that runs are equal bit for bit with a fixed number alone.
        max_minutes: time limit, which the stages share by `maps_share` and `surface_share`; 0: no limit. With a limit,
            the learning rate follows the clock where that is ahead of the steps, so that two runs are not equal bit
            for bit.
        maps_share: share of `max_minutes` for the maps, if the surface network predicts any.
        surface_share: share of what is left of `max_minutes` for the surface.
        colour_reach_m: greatest distance in metres by which the points of the texture stage move along their normals to
            where the surface network has its surface (train/predicted_surface.py); 0: they stay on the true one.
        colour_sigma_m: standard deviation in metres of a random distance by which the points of the texture stage move
            along their normals, as PIFu's loader moves them; 0: they do not. One of the two at most.
        freeze_level1: keep level 1 of the maps as `--init` gives it, and train level 2 and what follows.
        stages: "maps", "surface", "texture", or "both": surface and texture, after the maps if there are any.
        checkpoint_every: steps between checkpoints; 0: at validations, and by `checkpoint_minutes`.
        checkpoint_minutes: greatest time between checkpoints; 0: only as `checkpoint_every` says.
        picture_every: steps between pictures of the current reconstruction of a held-out view; 0: one at each
            validation; -1: none.
        log_every: steps between lines of the log.
        tensorboard: also write TensorBoard files.
        maps: settings of the stage that trains maps alone; used if the surface network predicts any.
        surface: settings of the surface stage.
        texture: settings of the texture stage.
        mining: hard example mining.
        augment: how far training pictures are changed.
        landmarks: how landmarks are given to a surface network that reads them (surface_network.encoder.landmarks).
        body: how bodies are given to a surface network that reads them (surface_network.encoder.body).
        surface_network: architecture of the surface network.
        texture_network: architecture of the texture network.
    """

    preset: str = "paper"
    seed: int = 0
    image_size: int | None = 512
    device: str = "auto"
    uniform_share: float = UNIFORM_SHARE
    sigma_power: float = 0.0
    sigmas_m: tuple[float, ...] = ()
    balanced: bool = False
    amp: bool = True
    compile: bool = False
    workers: int = 0
    threads: int = 0
    max_minutes: float = 0.0
    maps_share: float = 0.3
    surface_share: float = 0.7
    colour_reach_m: float = 0.0
    colour_sigma_m: float = 0.0
    freeze_level1: bool = False
    stages: str = "both"
    checkpoint_every: int = 0
    checkpoint_minutes: float = 5.0
    picture_every: int = 0
    log_every: int = 1
    tensorboard: bool = False
    maps: StageSettings = field(default_factory=lambda: StageSettings(loss="l1", optimiser="muon"))
    surface: StageSettings = field(default_factory=StageSettings)
    texture: StageSettings = field(default_factory=lambda: StageSettings(loss="l1", optimiser="adam"))
    mining: MiningSettings = field(default_factory=MiningSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    landmarks: LandmarkSettings = field(default_factory=LandmarkSettings)
    body: BodySettings = field(default_factory=BodySettings)
    surface_network: SurfaceConfig = field(default_factory=SurfaceConfig)
    texture_network: TextureConfig = field(default_factory=TextureConfig)

    @property
    def has_maps(self) -> bool:
        """Whether the surface network predicts maps, so that there is a stage for them."""
        return isinstance(self.surface_network.encoder, MapsConfig)

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The stages to train, in their order."""
        if self.stages != "both":
            return (self.stages,)
        return ("maps", "surface", "texture") if self.has_maps else ("surface", "texture")

    def minutes_of(self, stage: str) -> float:
        """The part of `max_minutes` that a stage may take; a stage that is trained alone has all of it."""
        if self.stages != "both":
            return self.max_minutes
        maps = self.maps_share if self.has_maps else 0.0
        shares = {"maps": maps, "surface": (1 - maps) * self.surface_share}
        return self.max_minutes * shares.get(stage, (1 - maps) * (1 - self.surface_share))

    def __post_init__(self) -> None:
        check_choice("stages", self.stages, STAGES)
        check_least(self, 0, "seed", "workers", "threads", "checkpoint_every", "checkpoint_minutes", "sigma_power")
        check_least(self, 1, "log_every")
        check_ranges(self, colour_reach_m=(0, 1), colour_sigma_m=(0, 1))
        if self.colour_reach_m and self.colour_sigma_m:
            raise SettingsError("colour_reach_m and colour_sigma_m both move points along their normals: set one to 0")
        if self.image_size is not None:
            check_least(self, 1, "image_size")
        if self.surface.loss == "l1" or self.texture.loss != "l1" or self.maps.loss != "l1":
            raise SettingsError("surface.loss is mse, bce or balanced-bce, texture.loss is l1, maps.loss is l1")
        encoder = self.surface_network.encoder
        if isinstance(encoder, MapsConfig):
            if self.freeze_level1 and not encoder.fine_widths:
                raise SettingsError("freeze_level1 is set, but the maps have no level 2 (encoder.fine_widths)")
            if self.image_size != encoder.side:
                raise SettingsError(f"image_size is {self.image_size}, the surface network's maps have {encoder.side}")
        elif self.stages == "maps" or self.freeze_level1:
            raise SettingsError("there are no maps to train: the surface network has no encoder of that kind")
        if not 0.0 <= self.uniform_share <= 1.0:
            raise SettingsError(f"uniform_share {self.uniform_share}: expected a share from 0 to 1")
        if self.picture_every < -1:
            raise SettingsError(f"picture_every {self.picture_every}: expected steps, 0 (at validations) or -1 (never)")
        if self.max_minutes < 0 or not (0.0 < self.surface_share < 1.0 and 0.0 < self.maps_share < 1.0):
            raise SettingsError("max_minutes must not be negative, maps_share and surface_share lie between 0 and 1")
        if self.texture_network.surface_channels != self.surface_network.pixel_channels:
            # This value follows from the surface network, whose features the texture network reads.
            network = dataclasses.replace(self.texture_network, surface_channels=self.surface_network.pixel_channels)
            object.__setattr__(self, "texture_network", network)


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML file to a nested table.

    Raises:
        InputError: the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(path, f"not readable as TOML ({error})") from error


def resolve_settings(
    base: TrainSettings, *, config: Mapping[str, Any] | None = None, assignments: Iterable[str] = ()
) -> TrainSettings:
    """Override settings, first with the table of a configuration file, then with `key=value` texts.

    Args:
        base: the settings to start from.
        config: nested table, from `read_config`.
        assignments: texts such as "surface.steps=500".

    Raises:
        SettingsError: an unknown key (the message has the nearest known one), or a wrong value.
    """
    return override(override(base, config or {}), dotted(assignments))
