"""Where a run starts from: its own checkpoint with other settings, another run's weights, or a state to be annealed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ..core.errors import InputError, SettingsError
from ..core.files import read_json
from ..core.settings import override
from ..models.storage import load_network, read_tensors, write_tensors
from .checkpoint import Position
from .settings import StageSettings, TrainSettings
from .stages import Stage

if TYPE_CHECKING:
    from .loop import StageContext

STAGE_ORDER = ("maps", "surface", "texture")
# What a checkpoint, or the draws that follow from it, depend on.
_FIXED = ("preset", "seed", "image_size", "surface_network", "texture_network")
_FIXED_OF_STAGES = ("batch", "optimiser")


def read_settings(run: Path) -> TrainSettings:
    """The resolved settings of a run, from its run.json."""
    return override(TrainSettings(), read_json(run / "run.json")["settings"])


def check_resumed(run: Path, stored: TrainSettings, requested: TrainSettings) -> None:
    """Refuse settings with which a run cannot go on; all others are obeyed from the next step on.

    Args:
        run: the folder of the run.
        stored: its settings so far.
        requested: the settings to go on with.

    Raises:
        SettingsError: another network, seed, picture size, batch or optimiser; or another length of a stage that a
            later one has been trained on.
    """
    changed = [name for name in _FIXED if getattr(stored, name) != getattr(requested, name)]
    for number, stage in enumerate(STAGE_ORDER):
        one, other = getattr(stored, stage), getattr(requested, stage)
        changed += [f"{stage}.{name}" for name in _FIXED_OF_STAGES if getattr(one, name) != getattr(other, name)]
        if any((run / later).is_dir() for later in STAGE_ORDER[number + 1 :]):
            changed += [f"{stage}.{name}" for name in ("steps", "epochs") if getattr(one, name) != getattr(other, name)]
    if changed:
        raise SettingsError(
            f"{run} cannot go on with another {changed[0]}; start a new run, with --init {run} from its weights"
        )


def start_from(stage: Stage, run: Path, context: StageContext) -> None:
    """Give a stage's fresh network the weights of another run, as far as names and shapes agree, and say how far.

    A stage that has a checkpoint or weights from an earlier stage of its own run keeps those.

    Args:
        stage: the stage that begins.
        run: folder of the other run.
        context: of the run that begins.

    Raises:
        InputError: the other run has no network of this kind, or none of its weights fits.
    """
    earlier = ("maps",) if stage.name == "surface" else ()
    if any((context.folder / name / "last.safetensors").is_file() for name in (stage.name, *earlier)):
        return
    sources = ("texture",) if stage.name == "texture" else ("surface", "maps")
    # The last weights: those of a run that is still going on are newer than the best ones of its last validation.
    paths = [run / source / f"{kind}.safetensors" for source in sources for kind in ("last", "best")]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        if stage.name == "texture":
            context.progress.message(f"texture: {run} holds no texture network, so fresh weights are trained")
            return
        raise InputError(run, "holds no surface network to start from")
    copied, of = copy_weights(stage.network, load_network(path)[0])
    if not copied:
        raise InputError(path, "no weight fits the network of these settings")
    context.progress.message(f"{stage.name}: {copied / of:.0%} of {of:,} weights start from {path}")


def copy_weights(network: nn.Module, source: nn.Module) -> tuple[int, int]:
    """Copy weights of the same name and shape; returns the numbers of those copied and of all of `network`."""
    given, own = source.state_dict(), network.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return sum(value.numel() for value in fitting.values()), sum(value.numel() for value in own.values())


def settings_to_anneal(run: Path) -> TrainSettings:
    """Settings that train a copy of a run's last stage to its end: the rate falls at once, for a quarter of its steps.

    Args:
        run: the folder of the run; it has a checkpoint, and may be running, interrupted or finished.

    Raises:
        InputError: no stage of the run has a checkpoint.
    """
    settings, stage = read_settings(run), stage_to_anneal(run)
    options: StageSettings = getattr(settings, stage)
    steps = max(1, _position(run, stage).step // 4)
    falling = dataclasses.replace(options, schedule="cosine", warmup=0.0, steps=steps, validate_every=0)
    return override(settings, {"stages": stage, "max_minutes": 0.0, stage: dataclasses.asdict(falling)})


def stage_to_anneal(run: Path) -> str:
    """The last stage of a run that has a checkpoint.

    Raises:
        InputError: there is none.
    """
    for stage in reversed(STAGE_ORDER):
        if (run / stage / "state.safetensors").is_file():
            return stage
    raise InputError(run, "holds no checkpoint to anneal")


def copy_state(run: Path, folder: Path, stage: str) -> None:
    """Copy the state of a stage of `run` to another run's folder, as the beginning of a schedule.

    Args:
        run: the folder to read; it stays as it is.
        folder: of the new run.
        stage: name of the stage.
    """
    tensors, header = read_tensors(run / stage / "state.safetensors")
    header["position"] = vars(Position())
    (folder / stage).mkdir(parents=True, exist_ok=True)
    write_tensors(folder / stage / "state.safetensors", tensors, header)


def _position(run: Path, stage: str) -> Position:
    _, header = read_tensors(run / stage / "state.safetensors")
    return Position(**header["position"])
