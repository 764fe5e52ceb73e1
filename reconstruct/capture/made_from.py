"""All that the files of a film or of a picture depend on, so that finished ones are known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...core.files import file_sha256
from ...core.settings import to_table
from ...models.person.engines import has_litert
from ...models.person.store import missing_networks, person_folder
from ...models.runs import LoadedRun
from ..fitted_body.maps import why_no_bodies
from .film_reader import mask_files
from .frame_pictures import FramedPicture
from .pictures import Source
from .settings import CaptureSettings

# Settings that change no file of a film, and none of a picture that is framed already.
NOT_FILMS = ("turntable", "turntable_frames", "sequence")
NOT_STILLS = ("every", "sequence", "smooth", "person", "height_m", "framing", "extent_m")
# So many digits of a SHA-256 are recorded: they tell files apart, and messages stay short.
DIGITS = 16


def film_settings(run: LoadedRun, source: Source, settings: CaptureSettings) -> dict[str, Any]:
    """What the files of a film depend on, for JSON: the film, its mask, the networks, and the settings."""
    mask = "none" if source.whole else "auto"
    if source.mask is not None:
        mask = _digest_of_files(mask_files(source.mask) if source.mask.is_dir() else [source.mask])
    table = {"film": _digest_of_files([source.path]), "mask": mask, **_run_settings(run, settings, NOT_FILMS)}
    if (
        mask == "auto" or run.reads_landmarks or run.body_source != "none"
    ):  # masks and landmarks of the two engines differ slightly
        table["engine"] = "none" if missing_networks(person_folder()) else "litert" if has_litert() else "torch"
    return table


class StillDigest:
    """Digests of what the files of pictures depend on.

    Args:
        run: the networks.
        settings: how to reconstruct.
    """

    def __init__(self, run: LoadedRun, settings: CaptureSettings) -> None:
        self._common = json.dumps(_run_settings(run, settings, NOT_STILLS), sort_keys=True).encode()

    def of(self, framed: FramedPicture) -> str:
        """The digest for a picture, the part of it that the networks see, and the landmarks that they are told."""
        told = None if framed.landmarks is None else framed.landmarks.tolist()
        digest = hashlib.sha256(self._common)
        digest.update(json.dumps([framed.picture.shape, asdict(framed.framing), told]).encode())
        digest.update(np.ascontiguousarray(framed.picture).data)
        return digest.hexdigest()[:DIGITS]


def _run_settings(run: LoadedRun, settings: CaptureSettings, without: Sequence[str]) -> dict[str, Any]:
    table = {key: value for key, value in to_table(settings).items() if key not in without}
    if run.body_source != "none":  # a body that could not be fitted before may be fitted now
        table["body"] = "none" if why_no_bodies() else "fitted"
    return {"run": _digest_of_networks(run), "device": run.device.type, **table}


def _digest_of_files(files: Sequence[Path]) -> str:
    if len(files) == 1:
        return file_sha256(files[0])[:DIGITS]
    return hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()[:DIGITS]


def _digest_of_networks(run: LoadedRun) -> str:
    """A digest of the weights, and of what else of a run counts for a reconstruction."""
    digest = hashlib.sha256(repr((run.extent_m, run.fov_deg, run.settings.get("image_size"))).encode())
    for network in (run.surface, run.texture):
        for name, tensor in sorted(network.state_dict().items()) if network is not None else ():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return digest.hexdigest()[:DIGITS]
