"""What decides the content of a renders folder, and the cameras that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...core.checks import check_choice, check_ranges
from ...core.errors import SettingsError
from ...core.messages import unknown_name
from ...geometry.camera import Camera, OrthographicCamera, PerspectiveCamera
from ...render.layers import LAYERS
from ..subjects.frames import FrameChoice
from ..subjects.placement import LoadOptions

CENTRES = ("pelvis", "surface", "box")


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """A renders folder holds one set of settings.

    Attributes:
        seed: of frames, lights and jitter.
        views: yaws a scene; each is drawn at every elevation.
        step_deg, offset_deg: yaws `offset + i * step`, degrees.
        pitch_deg: the elevations, degrees.
        jitter_deg: each camera is turned at random by up to so many degrees of yaw, pitch and roll.
        fov_deg: angle of view of perspective cameras; 0 for orthographic ones.
        size: pictures are size x size pixels.
        extent_m: edge of the view cube, metres, one for the whole dataset.
        centre: where the cube's centre is, one of CENTRES (render_scene.scene_centre).
        frames_per_animation, poses, pose_filter: which frames (datasets/subjects/frames.py, FrameChoice).
        animations: folder (or file) of motions brought to every rig; bone_map: the user's bone names.
        rays: directions of the radiance transfer.
        longest_edge_m: longer edges are halved before light is gathered, see geometry/refine.py; faces at most double.
        lights: folder of HDR panoramas; None for the built-in environments.
        layers: of render/layers.py, drawn beside the lit pictures.
        load: what the user knows of units and axes; None in it detects.
    """

    seed: int = 0
    views: int = 36
    step_deg: float = 10.0
    offset_deg: float = 0.0
    pitch_deg: tuple[float, ...] = (0.0,)
    jitter_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fov_deg: float = 0.0
    size: int = 512
    extent_m: float = 2.4
    centre: str = "pelvis"
    frames_per_animation: int = 3
    poses: str = "random"
    pose_filter: bool = True
    animations: Path | None = None
    bone_map: Path | None = None
    rays: int = 240
    longest_edge_m: float = 0.05
    lights: Path | None = None
    layers: tuple[str, ...] = ()
    load: LoadOptions = field(default_factory=LoadOptions)

    def __post_init__(self) -> None:
        check_ranges(
            self,
            views=(1, 3600),
            size=(16, 4096),
            extent_m=(0.1, 100.0),
            frames_per_animation=(1, 100_000),
            rays=(16, 65536),
            longest_edge_m=(0.001, 1000.0),
        )
        self.frame_choice()
        check_choice("centre", self.centre, CENTRES)
        if self.fov_deg and not 1.0 <= self.fov_deg <= 75.0:
            raise SettingsError(f"fov_deg is {self.fov_deg}, expected 1 to 75, or 0 for orthographic cameras")
        if not self.pitch_deg or max(abs(pitch) for pitch in self.pitch_deg) > 85.0:
            raise SettingsError(f"pitch_deg is {self.pitch_deg}, expected elevations from -85 to 85")
        if len(self.jitter_deg) != 3 or not all(0.0 <= turn <= 45.0 for turn in self.jitter_deg):
            raise SettingsError(f"jitter_deg is {self.jitter_deg}, expected yaw, pitch and roll from 0 to 45")
        unknown = sorted(set(self.layers) - set(LAYERS))
        if unknown:
            raise SettingsError(unknown_name("layer", unknown[0], LAYERS))
        if len({name for name, _ in self._places()}) != self.views * len(self.pitch_deg):
            raise SettingsError(f"{self.views} views {self.step_deg} degrees apart repeat a yaw, or an elevation does")

    def frame_choice(self) -> FrameChoice:
        """Which frames of a rig's animations."""
        return FrameChoice(per_animation=self.frames_per_animation, poses=self.poses, drop_unfit=self.pose_filter)

    @property
    def pictures(self) -> int:
        """Lit pictures a scene."""
        return self.views * len(self.pitch_deg)

    def cameras(
        self, centre_world: tuple[float, float, float], rng: np.random.Generator | None = None
    ) -> dict[str, Camera]:
        """The cameras around a scene's centre (metres) by the names of their pictures; `rng` draws their jitter."""
        found: dict[str, Camera] = {}
        for name, (yaw, pitch) in self._places():
            camera: Camera = OrthographicCamera(centre_world, self.extent_m, yaw, pitch)
            if self.fov_deg:
                camera = PerspectiveCamera(centre_world, self.extent_m, yaw, pitch, fov_deg=self.fov_deg)
            if rng is not None and any(self.jitter_deg):
                turn = rng.uniform(-1.0, 1.0, 3) * self.jitter_deg
                yaw, pitch = (yaw + float(turn[0])) % 360.0, float(np.clip(pitch + turn[1], -89.0, 89.0))
                camera = replace(camera, yaw_deg=yaw, pitch_deg=pitch, roll_deg=float(turn[2]))
            found[name] = camera
        return found

    def _places(self) -> list[tuple[str, tuple[float, float]]]:
        """Name, yaw and pitch of each picture before its jitter: "010", or with several elevations "010_+15"."""
        places = []
        for pitch in self.pitch_deg:
            suffix = f"_{pitch:+g}".replace(".", "_") if len(self.pitch_deg) > 1 else ""
            for index in range(self.views):
                yaw = (self.offset_deg + self.step_deg * index) % 360.0
                # Tenths of a degree only where there are any: "007_5".
                text = f"{yaw:05.1f}"
                text = text[:3] if text.endswith(".0") else text.replace(".", "_")
                places.append((text + suffix, (yaw, pitch)))
        return places
