"""How `mpc reconstruct` reconstructs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ...core.errors import SettingsError
from ...formats.mesh_files import FORMATS
from ..point_query import Speed

TURNTABLES = ("gif", "mp4", "none")
FRAMINGS = ("crop", "keep")
PRECISIONS = ("auto", "float32", "float16", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class CaptureSettings:
    """How to reconstruct.

    Attributes:
        resolution: nodes a side of the view cube.
        mode: "lossless" or "fast", see `localise`.
        extent_m: edge of the view cube the networks were trained with, metres; None: as the run says, else 2.4.
        height_m: assumed height of the person as posed, metres.
        framing: "crop" by the mask to the training framing, or "keep" square pictures that have it already.
        formats: of meshes: glb, ply, obj.
        texture_size: texels a side of a texture in GLB and OBJ; 0: colours of vertices.
        turntable: gif, mp4 or none. turntable_frames: pictures in it.
        size: pixels a side of each panel.
        use_mask: localise with what the mask says (`localise`, mask).
        largest_component: drop all of the mesh but its greatest part.
        every: keep each n-th frame of a film.
        batch: pictures encoded and localised together; 0: 4 on a GPU, else 1.
        memory_gib: bound on a network's activations; None: chosen by what is free.
        precision: of the networks: "float32", "float16", "bfloat16", or "auto": float16 on CUDA, else float32.
        compiled: the networks through `torch.compile`.
    """

    resolution: int = 257
    mode: str = "lossless"
    extent_m: float | None = None
    height_m: float = 1.7
    framing: str = "crop"
    formats: tuple[str, ...] = ("glb",)
    texture_size: int = 0
    turntable: str = "gif"
    turntable_frames: int = 36
    size: int = 320
    use_mask: bool = True
    largest_component: bool = False
    every: int = 1
    batch: int = 0
    memory_gib: float | None = None
    precision: str = "auto"
    compiled: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("mode", self.mode, ("lossless", "fast")), ("framing", self.framing, FRAMINGS),
            ("turntable", self.turntable, TURNTABLES), ("precision", self.precision, PRECISIONS),
            *(("format", one, FORMATS) for one in self.formats),
        ):  # fmt: skip
            if value not in allowed:
                raise SettingsError(f"{name} {value!r}: expected one of {', '.join(allowed)}")
        if self.memory_gib is not None and self.memory_gib <= 0:
            raise SettingsError(f"memory {self.memory_gib:g} GiB: expected more than 0")

    def speed(self, device: torch.device) -> Speed:
        """What is done for speed on a device."""
        usual = Speed.for_device(device)
        dtype = usual.dtype if self.precision == "auto" else getattr(torch, self.precision)
        return replace(usual, dtype=dtype, compiled=self.compiled)
