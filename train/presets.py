"""Named settings, from minutes on a laptop's CPU to the paper's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..core.errors import SettingsError
from ..core.messages import unknown_name
from ..core.settings import override
from ..datasets.loading.augment import AugmentSettings
from ..models.depth import DepthConfig
from ..models.head import HeadConfig
from ..models.hourglass import HourglassConfig
from ..models.hrnet import HRNetConfig
from ..models.residual import ResidualConfig
from ..models.summary import SummaryConfig
from ..models.surface import SurfaceConfig
from ..models.texture import TextureConfig
from .settings import StageSettings, TrainSettings, read_config, resolve_settings

# The reference code mirrors, scales by 0.9 to 1.1 and jitters colours; shifts are PIFu's.
AUGMENT = AugmentSettings(flip=0.5, scale=0.1, shift=0.05, colour=0.2)


def tiny() -> TrainSettings:
    """64x64 pictures and a narrow hourglass: a recognisable body within minutes on two cores.

    Where minutes count, many views seen beat sharp pictures: on two dozen free people and equal CPU time, 64x64
    pictures gave a Chamfer distance of 5.5 cm, 128x128 ones 6.3 cm.
    """
    return TrainSettings(
        preset="tiny", image_size=64, workers=0, uniform_share=0.2, sigma_power=1.0, surface_share=0.8, augment=AUGMENT,
        surface=StageSettings(
            steps=2400, batch=16, points=512, loss="bce", optimiser="muon", learning_rate=2e-3,
            weight_decay=1e-4, warmup=0.03, schedule="cosine", clip=1.0, ema=0.98, validation_views=32, facing=0.5,
        ),
        texture=StageSettings(
            steps=600, batch=16, points=512, loss="l1", optimiser="adam", learning_rate=2e-3, warmup=0.03,
            schedule="cosine", clip=1.0, ema=0.98, validation_views=32,
        ),
        surface_network=SurfaceConfig(
            # Group norm forgets on maps of a few pixels: this encoder told fronts from backs only with batch norm.
            encoder=HourglassConfig(stacks=1, depth=3, channels=64, features=64, stem=16, norm="batch", fine=True),
            # Soft-Z learns slower: after 300 steps Chamfer 7.2 cm against 6.2 cm (docs/LOG.md).
            depth=DepthConfig(kind="plain"), head=HeadConfig(kind="cbn", channels=(64, 64)),
            # Without it thousands of steps go by before depth takes sides (docs/LOG.md).
            summary=SummaryConfig(numbers=32),
        ),
        texture_network=TextureConfig(
            encoder=ResidualConfig(stem=8, blocks=3, fine=True),
            depth=DepthConfig(kind="soft", bins=64), head=HeadConfig(channels=(96, 64, 32)),
        ),
    )  # fmt: skip


def small() -> TrainSettings:
    """256x256 pictures, a two-stack hourglass half as wide as PIFu's: a night on a CPU, an hour on a GPU."""
    stage = StageSettings(
        epochs=10, batch=8, points=4096, optimiser="adamw", learning_rate=1e-3, weight_decay=1e-4, warmup=0.02,
        schedule="cosine", clip=1.0, ema=0.995,
    )  # fmt: skip
    return TrainSettings(
        preset="small", image_size=256, workers=2, surface=stage, augment=AUGMENT,
        texture=dataclasses.replace(stage, epochs=5, loss="l1", optimiser="adam", weight_decay=0.0),
        surface_network=SurfaceConfig(
            encoder=HourglassConfig(stacks=2, depth=2, channels=128, features=128, stem=32, groups=16, fine=True),
            head=HeadConfig(channels=(512, 256, 128)),
        ),
        texture_network=TextureConfig(
            encoder=ResidualConfig(stem=32, blocks=4), head=HeadConfig(channels=(512, 256, 128)),
        ),
    )  # fmt: skip


def paper() -> TrainSettings:
    """The paper's, as far as it is known (docs/training.md says what is published and what is our choice)."""
    stage = StageSettings(epochs=5, batch=24, points=4096, learning_rate=1e-3, schedule="step", decay_at=(0.6, 0.85))
    return TrainSettings(
        preset="paper", image_size=512, workers=8, log_every=10, augment=AUGMENT,
        surface=dataclasses.replace(stage, optimiser="rmsprop", loss="mse"),
        texture=dataclasses.replace(stage, optimiser="adam", loss="l1"),
        surface_network=SurfaceConfig(
            encoder=HRNetConfig(), depth=DepthConfig(kind="soft", bins=64), head=HeadConfig(),
        ),
        texture_network=TextureConfig(encoder=ResidualConfig(), head=HeadConfig()),
    )  # fmt: skip


PRESETS: dict[str, Callable[[], TrainSettings]] = {"tiny": tiny, "small": small, "paper": paper}


def preset(name: str, **overrides: Any) -> TrainSettings:
    """The settings of that name, with fields replaced (nested tables are merged).

    Args:
        name: a key of `PRESETS`; "auto" is resolved by `auto_preset`.
        overrides: fields of `TrainSettings`, for example `seed=3, surface={"steps": 100}`.
    """
    if name not in PRESETS:
        raise SettingsError(unknown_name("preset", name, [*PRESETS, "auto"]))
    return override(PRESETS[name](), overrides)


def auto_preset() -> tuple[str, str]:
    """The preset for this machine and one line that says why."""
    import torch

    if torch.cuda.is_available():
        return "paper", f"preset paper: {torch.cuda.get_device_name()} is there"
    return (
        "tiny",
        "preset tiny: no GPU here, so small networks and 64x64 pictures; --preset paper takes days on a CPU",
    )


def choose_settings(
    name: str,
    *,
    config: Path | None = None,
    assignments: Iterable[str] = (),
    mining: str | None = None,
    stage: str | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    seed: int | None = None,
) -> tuple[TrainSettings, str]:
    """The settings of a run and one line for the user about a choice made for him ("" where he chose himself).

    Args:
        name: a preset, or "auto" for what suits this machine.
        config: TOML file of settings.
        assignments: texts such as "surface.steps=500".
        mining, stage, max_minutes, device, seed: None leaves what the above give.

    Raises:
        SettingsError: an unknown preset or key, or a wrong value.
        InputError: the file does not read.
    """
    remark = ""
    if name == "auto":
        name, remark = auto_preset()
    flags: dict[str, Any] = {
        "stages": stage,
        "max_minutes": max_minutes,
        "device": device,
        "seed": seed,
        "mining": None if mining is None else {"mode": mining},
    }
    given = {key: value for key, value in flags.items() if value is not None}
    settings = resolve_settings(preset(name), config=read_config(config) if config else None, assignments=assignments)
    return resolve_settings(settings, config=given), remark
