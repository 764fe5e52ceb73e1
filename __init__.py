"""Monocular performance capture: training data, networks and metrics for clothed people rebuilt from one picture.

The names below are the public Python interface. Each is imported from its room when it is first used, so that
`import mpc` itself loads neither torch nor any other heavy library. What is not listed here may change at any time.

| to | use |
| --- | --- |
| read and write meshes | `read_mesh`, `write_mesh`, `PosedMesh` |
| render a folder of people | `render_models`, `RenderSettings` |
| make shards of samples | `sample_renders`, `SampleSettings` |
| load batches | `ViewDataset` |
| train | `train_networks`, `choose_settings` |
| load a trained run | `load_run`, `LoadedRun` |
| rebuild a person from a picture | `reconstruct_picture`, `CaptureSettings` |
| measure two meshes | `MeshPair`, `measure_pair`, `Score` |
| catch what a user can mend | `MpcError`, `InputError`, `SettingsError` |
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .core.errors import InputError, MpcError, SettingsError
    from .datasets.loading.views import ViewDataset
    from .datasets.renders.build import render_models
    from .datasets.renders.settings import RenderSettings
    from .datasets.shards.build import sample_renders
    from .datasets.shards.settings import SampleSettings
    from .evaluate.metrics.measure import measure_pair
    from .evaluate.metrics.pair import MeshPair
    from .evaluate.metrics.score import Score
    from .formats.mesh_files import read_mesh, write_mesh
    from .geometry.mesh import PosedMesh
    from .models.runs import LoadedRun, load_run
    from .reconstruct.capture.one_picture import reconstruct_picture
    from .reconstruct.capture.settings import CaptureSettings
    from .train.presets import choose_settings
    from .train.run import train as train_networks

__version__ = "0.1.0"

__all__ = [
    "CaptureSettings",
    "InputError",
    "LoadedRun",
    "MeshPair",
    "MpcError",
    "PosedMesh",
    "RenderSettings",
    "SampleSettings",
    "Score",
    "SettingsError",
    "ViewDataset",
    "choose_settings",
    "load_run",
    "measure_pair",
    "read_mesh",
    "reconstruct_picture",
    "render_models",
    "sample_renders",
    "train_networks",
    "write_mesh",
]

# Name -> (module, name there). The imports above say the same to type checkers; tests/test_front_door.py compares them.
_HOMES = {
    "CaptureSettings": (".reconstruct.capture.settings", "CaptureSettings"),
    "InputError": (".core.errors", "InputError"),
    "LoadedRun": (".models.runs", "LoadedRun"),
    "MeshPair": (".evaluate.metrics.pair", "MeshPair"),
    "MpcError": (".core.errors", "MpcError"),
    "PosedMesh": (".geometry.mesh", "PosedMesh"),
    "RenderSettings": (".datasets.renders.settings", "RenderSettings"),
    "SampleSettings": (".datasets.shards.settings", "SampleSettings"),
    "Score": (".evaluate.metrics.score", "Score"),
    "SettingsError": (".core.errors", "SettingsError"),
    "ViewDataset": (".datasets.loading.views", "ViewDataset"),
    "choose_settings": (".train.presets", "choose_settings"),
    "load_run": (".models.runs", "load_run"),
    "measure_pair": (".evaluate.metrics.measure", "measure_pair"),
    "read_mesh": (".formats.mesh_files", "read_mesh"),
    "reconstruct_picture": (".reconstruct.capture.one_picture", "reconstruct_picture"),
    "render_models": (".datasets.renders.build", "render_models"),
    "sample_renders": (".datasets.shards.build", "sample_renders"),
    "train_networks": (".train.run", "train"),
    "write_mesh": (".formats.mesh_files", "write_mesh"),
}


def __getattr__(name: str) -> object:
    """Import a public name from its room on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value: object = getattr(import_module(module, __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, too, for completion in editors and notebooks."""
    return sorted({*globals(), *__all__})
