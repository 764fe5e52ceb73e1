"""Named settings, from training in minutes on a laptop's CPU to the settings of the paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..core.errors import SettingsError
from ..core.messages import unknown_name
from ..core.settings import override
from ..datasets.loading.augment import AugmentSettings
from ..datasets.shards.index import read_index
from ..models.depth import DepthConfig
from ..models.head import HeadConfig
from ..models.hourglass import HourglassConfig
from ..models.hrnet import HRNetConfig
from ..models.maps import MapsConfig
from ..models.residual import ResidualConfig
from ..models.summary import SummaryConfig
from ..models.surface import SurfaceConfig
from ..models.texture import TextureConfig
from .settings import StageSettings, TrainSettings, read_config, resolve_settings

# The reference code mirrors, scales by 0.9 to 1.1 and changes colours; the shifts are PIFu's.
AUGMENT = AugmentSettings(flip=0.5, scale=0.1, shift=0.05, colour=0.2)
# Surface networks are some centimetres off. What is farther off belongs to no point of the true surface.
COLOUR_REACH_M = 0.04


def tiny() -> TrainSettings:
    """64x64 pictures and a narrow hourglass: a recognisable body after minutes on two cores.

    In a short training, many views matter more than sharp pictures. On two dozen free people and with equal CPU time,
    64x64 pictures gave a Chamfer distance of 5.5 cm, and 128x128 pictures 6.3 cm.
    """
    return TrainSettings(
        preset="tiny", image_size=64, workers=0, colour_reach_m=COLOUR_REACH_M,
        uniform_share=0.2, sigma_power=1.0, surface_share=0.8, augment=AUGMENT,
        surface=StageSettings(
            steps=2400, batch=16, points=512, loss="bce", optimiser="muon", learning_rate=2e-3,
            weight_decay=1e-4, warmup=0.03, schedule="cosine", clip=1.0, ema=0.98, norm_batches=16, validation_views=32,
            facing=0.5,
        ),
        texture=StageSettings(
            steps=600, batch=16, points=512, loss="l1", optimiser="adam", learning_rate=2e-3, warmup=0.03,
            schedule="cosine", clip=1.0, ema=0.98, validation_views=32,
        ),
        surface_network=SurfaceConfig(
            # Group norm loses information on maps of a few pixels: only with batch norm did this encoder distinguish
            # fronts from backs.
            encoder=HourglassConfig(stacks=1, depth=3, channels=64, features=64, stem=16, norm="batch", fine=True),
            # Soft-Z learns more slowly: after 300 steps the Chamfer distance was 7.2 cm, with plain z 6.2 cm
            # (docs/LOG.md).
            depth=DepthConfig(kind="plain"), head=HeadConfig(kind="cbn", channels=(64, 64)),
            # Without it, the network needs thousands of steps to distinguish front from back (docs/LOG.md).
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
        preset="small", image_size=256, workers=2, colour_reach_m=COLOUR_REACH_M, surface=stage, augment=AUGMENT,
        texture=dataclasses.replace(stage, epochs=5, loss="l1", optimiser="adam", weight_decay=0.0),
        surface_network=SurfaceConfig(
            encoder=HourglassConfig(stacks=2, depth=2, channels=128, features=128, stem=32, groups=16, fine=True),
            head=HeadConfig(channels=(512, 256, 128)),
        ),
        texture_network=TextureConfig(
            encoder=ResidualConfig(stem=32, blocks=4), head=HeadConfig(channels=(512, 256, 128)),
        ),
    )  # fmt: skip


def base() -> TrainSettings:
    """The recipe of the shipped network: maps of both sides at every pixel, then a bounded head on them (level 1).

    docs/training.md describes the whole recipe, with the runs that follow this one.
    """
    stage = StageSettings(
        steps=6000, batch=32, points=512, loss="l1", optimiser="muon", learning_rate=2e-3, weight_decay=1e-4,
        warmup=0.01, schedule="anneal", decay_at=(0.5,), clip=1.0, ema=0.99, norm_batches=32, validation_views=128,
    )  # fmt: skip
    return TrainSettings(
        preset="base", image_size=96, workers=0, colour_reach_m=COLOUR_REACH_M,
        uniform_share=0.2, sigma_power=1.0, maps_share=0.75, surface_share=0.5,
        # Frames around people make up for size and place. Masks of photographs have holes and halos.
        augment=dataclasses.replace(
            AUGMENT, scale=0.0, shift=0.0, colour=0.1, mask_holes=0.05, mask_halo=0.1, mask_soft=0.1, mask_cut=0.03
        ),
        log_every=10, maps=stage,
        # The head is learned fast, and a high rate loses what the maps have won (docs/LOG.md).
        surface=dataclasses.replace(
            stage, steps=600, loss="bce", learning_rate=1e-3, decay_at=(0.3,), warmup=0.0, maps=1.0
        ),
        texture=dataclasses.replace(stage, steps=1500, optimiser="adam", warmup=0.03, schedule="cosine"),
        surface_network=SurfaceConfig(
            encoder=MapsConfig(landmarks=16, depth_unit=0.1, view=96), depth=DepthConfig(kind="plain"),
            head=HeadConfig(kind="bounded", channels=(64, 64)),
        ),
        texture_network=TextureConfig(
            encoder=ResidualConfig(stem=16, blocks=3, fine=True), head=HeadConfig(channels=(128, 96, 64)),
        ),
    )  # fmt: skip


def paper() -> TrainSettings:
    """The settings of the paper, as far as they are known (docs/training.md lists the published ones and ours)."""
    stage = StageSettings(epochs=5, batch=24, points=4096, learning_rate=1e-3, schedule="step", decay_at=(0.6, 0.85))
    return TrainSettings(
        preset="paper", image_size=512, workers=8, log_every=10, augment=AUGMENT,
        balanced=True, sigmas_m=(0.05,), colour_sigma_m=0.001,
        surface=dataclasses.replace(stage, optimiser="rmsprop", loss="mse"),
        texture=dataclasses.replace(stage, optimiser="adam", loss="l1"),
        surface_network=SurfaceConfig(
            encoder=HRNetConfig(), depth=DepthConfig(kind="soft", bins=64), head=HeadConfig(),
        ),
        texture_network=TextureConfig(encoder=ResidualConfig(), head=HeadConfig()),
    )  # fmt: skip


def pifuhd() -> TrainSettings:
    """The path of *base* at PIFuHD's sizes (Saito et al., CVPR 2020): 512 pixels, refined at 1024.

    Level 1 has the widths and the nine residual blocks of the image translation network that PIFuHD predicts normals
    with (pix2pixHD, Wang et al., CVPR 2018); level 2 sees 1024 pixels and gives 16 features to the head, as there. In
    PIFuHD both levels end in occupancy and normals are an input; here both predict depth as well.
    """
    stage = StageSettings(
        epochs=5, batch=8, points=8000, loss="l1", optimiser="adam", learning_rate=1e-4, schedule="step",
        decay_at=(0.6, 0.85),
    )  # fmt: skip
    return TrainSettings(
        preset="pifuhd", image_size=1024, workers=8, colour_reach_m=COLOUR_REACH_M, log_every=10, augment=AUGMENT,
        maps=stage,
        surface=dataclasses.replace(stage, loss="bce", optimiser="rmsprop", learning_rate=1e-3, maps=1.0),
        texture=dataclasses.replace(stage, learning_rate=1e-3),
        surface_network=SurfaceConfig(
            encoder=MapsConfig(
                size=512, cells=512, widths=(64, 128, 256, 512, 1024), blocks=1, bottom=9, values=16, coarse=64,
                fine_widths=(32, 64, 128, 256), fine_size=1024, fine_patch=2, fine_values=16, norm="instance",
            ),
            depth=DepthConfig(kind="plain"), head=HeadConfig(kind="bounded", channels=(512, 256, 128)),
        ),
        texture_network=TextureConfig(encoder=ResidualConfig(), head=HeadConfig()),
    )  # fmt: skip


PRESETS: dict[str, Callable[[], TrainSettings]] = {
    "tiny": tiny,
    "small": small,
    "base": base,
    "paper": paper,
    "pifuhd": pifuhd,
}


def preset(name: str, **overrides: Any) -> TrainSettings:
    """The settings of a preset, with some fields replaced (nested tables are merged).

    Args:
        name: a key of `PRESETS`; for "auto" see `auto_preset`.
        overrides: fields of `TrainSettings`, for example `seed=3, surface={"steps": 100}`.

    Raises:
        SettingsError: an unknown preset or field.
    """
    if name not in PRESETS:
        raise SettingsError(unknown_name("preset", name, [*PRESETS, "auto"]))
    return override(PRESETS[name](), overrides)


def auto_preset(pixels: int | None = None) -> tuple[str, str]:
    """The name of the preset for this machine and these pictures, and one line that gives the reason.

    Args:
        pixels: edge of the smallest pictures to train on; None: not known, large enough for all presets.
    """
    import torch

    if torch.cuda.is_available():
        seen = f"{torch.cuda.get_device_name()} is there"
        for name in ("paper", "small"):
            least = PRESETS[name]().image_size
            if pixels is None or least is None or pixels >= least:
                return name, f"preset {name}: {seen}"
            seen += f", the pictures have {pixels} of {least} pixels for {name}"
        return "tiny", f"preset tiny: {seen}"
    return (
        "tiny",
        "preset tiny: no GPU here, so small networks and 64x64 pictures; --preset paper takes days on a CPU",
    )


def smallest_picture(shards: Path) -> int | None:
    """Edge of the smallest pictures in a folder of shards, pixels; None where its index does not say."""
    sizes = [entry.image_sizes[0] for entry in read_index(shards).shards if entry.image_sizes]
    return min(sizes, default=None)


def choose_settings(
    name: str,
    *,
    run: TrainSettings | None = None,
    config: Path | None = None,
    assignments: Iterable[str] = (),
    mining: str | None = None,
    stage: str | None = None,
    max_minutes: float | None = None,
    backgrounds: Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    shards: Path | None = None,
) -> tuple[TrainSettings, str]:
    """Resolve the settings of a run: the preset, then the file, then the assignments, then the other arguments.

    Args:
        name: a preset, or "auto" for the one that suits this machine.
        run: settings of an earlier run to start from instead.
        config: TOML file of settings.
        assignments: texts such as "surface.steps=500".
        mining: mode of hard example mining; here and below, None keeps the value of the arguments above.
        stage: what to train.
        max_minutes: time limit.
        backgrounds: folder of photographs, see `AugmentSettings.backgrounds`.
        device: where to train.
        seed: of weights, draws and points.
        shards: folder of the shards that are to be trained on, whose pictures limit "auto"; None: no limit.

    Returns:
        The settings, and one line for the user about the preset that was chosen automatically, "" if none was.

    Raises:
        SettingsError: an unknown preset or key, or a wrong value.
        InputError: the file cannot be read.
    """
    remark = ""
    if name == "auto" and run is None:
        import torch

        # Without a GPU the choice does not depend on the pictures, and a wrong setting is told before missing shards.
        pixels = smallest_picture(shards) if shards is not None and torch.cuda.is_available() else None
        name, remark = auto_preset(pixels)
    flags: dict[str, Any] = {
        "stages": stage,
        "max_minutes": max_minutes,
        "device": device,
        "seed": seed,
        "mining": None if mining is None else {"mode": mining},
        "augment": None if backgrounds is None else {"backgrounds": str(backgrounds.resolve())},
    }
    given = {key: value for key, value in flags.items() if value is not None}
    settings = resolve_settings(
        run or preset(name), config=read_config(config) if config else None, assignments=assignments
    )
    return resolve_settings(settings, config=given), remark
