"""The settings that decide the content of a renders folder, and the cameras that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...core.checks import check_choice, check_ranges
from ...core.errors import SettingsError
from ...core.messages import unknown_name
from ...geometry.camera import DEFAULT_EXTENT_M, Camera, OrthographicCamera, PerspectiveCamera
from ...render.layers import BODY_LAYERS, LAYERS
from ...render.subpixels import ANTIALIAS
from ...render.transfer import DEFAULT_RAYS
from ...subjects.frames import FrameSettings
from ...subjects.placement import PlacementOptions
from .camera_files import UPS, read_cameras
from .crops import CROPS

CENTRES = ("surface", "pelvis", "box")


@dataclass(frozen=True, kw_only=True)
class RenderSettings(FrameSettings):
    """What decides the content of a renders folder, which holds one set of settings.

    Which frames become scenes is decided by the attributes of FrameSettings (subjects/frames.py); `seed` is
    that of frames, lights and jitter.

    Attributes:
        views: number of yaws of a scene; each is drawn at every elevation.
        step_deg: degrees of yaw between two views.
        offset_deg: yaw of the first view, degrees.
        pitch_deg: the elevations, degrees.
        jitter_deg: largest random turn of each camera: yaw, pitch and roll, degrees.
        fov_deg: angle of view of perspective cameras, degrees; 0 for orthographic ones.
        fov_most_deg: each camera's own angle of view is drawn between `fov_deg` and this, so that its distance, from
            which the middle of the view cube fills the picture, varies, too; 0: all have `fov_deg`.
        camera_file: cameras of a file (camera_files.py) in place of those around the person, which the attributes above
            describe; None for those.
        camera_up: the axis that points up in the world of that file, "y" or "z".
        lights_per_view: number of pictures that each camera takes, each in a light of its own.
        size: edge of the pictures, pixels.
        antialias: samples of a pixel on an edge, of ANTIALIAS; alpha has one value more.
        extent_m: edge of the view cube, metres, one for the whole dataset.
        centre: where the cube's centre is, one of CENTRES (see `draw_scene.scene_centre`).
        rays: number of directions of the radiance transfer.
        longest_edge_m: longer edges are halved before light is gathered, see geometry/refine.py; faces at most double.
        lights: folder of HDR panoramas; None for the built-in environments.
        light_names: the environments that are used, by their names, in which * and ? stand for other letters; none for
            all of them.
        backgrounds: folder of photographs and panoramas; of each view a layer `photo` shows the person in front of one,
            and a panorama's light is the view's (datasets/renders/backdrops.py). None for none.
        exposure_ev: exposure in photographic stops, each of which doubles the light.
        layers: names of render/layers.py, drawn beside the lit pictures.
        crops: crops of each view, of CROPS, drawn as pictures of their own.
        crop_size: edge of their pictures, pixels.
        load: what the user knows of units and axes.
        body_model: the user's file of SMPL-X, with which the fits that come with scans give bodies, joints and parts;
            None for none.
    """

    views: int = 36
    step_deg: float = 10.0
    offset_deg: float = 0.0
    pitch_deg: tuple[float, ...] = (0.0,)
    jitter_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fov_deg: float = 0.0
    fov_most_deg: float = 0.0
    camera_file: Path | None = None
    camera_up: str = "y"
    lights_per_view: int = 1
    size: int = 512
    antialias: int = 4
    extent_m: float = DEFAULT_EXTENT_M
    centre: str = "surface"
    rays: int = DEFAULT_RAYS
    longest_edge_m: float = 0.05
    lights: Path | None = None
    light_names: tuple[str, ...] = ()
    backgrounds: Path | None = None
    exposure_ev: float = 0.0
    layers: tuple[str, ...] = ()
    crops: tuple[str, ...] = ()
    crop_size: int = 512
    load: PlacementOptions = field(default_factory=PlacementOptions)
    body_model: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(
            self,
            views=(1, 3600),
            lights_per_view=(1, 100),
            size=(16, 4096),
            crop_size=(16, 4096),
            extent_m=(0.1, 100.0),
            rays=(16, 65536),
            longest_edge_m=(0.001, 1000.0),
            exposure_ev=(-8.0, 8.0),
        )
        check_choice("centre", self.centre, CENTRES)
        check_choice("camera_up", self.camera_up, tuple(UPS))
        check_choice("antialias", self.antialias, ANTIALIAS)
        if self.fov_deg and not 1.0 <= self.fov_deg <= 75.0:
            raise SettingsError(f"fov_deg is {self.fov_deg}, expected 1 to 75, or 0 for orthographic cameras")
        if self.fov_most_deg and not 1.0 <= self.fov_deg < self.fov_most_deg <= 75.0:
            raise SettingsError(
                f"angles of view from {self.fov_deg:g} to {self.fov_most_deg:g} degrees: expected the smaller one "
                "first, both from 1 to 75"
            )
        if not self.pitch_deg or max(abs(pitch) for pitch in self.pitch_deg) > 85.0:
            raise SettingsError(f"pitch_deg is {self.pitch_deg}, expected elevations from -85 to 85")
        if len(self.jitter_deg) != 3 or not all(0.0 <= turn <= 45.0 for turn in self.jitter_deg):
            raise SettingsError(f"jitter_deg is {self.jitter_deg}, expected yaw, pitch and roll from 0 to 45")
        unknown = sorted(set(self.layers) - {*LAYERS, *BODY_LAYERS})
        if unknown:
            raise SettingsError(unknown_name("layer", unknown[0], (*LAYERS, *BODY_LAYERS)))
        for crop in self.crops:
            check_choice("crops", crop, CROPS)
        if len({name for name, _ in self._places()}) != self.views * len(self.pitch_deg):
            raise SettingsError(f"{self.views} views {self.step_deg} degrees apart repeat a yaw, or an elevation does")

    @property
    def pictures(self) -> int:
        """Number of lit pictures of a scene."""
        cameras = self.views * len(self.pitch_deg)
        if self.camera_file is not None:
            cameras = len(read_cameras(self.camera_file, self.camera_up))
        return cameras * self.lights_per_view

    def cameras(
        self, centre_world: tuple[float, float, float], rng: np.random.Generator | None = None
    ) -> dict[str, Camera]:
        """The cameras around a scene.

        Args:
            centre_world: centre of the view cube, metres.
            rng: draws jitter and angles of view; None for cameras without jitter, with the smallest angle.

        Returns:
            Camera by the name of its picture; with several lights a camera has several pictures.

        Raises:
            SettingsError: a camera of a file looks away from the scene.
            InputError: the file of cameras cannot be read.
        """
        chosen = self._file_cameras(centre_world) if self.camera_file is not None else self._orbit(centre_world, rng)
        found: dict[str, Camera] = {}
        for name, camera in chosen.items():
            found[name] = camera
            found |= {f"{name}_light{light + 1}": camera for light in range(1, self.lights_per_view)}
        return found

    def _file_cameras(self, centre_world: tuple[float, float, float]) -> dict[str, Camera]:
        assert self.camera_file is not None
        try:
            return {
                camera.name: camera.facing(centre_world) for camera in read_cameras(self.camera_file, self.camera_up)
            }
        except ValueError as error:
            raise SettingsError(
                f"{self.camera_file}: {error}, which stands at the origin; the file is in metres, {self.camera_up} up"
            ) from error

    def _orbit(self, centre_world: tuple[float, float, float], rng: np.random.Generator | None) -> dict[str, Camera]:
        """The cameras around a scene, by the names of their pictures in the first light."""
        found: dict[str, Camera] = {}
        for name, (yaw, pitch) in self._places():
            camera: Camera = OrthographicCamera(centre_world, self.extent_m, yaw, pitch)
            if self.fov_deg:
                camera = PerspectiveCamera(centre_world, self.extent_m, yaw, pitch, fov_deg=self.fov_deg)
            if rng is not None and any(self.jitter_deg):
                turn = rng.uniform(-1.0, 1.0, 3) * self.jitter_deg
                yaw, pitch = (yaw + float(turn[0])) % 360.0, float(np.clip(pitch + turn[1], -89.0, 89.0))
                camera = replace(camera, yaw_deg=yaw, pitch_deg=pitch, roll_deg=float(turn[2]))
            if rng is not None and self.fov_most_deg and isinstance(camera, PerspectiveCamera):
                camera = replace(camera, fov_deg=float(rng.uniform(self.fov_deg, self.fov_most_deg)))
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
