"""Finds and loads runs, the folders of trained networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..core.errors import InputError
from ..core.files import read_json
from .storage import load_network
from .surface import SurfaceNetwork
from .texture import TextureNetwork


@dataclass(frozen=True)
class LoadedRun:
    """A trained surface network and, where there is one, the texture network that belongs to it.

    Attributes:
        surface: the surface network, in evaluation mode, on `device`.
        texture: the texture network, in evaluation mode, on `device`; None if the run has none yet.
        settings: resolved training settings (`run.json`), nested tables.
        folder: the folder of the run.
        device: the device of the networks.
        extent_m: edge of the training pictures' cube, metres; None if the run does not record it.
        fov_deg: angle of view of the training cameras, degrees; 0: orthographic.
    """

    surface: SurfaceNetwork
    texture: TextureNetwork | None
    settings: dict[str, Any]
    folder: Path
    device: torch.device
    extent_m: float | None = None
    fov_deg: float = 0.0

    @property
    def body_source(self) -> str:
        """Where the body comes from that the networks were trained with; "none": they read no body."""
        return self.surface.config.body_source

    @property
    def predicts_maps(self) -> bool:
        """Whether the surface network predicts depth and normals of both sides at every pixel."""
        return self.surface.config.predicts_maps

    @property
    def reads_landmarks(self) -> bool:
        """Whether the networks can be told the person's landmarks."""
        return self.surface.config.reads_landmarks


def find_run(folder: Path) -> Path:
    """`folder` itself if it is a run, otherwise the newest run inside it.

    Raises:
        InputError: the folder holds no run.
    """
    if (folder / "run.json").is_file():
        return folder
    runs = sorted(
        folder.glob("*/run.json"), key=lambda path: (str(read_json(path).get("created", "")), path.parent.name)
    )
    if not runs:
        raise InputError(folder, "holds no run (no run.json); train one with `mpc train`")
    return runs[-1].parent


def load_run(run: Path, device: torch.device | str = "cpu", *, which: str = "best") -> LoadedRun:
    """Load the networks of a run (or of the newest run in a folder of runs).

    Args:
        run: holds run.json, surface/{best,last}.safetensors and, once it is trained, texture/.
        device: device to load the networks to.
        which: "best" (the last weights where there are no best ones) or "last".

    Raises:
        InputError: no surface network has been trained yet, or a file is damaged.
    """
    folder = find_run(run)
    record = read_json(folder / "run.json")

    def pick(stage: str) -> Path | None:
        names = ("best", "last") if which == "best" else ("last",)
        return next((p for n in names if (p := folder / stage / f"{n}.safetensors").is_file()), None)

    # The network of the maps stage is a surface network whose head adds nothing yet.
    surface_path, texture_path = pick("surface") or pick("maps"), pick("texture")
    if surface_path is None:
        raise InputError(folder, "holds no trained surface network yet")
    surface = load_network(surface_path, device)[0]
    texture = None if texture_path is None else load_network(texture_path, device)[0]
    # Fields give pictures with their channels last (reconstruct/view_field.py), and a convolution whose weights lie
    # otherwise would turn them in each call.
    for network in filter(None, (surface, texture)):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert isinstance(surface, SurfaceNetwork)
    assert texture is None or isinstance(texture, TextureNetwork)
    cube = record.get("data", {})
    return LoadedRun(
        surface, texture, record.get("settings", {}), folder, torch.device(device), cube.get("extent_m"),
        cube.get("fov_deg", 0.0),
    )  # fmt: skip
