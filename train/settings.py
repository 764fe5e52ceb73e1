"""What can be set about training: one small frozen dataclass a component, presets, and a TOML file on top."""

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
from ..models.surface import SurfaceConfig
from ..models.texture import TextureConfig
from .mining import MiningSettings

OPTIMISERS = ("rmsprop", "adam", "adamw", "muon")
LOSSES = ("mse", "bce", "balanced-bce", "l1")
SCHEDULES = ("constant", "step", "cosine")
STAGES = ("both", "surface", "texture")


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """One stage of training, surface or texture.

    Attributes:
        steps: optimiser steps; 0 takes them from `epochs`.
        epochs: passes over as many views as there are (views are drawn with replacement).
        batch: views of one step, over all processes.
        accumulate: the batch of each process is split into this many parts, one after the other, to save memory.
        points: points of each view in a step; IoU is measured on the same ones.
        loss: "mse", "bce" or "balanced-bce" for the surface, "l1" for the texture.
        optimiser: "rmsprop", "adam", "adamw" or "muon" (train/muon.py).
        learning_rate: after the warm-up.
        weight_decay: of AdamW.
        warmup: share of all steps over which the rate rises from 0.
        schedule: "constant", "step" (a tenth after each share in `decay_at`) or "cosine" (to a hundredth).
        decay_at: shares of all steps.
        clip: largest gradient norm; 0 leaves it alone.
        ema: decay of an exponential average of the weights, which is then what is stored and measured; 0 is off.
        validate_every: steps between validations (the last step is always validated); 0 takes a tenth of all steps.
        validation_views: at most so many views of the validation split, evenly spaced.
        facing: weight of `losses.facing_loss`; counts where the surface network has a summary (models/summary.py).
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
    validate_every: int = 0
    validation_views: int = 64
    facing: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES), ("loss", LOSSES)):
            check_choice(name, getattr(self, name), allowed)
        check_least(self, 1, "batch", "accumulate", "points", "validation_views")
        check_least(self, 0, "weight_decay", "clip", "validate_every")
        if self.steps < 0 or (self.steps == 0 and self.epochs <= 0):
            raise SettingsError(f"steps {self.steps}, epochs {self.epochs}: expected something to do")
        if self.learning_rate <= 0:
            raise SettingsError(f"learning_rate {self.learning_rate}: expected a number above 0")
        if not all(0.0 <= share <= 1.0 for share in (self.warmup, *self.decay_at)):
            raise SettingsError(f"warmup {self.warmup}, decay_at {self.decay_at}: expected shares from 0 to 1")
        check_ranges(self, facing=(0, 100))
        if not 0.0 <= self.ema < 1.0:
            raise SettingsError(f"ema {self.ema}: expected at least 0 and below 1")

    def total_steps(self, views: int) -> int:
        """Steps over a data set of that many views."""
        return self.steps or max(1, round(self.epochs * views / self.batch))


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything about a run; saved resolved in `run.json`.

    Attributes:
        preset: the name this started from, for the record.
        seed: of weights, draws and points.
        image_size: side of the pictures the networks see; None takes them as stored.
        device: "auto", "cpu", "cuda" or "cuda:N".
        amp: bfloat16 autocast on GPUs that compute it (Ampere and later).
        compile: `torch.compile` the networks.
        uniform_share: part of the points that is drawn evenly from the cube; the rest lies near the surface. 1/17 is
            PIFu's.
        sigma_power: near points of a distance sigma get a share in proportion to sigma to this power: 0 is as many of
            each, 1 or more prefers the far ones, which teach a coarse network more.
        balanced: as many points inside as outside in each view, as PIFu's loader draws them; the mixture then tells
            where they come from.
        workers: loader processes; 0 loads in the training process.
        threads: threads of torch on the CPU; 0 leaves its own choice.
        max_minutes: end within this time (surface and texture share it by `surface_share`); 0 is no limit. The
            learning rate then follows the clock where that is ahead of the steps, so two such runs are not bit for bit
            the same.
        surface_share: part of `max_minutes` for the surface.
        stages: "both", "surface" or "texture".
        checkpoint_every: steps between checkpoints; 0 writes them at validations alone.
        picture_every: steps between pictures of a held-out view as the networks of that moment rebuild it; 0 draws one
            at each validation, -1 none.
        log_every: steps between lines of the log.
        tensorboard: also write TensorBoard files.
        surface, texture: the stages.
        mining: hard examples.
        augment: how far training pictures are changed.
        surface_network, texture_network: the networks.
    """

    preset: str = "paper"
    seed: int = 0
    image_size: int | None = 512
    device: str = "auto"
    uniform_share: float = UNIFORM_SHARE
    sigma_power: float = 0.0
    balanced: bool = False
    amp: bool = True
    compile: bool = False
    workers: int = 0
    threads: int = 0
    max_minutes: float = 0.0
    surface_share: float = 0.7
    stages: str = "both"
    checkpoint_every: int = 0
    picture_every: int = 0
    log_every: int = 1
    tensorboard: bool = False
    surface: StageSettings = field(default_factory=StageSettings)
    texture: StageSettings = field(default_factory=lambda: StageSettings(loss="l1", optimiser="adam"))
    mining: MiningSettings = field(default_factory=MiningSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    surface_network: SurfaceConfig = field(default_factory=SurfaceConfig)
    texture_network: TextureConfig = field(default_factory=TextureConfig)

    def __post_init__(self) -> None:
        check_choice("stages", self.stages, STAGES)
        check_least(self, 0, "seed", "workers", "threads", "checkpoint_every", "sigma_power")
        check_least(self, 1, "log_every")
        if self.image_size is not None:
            check_least(self, 1, "image_size")
        if self.surface.loss == "l1" or self.texture.loss != "l1":
            raise SettingsError("surface.loss is mse, bce or balanced-bce, texture.loss is l1")
        if not 0.0 <= self.uniform_share <= 1.0:
            raise SettingsError(f"uniform_share {self.uniform_share}: expected a share from 0 to 1")
        if self.picture_every < -1:
            raise SettingsError(f"picture_every {self.picture_every}: expected steps, 0 (at validations) or -1 (never)")
        if self.max_minutes < 0 or not 0.0 < self.surface_share < 1.0:
            raise SettingsError("max_minutes must not be negative, surface_share lies between 0 and 1")
        if self.texture_network.surface_channels != self.surface_network.pixel_channels:
            # Not a choice: the texture network reads what the surface network gives.
            network = dataclasses.replace(self.texture_network, surface_channels=self.surface_network.pixel_channels)
            object.__setattr__(self, "texture_network", network)


def read_config(path: Path) -> dict[str, Any]:
    """A TOML file as a nested table.

    Raises:
        InputError: missing or not TOML.
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
    """`base`, then the table of a configuration file, then `key=value` texts; the later wins.

    Raises:
        SettingsError: an unknown key, with the nearest known one, or a wrong value.
    """
    return override(override(base, config or {}), dotted(assignments))
