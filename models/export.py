"""Networks as programs that torch alone runs: exported by `torch.export`, with a free number of points.

A run gives two programs for the surface, and two for colours where it has a texture network. One encodes a picture to
feature maps, once; the other evaluates as many points as one likes on those. They hold weights and operations, so that
who runs them needs PyTorch and nothing of this package.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import __version__
from ..core.errors import InputError
from ..core.files import replacing_folder, write_json
from .body import BODY_MAPS
from .features import PixelFeatures, normalise_images
from .landmarks import POINTS, VALUES
from .runs import LoadedRun
from .surface import SurfaceNetwork
from .texture import TextureNetwork

FORMAT = "mpc-exported-model"
VERSION = 1
RECORD = "model.json"
# Any number of points will do to record a program; with 0 or 1, torch.export would take the number for a constant.
_RECORDED_POINTS = 7
LEAST_POINTS = 2

Maps = tuple[Tensor, ...]
"""The feature maps of one picture: the last stack of the encoder, and its early map where it has one."""


def _flat(features: PixelFeatures) -> Maps:
    last = features.last()
    return last.stacks if last.fine is None else (*last.stacks, last.fine)


def _features(maps: Maps) -> PixelFeatures:
    return PixelFeatures(stacks=maps[:1], fine=maps[1] if len(maps) > 1 else None)


class _Encode(nn.Module):
    """Pictures to feature maps."""

    def __init__(self, network: SurfaceNetwork | TextureNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Maps:
        """(1, 4, H, W) uint8 RGBA, straight alpha."""
        return _flat(self.network.encode(normalise_images(image)))


class _EncodeTold(nn.Module):
    """Pictures, landmarks and, for networks that read one, a body to feature maps."""

    def __init__(self, network: SurfaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, landmarks: Tensor, body: Tensor | None = None) -> Maps:
        """(1, 4, H, W) uint8 RGBA, (1, 33, 7) landmarks, and a (1, 8, H, W) body, NaN where they are not known."""
        return _flat(self.network.encode(normalise_images(image), landmarks, body))


class _Occupancy(nn.Module):
    """Occupancy of points."""

    def __init__(self, network: SurfaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Maps, points: Tensor, calibration: Tensor) -> Tensor:
        """(1, N, 3) world points and a (1, 4, 4) calibration -> (1, N)."""
        return self.network.query(_features(maps), points, calibration)


class _Colours(nn.Module):
    """Colours of points."""

    def __init__(self, network: TextureNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, texture_maps: Maps, surface_maps: Maps, points: Tensor, calibration: Tensor) -> Tensor:
        """(1, N, 3) world points and a (1, 4, 4) calibration -> (1, N, 3)."""
        return self.network.query(_features(texture_maps), _features(surface_maps), points, calibration)


def export_run(run: LoadedRun, out: Path) -> dict[str, int]:
    """Write the networks of a run as programs that torch alone runs, and model.json, which says how to call them.

    Args:
        run: from `load_run`, on the CPU.
        out: a folder that does not exist yet, or that an earlier call wrote.

    Returns:
        Bytes of each program, by the name of its file.

    Raises:
        InputError: `out` holds something else, or the run does not say how large its pictures are.
    """
    if out.is_file() or (out.exists() and not (out / RECORD).is_file() and any(out.iterdir())):
        raise InputError(out, f"exists and holds no {RECORD}, so this command did not write it; name another folder")
    size = run.settings.get("image_size")
    if not size:
        raise InputError(run.folder / "run.json", "does not say how large the pictures of its networks are")
    image = torch.zeros(1, 4, size, size, dtype=torch.uint8)
    points, calibration = torch.zeros(1, _RECORDED_POINTS, 3), torch.eye(4)[None]
    many = {1: torch.export.Dim("points", min=LEAST_POINTS)}
    given: tuple[Tensor, ...] = ()
    if run.reads_landmarks or run.body_source != "none":
        given = (torch.full((1, POINTS, VALUES), torch.nan),)
    if run.body_source != "none":
        given = (*given, torch.full((1, BODY_MAPS, size, size), torch.nan))
    sizes: dict[str, int] = {}
    with replacing_folder(out) as temporary, torch.no_grad():

        def write(name: str, module: nn.Module, given: tuple[Any, ...], shapes: tuple[Any, ...] | None) -> None:
            program = torch.export.export(module.eval(), given, dynamic_shapes=shapes)
            torch.export.save(program, temporary / f"{name}.pt2")
            sizes[f"{name}.pt2"] = (temporary / f"{name}.pt2").stat().st_size

        surface_maps = _flat(run.surface.encode(normalise_images(image), *given))
        write("surface_encode", (_EncodeTold if given else _Encode)(run.surface), (image, *given), None)
        write(
            "surface_query", _Occupancy(run.surface), (surface_maps, points, calibration),
            (tuple({} for _ in surface_maps), many, {}),
        )  # fmt: skip
        if run.texture is not None:
            texture_maps = _flat(run.texture.encode(normalise_images(image)))
            write("texture_encode", _Encode(run.texture), (image,), None)
            write(
                "texture_query", _Colours(run.texture), (texture_maps, surface_maps, points, calibration),
                (tuple({} for _ in texture_maps), tuple({} for _ in surface_maps), many, {}),
            )  # fmt: skip
        write_json(temporary / RECORD, _record(run, size, sizes), sort_keys=False)
        licence = run.folder / "LICENSE.txt"
        if licence.is_file():
            shutil.copy(licence, temporary)
    return sizes


def _record(run: LoadedRun, size: int, sizes: dict[str, int]) -> dict[str, Any]:
    """The content of model.json."""
    image = f"(1, 4, {size}, {size}) uint8 RGBA, sRGB, straight alpha"
    unknown = "float32, NaN where they are not known"
    reads_body = run.body_source != "none"
    told = {"landmarks": f"(1, {POINTS}, {VALUES}) {unknown}"} if run.reads_landmarks or reads_body else {}
    if reads_body:
        told["body"] = f"(1, {BODY_MAPS}, {size}, {size}) {unknown}: depth of front and back, and their normals"
    asked = {
        "points": f"(1, N, 3) float32, world metres, N at least {LEAST_POINTS}",
        "calibration": "(1, 4, 4) float32, world metres to view space: x right, y down, z away from the camera, each "
        "from -1 to 1 in the cube that the picture shows; the fourth row is that of a perspective camera, if it is one",
    }
    programs = {
        "surface_encode.pt2": {"inputs": {"image": image, **told}, "output": "surface_maps, a tuple"},
        "surface_query.pt2": {
            "inputs": {"maps": "surface_maps", **asked},
            "output": "(1, N) occupancy, above 0.5 inside; 0 beyond the cube",
        },
        "texture_encode.pt2": {"inputs": {"image": image}, "output": "texture_maps, a tuple"},
        "texture_query.pt2": {
            "inputs": {"texture_maps": "texture_maps", "surface_maps": "surface_maps", **asked},
            "output": "(1, N, 3) display values in [0, 1]",
        },
    }  # fmt: skip
    return {
        "format": FORMAT, "version": VERSION, "image_size": size, "extent_m": run.extent_m, "fov_deg": run.fov_deg,
        "programs": {name: value for name, value in programs.items() if name in sizes},
        "versions": {"mpc": __version__, "torch": torch.__version__},
    }  # fmt: skip
