"""What stands behind people: photographs, and panoramas that light them, too, from a folder that the user names.

A file is a panorama of the whole sphere where it is .hdr or .exr, or exactly twice as wide as high; any other picture
is a photograph, of which a random square is shown. What is behind a view is drawn from (seed, subject, animation,
frame) alone, and scene.json says what it is. The layer `photo` is the person in front of it; the view's own picture
stays as transparent as it is without.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...core.arrays import F32, U8
from ...core.errors import InputError
from ...core.files import file_sha256, find_files
from ...core.pictures import over_background
from ...geometry.camera import Camera, CroppedCamera
from ...render.light.lights import Light, expose_with_gain, rotate_light
from ...render.light.panoramas import PANORAMA_SUFFIXES, check_exr, project_panorama, read_panorama
from ...render.light.shading import DISPLAY_GAMMA
from ...render.panorama_view import draw_panorama, panorama_texture
from ...render.textures import MipTexture

PHOTO = "photo"
"""The layer with the person in front of the background."""
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
# Photographs and panoramas are kept with at most this edge, pixels, and so many of each.
_EDGE, _WIDEST, _KEPT = 2048, 4096, 4
# The square that is shown of a photograph has at least this share of its shorter edge.
_LEAST = 0.35


@dataclass(frozen=True)
class Backdrop:
    """What is behind one view.

    Attributes:
        file: path from the folder.
        light: of a panorama; None for a photograph.
        square: of a photograph, left and upper edge and length of the edge, pixels of the picture as it is kept.
        mirrored: whether the square is shown mirrored.
    """

    file: str
    light: Light | None = None
    square: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mirrored: bool = False

    def describe(self) -> dict[str, Any]:
        """What scene.json says of it, JSON-ready."""
        if self.light is not None:
            return {"file": self.file, "panorama": True, "yaw_deg": float(np.degrees(self.light.yaw_rad))}
        return {"file": self.file, "panorama": False, "box_px": list(self.square), "mirrored": self.mirrored}


@dataclass(frozen=True, eq=False)
class _Looked:
    """What is known of a file: its size as it is kept, of a panorama its light; or why it cannot be used."""

    width: int = 0
    height: int = 0
    light: F32 | None = None
    reason: str = ""


class Backdrops:
    """A folder of photographs and panoramas.

    Args:
        folder: it is searched with all folders in it.
        exposure_ev: of the lights of panoramas, and of .hdr and .exr behind people, photographic stops.

    Raises:
        InputError: there is no such folder, it cannot be listed, holds no picture, or .exr without its package.
    """

    def __init__(self, folder: Path, exposure_ev: float = 0.0) -> None:
        if not folder.is_dir():
            raise InputError(folder, "no such folder of backgrounds")
        self._folder, self._exposure = folder, 2.0**exposure_ev
        self.paths = find_files(folder, (*PICTURE_SUFFIXES, *PANORAMA_SUFFIXES))
        if not self.paths:
            known = ", ".join((*PICTURE_SUFFIXES, *PANORAMA_SUFFIXES))
            raise InputError(folder, f"holds no photograph and no panorama ({known})")
        for path in self.paths:
            if path.suffix.lower() == ".exr":
                check_exr(path)
        self._seen: dict[Path, _Looked] = {}
        self._lock = threading.Lock()
        self._photograph = lru_cache(maxsize=_KEPT)(_read_photograph)
        self._texture = lru_cache(maxsize=_KEPT)(self._read_texture)

    def digest(self) -> str:
        """SHA-256 of all files and of their places in the folder."""
        whole = hashlib.sha256()
        for path in self.paths:
            whole.update(f"{self._name(path)}\x1f{file_sha256(path)}\x1e".encode())
        return whole.hexdigest()

    def draw(self, rng: np.random.Generator) -> tuple[Backdrop, list[str]]:
        """What is behind a view; files that cannot be read are passed over.

        Args:
            rng: sole source of randomness; the number of draws does not depend on the files.

        Returns:
            The backdrop, and a remark on each file that was passed over.

        Raises:
            InputError: not one file of the folder can be read.
        """
        which, large, across, down, mirror, turn = rng.random(6).tolist()
        first, told = int(which * len(self.paths)), []
        for step in range(len(self.paths)):
            path = self.paths[(first + step) % len(self.paths)]
            with self._lock:
                looked = self._look(path)
            if looked.reason:
                told.append(f"backgrounds: {self._name(path)} is passed over ({looked.reason})")
                continue
            if looked.light is not None:
                name, yaw = str(Path(self._name(path)).with_suffix("")), 2.0 * np.pi * turn
                return Backdrop(self._name(path), Light(name, yaw, rotate_light(looked.light, yaw))), told
            edge = min(looked.width, looked.height) * (_LEAST + (1.0 - _LEAST) * large)
            square = (across * (looked.width - edge), down * (looked.height - edge), edge)
            return Backdrop(self._name(path), None, square, mirror < 0.5), told
        raise InputError(self._folder, f"holds no background that can be read; {told[0]}")

    def behind(self, picture: U8, backdrop: Backdrop, camera: Camera) -> U8:
        """A picture (S, S, 4) of a camera with straight alpha, before a backdrop: (S, S, 4) uint8, opaque."""
        size = picture.shape[0]
        path = self._folder / backdrop.file
        with self._lock:
            pixels = self._texture(path) if backdrop.light is not None else self._photograph(path)
        if isinstance(pixels, MipTexture):
            assert backdrop.light is not None
            ground = draw_panorama(pixels, camera, size, backdrop.light.yaw_rad)
        else:
            ground = _show_square(pixels, backdrop, camera, size)
        opaque = np.full((size, size, 1), 255, np.uint8)
        return np.concatenate([over_background(picture, ground), opaque], axis=2)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _look(self, path: Path) -> _Looked:
        """What is known of a file, which is read once in a process."""
        if path not in self._seen:
            self._seen[path] = self._look_at(path)
        return self._seen[path]

    def _look_at(self, path: Path) -> _Looked:
        try:
            if not is_panorama(path):
                height, width = self._photograph(path).shape[:2]
                return _Looked(width, height)
            linear = _read_linear(path)
            raw = project_panorama(linear)
            if not raw[0].max() > 0:
                return _Looked(reason="it is black, and holds no light")
            light, _ = expose_with_gain(raw)
        except InputError as error:
            return _Looked(reason=error.reason)
        except _UNREADABLE as error:
            return _Looked(reason=str(error))
        return _Looked(linear.shape[1], linear.shape[0], light * np.float32(self._exposure))

    def _read_texture(self, path: Path) -> MipTexture:
        """A panorama as it stands behind people; one with a high range has the exposure of its light."""
        if path.suffix.lower() not in PANORAMA_SUFFIXES:
            return panorama_texture(_read_photograph(path, _WIDEST))
        linear = _read_linear(path)
        gain = expose_with_gain(project_panorama(linear))[1] * self._exposure
        lit = np.clip(_sound(linear) * gain, 0.0, 1.0) ** (1.0 / DISPLAY_GAMMA)
        return panorama_texture(np.rint(lit * 255.0).astype(np.uint8))


@lru_cache(maxsize=2)
def open_backdrops(folder: Path, exposure_ev: float = 0.0) -> Backdrops:
    """The backdrops of a folder, listed once in a process; arguments and errors are those of Backdrops."""
    return Backdrops(folder, exposure_ev)


def is_panorama(path: Path) -> bool:
    """Whether a file is a panorama of the whole sphere: .hdr, .exr, or exactly twice as wide as high.

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError: it is no picture.
    """
    if path.suffix.lower() in PANORAMA_SUFFIXES:
        return True
    with Image.open(path) as opened:
        return opened.width == 2 * opened.height


# What Pillow raises of files that are no pictures, or damaged.
_UNREADABLE = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)


def _read_photograph(path: Path, longest: int = _EDGE) -> U8:
    """(H, W, 3) uint8 sRGB, upright, of at most this edge."""
    with Image.open(path) as opened:
        opened.draft("RGB", (longest, longest))  # a JPEG is decoded at a fraction of its size
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((longest, longest))
    return np.asarray(picture, np.uint8)


def _read_linear(path: Path) -> F32:
    """(H, W, 3) float32 linear radiance of a panorama of at most _WIDEST columns."""
    if path.suffix.lower() not in PANORAMA_SUFFIXES:
        return (_read_photograph(path, _WIDEST).astype(np.float32) / np.float32(255.0)) ** np.float32(DISPLAY_GAMMA)
    panorama = read_panorama(path)
    times = -(-panorama.shape[1] // _WIDEST)
    if times == 1:
        return panorama
    height, width = (length // times for length in panorama.shape[:2])
    blocks = _sound(panorama)[: height * times, : width * times].reshape(height, times, width, times, 3)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _sound(panorama: F32) -> F32:
    """A panorama whose values are finite and not negative."""
    return np.where(np.isfinite(panorama), np.maximum(panorama, np.float32(0.0)), np.float32(0.0))


def _show_square(photograph: U8, backdrop: Backdrop, camera: Camera, size: int) -> U8:
    """(size, size, 3): the square of a photograph, or the part of it that a crop shows; beyond it goes on as it ends.

    The square is behind the whole picture, so a crop shows a part of it.
    """
    (x, y), share = ((0.0, 0.0), 1.0) if not isinstance(camera, CroppedCamera) else (camera.middle, camera.share)
    left, top, edge = backdrop.square
    left += edge * (1.0 + (-x if backdrop.mirrored else x) - share) / 2
    top += edge * (1.0 + y - share) / 2
    edge *= share
    height, width = photograph.shape[:2]
    beyond = [(max(0, int(np.ceil(-start))), max(0, int(np.ceil(start + edge - end))))
              for start, end in ((top, height), (left, width))]  # fmt: skip
    padded = np.pad(photograph, (*beyond, (0, 0)), mode="edge") if any(map(any, beyond)) else photograph
    left, top = left + beyond[1][0], top + beyond[0][0]
    box = (max(left, 0.0), max(top, 0.0), min(left + edge, padded.shape[1]), min(top + edge, padded.shape[0]))
    shown = np.asarray(Image.fromarray(padded).resize((size, size), Image.Resampling.BILINEAR, box=box), np.uint8)
    return shown[:, ::-1] if backdrop.mirrored else shown
