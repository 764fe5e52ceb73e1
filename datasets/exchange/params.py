"""PIFu's PARAM files: a dictionary pickled into a .npy, read without running anything a file may say."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError

MAX_BYTES = 1 << 20
NAMES = ("sh", "ortho_ratio", "scale", "center", "R")
# What NumPy's own pickles of arrays and numbers refer to; every other name is refused.
ALLOWED = {(f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")} | {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"refers to {module}.{name}")
        return super().find_class(module, name)


def read_params(path: Path) -> dict[str, Any]:
    """The dictionary of a PARAM file.

    Raises:
        InputError: damaged, not such a file, or one that refers to anything but arrays.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(path, f"is larger than {MAX_BYTES} bytes: no camera's parameters")
        stream = io.BytesIO(path.read_bytes())
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
        if shape != () or dtype != np.dtype(object):
            raise InputError(path, f"holds {dtype} of shape {shape}, expected PIFu's dictionary")
        content = _Arrays(stream).load().item()
        values = {name: np.asarray(content[name], np.float64) for name in NAMES}
    except InputError:
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise InputError(path, f"does not read as PIFu's parameters ({type(error).__name__}: {error})") from error
    wrong = [name for name, value in values.items() if not np.isfinite(value).all()]
    if wrong or values["R"].size != 9 or values["center"].size != 3 or values["sh"].shape[:1] != (9,):
        raise InputError(path, f"parameters out of shape or not finite: {wrong or [v.shape for v in values.values()]}")
    return values


def write_params(path: Path, params: dict[str, Any]) -> None:
    """A PARAM file, as PIFu's loader reads it."""
    with path.open("wb") as file:
        np.save(file, np.array(params, object), allow_pickle=True)
