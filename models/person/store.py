"""Where the networks that find a person are kept: their names, their folder, and how they are loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import InputError, MpcError
from ...core.files import file_sha256
from ..storage import read_tensors

# The last release of MediaPipe whose wheel holds the networks; later ones fetch theirs when they run.
PACKAGE = "mediapipe"
PACKAGE_VERSION = "0.10.21"
LICENCE_MEMBER = f"{PACKAGE}-{PACKAGE_VERSION}.dist-info/LICENSE"
LICENCE = "LICENSE"
NOTICE = "NOTICE"


@dataclass(frozen=True)
class Origin:
    """Where a network comes from.

    Attributes:
        member: its name in the wheel.
        sha256: of its bytes, hexadecimal.
        size: number of its bytes.
    """

    member: str
    sha256: str
    size: int


ORIGINS: Mapping[str, Origin] = {
    "pose_detection": Origin(
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        2959046,
    ),
    "pose_landmark_full": Origin(
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        6440512,
    ),
    "selfie_segmentation": Origin(
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        249505,
    ),
}


def cache_folder() -> Path:
    """The folder in which mpc keeps what it fetched: MPC_CACHE, else `mpc` in XDG_CACHE_HOME, else in ~/.cache.

    Raises:
        MpcError: no home folder is known.
    """
    if own := os.environ.get("MPC_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "mpc"
    try:
        return Path.home() / ".cache" / "mpc"
    except RuntimeError:
        raise MpcError("no home folder is known; name a folder for fetched networks in MPC_CACHE") from None


def person_folder() -> Path:
    """The folder of the networks that find a person."""
    return cache_folder() / "person"


def tensors_path(folder: Path, name: str) -> Path:
    """The converted network of a name."""
    return folder / f"{name}.safetensors"


def original_path(folder: Path, name: str) -> Path:
    """The network of a name as MediaPipe ships it, which LiteRT runs."""
    return folder / f"{name}.tflite"


def missing_networks(folder: Path) -> list[str]:
    """Names of the networks that a folder does not hold whole, converted from the known files."""
    return [name for name in ORIGINS if not _is_whole(folder, name)]


def _is_whole(folder: Path, name: str) -> bool:
    original, origin = original_path(folder, name), ORIGINS[name]
    if not original.is_file() or file_sha256(original) != origin.sha256:
        return False
    try:
        return bool(read_tensors(tensors_path(folder, name))[1].get("source") == origin.sha256)
    except InputError:
        return False


def require_networks(folder: Path | None = None) -> Path:
    """The folder of the networks.

    Args:
        folder: None: `person_folder`.

    Raises:
        MpcError: they were not fetched; the message says what to type.
    """
    folder = folder or person_folder()
    if not all(tensors_path(folder, name).is_file() for name in ORIGINS):
        raise MpcError(f"the networks that find a person are not in {folder}; `mpc fetch` gets them once (36 MB)")
    return folder
