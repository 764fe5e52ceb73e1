"""The settings of `mpc reconstruct`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ...core.checks import check_choice, check_ranges
from ...core.errors import SettingsError
from ...formats.mesh_files import WRITE_FORMATS
from ..point_query import Speed
from .people import check_person

TURNTABLES = ("gif", "mp4", "none")
FRAMINGS = ("crop", "keep")
PRECISIONS = ("auto", "float32", "float16", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class CaptureSettings:
    """How to reconstruct; `mpc reconstruct` has an option for each field, with the same default.

    Attributes:
        resolution: nodes along each side of the view cube.
        mode: "lossless" or "fast", see `localise`.
        extent_m: edge of the view cube that the networks were trained with, metres; None: the run's, or 2.4.
        height_m: assumed height of the person, metres: when standing, where the person is found by the networks;
            otherwise as posed.
        framing: "crop": cut the picture by the mask to the training framing; "keep": square pictures that have the
            training framing already.
        formats: file formats of the meshes: glb, ply, obj.
        texture_size: texels along each side of the texture in GLB and OBJ; 0: colours of vertices.
        turntable: gif, mp4 or none.
        turntable_frames: number of pictures in the turntable.
        size: pixels along each side of a panel.
        use_mask: use the mask in localisation (see `localise`, mask).
        photo_colours: colour what the picture shows by the picture, and only the rest by the texture network (see
            surface/photo.py).
        both_ways: average the maps that the surface network predicts with those of the mirror image
            (models/both_ways.py); networks that predict no maps are asked once.
        person: number of the person in a picture with several and without a mask, by falling score of the detector;
            or "all".
        sequence: write a whole film as one animated GLB as well, and a turntable film of it (see sequences.py).
        smooth: smooth the place of the square from frame to frame of a film.
        largest_component: keep only the connected part of the mesh with the greatest area.
        every: keep every n-th frame of a film.
        batch: number of pictures encoded and localised together; 0: 4 on a GPU, otherwise 1.
        memory_gib: bound on the activations of a network, GiB; None: chosen by the free memory.
        precision: of the networks: "float32", "float16", "bfloat16", or "auto" (float16 on CUDA, otherwise float32).
        compiled: run the networks through `torch.compile`.
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
    photo_colours: bool = True
    both_ways: bool = True
    person: str = "1"
    sequence: bool = False
    smooth: bool = False
    largest_component: bool = False
    every: int = 1
    batch: int = 0
    memory_gib: float | None = None
    precision: str = "auto"
    compiled: bool = False

    def __post_init__(self) -> None:
        check_person(self.person)
        for name, value, allowed in (
            ("mode", self.mode, ("lossless", "fast")), ("framing", self.framing, FRAMINGS),
            ("turntable", self.turntable, TURNTABLES), ("precision", self.precision, PRECISIONS),
            *(("format", one, WRITE_FORMATS) for one in self.formats),
        ):  # fmt: skip
            check_choice(name, value, allowed)
        if self.sequence and "glb" not in self.formats:
            raise SettingsError("sequence: the animation is made of the frames' GLB files, which the formats leave out")
        check_ranges(
            self, resolution=(33, None), texture_size=(0, 8192), turntable_frames=(1, 720), size=(16, 2048),
            every=(1, None), batch=(0, None),
        )  # fmt: skip
        if self.memory_gib is not None and self.memory_gib <= 0:
            raise SettingsError(f"memory {self.memory_gib:g} GiB: expected more than 0")

    def speed(self, device: torch.device) -> Speed:
        """What is done for speed on a device, see `Speed`."""
        usual = Speed.for_device(device)
        dtype = usual.dtype if self.precision == "auto" else getattr(torch, self.precision)
        return replace(usual, dtype=dtype, compiled=self.compiled)
