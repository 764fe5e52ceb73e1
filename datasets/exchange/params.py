"""PIFu's PARAM files: a camera and a light, as a dictionary that `np.save` pickled into a .npy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError
from ...core.files import replacing
from ...formats.array_pickle import read_saved_object

MAX_BYTES = 1 << 20
NAMES = ("sh", "ortho_ratio", "scale", "center", "R")


def read_params(path: Path) -> dict[str, F64]:
    """Read a PARAM file; no code in it is executed (see formats/array_pickle.py).

    Args:
        path: the .npy.

    Returns:
        float64 arrays by the names of NAMES: sh (9,) or (9, 3), ortho_ratio and scale (), center (3,), R (3, 3), as
        PIFu's loader uses them.

    Raises:
        InputError: the file is damaged, no PARAM file, or holds anything but arrays and plain values.
    """
    content = read_saved_object(path, MAX_BYTES)
    try:
        values = {name: np.asarray(content[name], np.float64) for name in NAMES}
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise InputError(path, f"does not hold PIFu's parameters ({type(error).__name__}: {error})") from error
    wrong = [name for name, value in values.items() if not np.isfinite(value).all()]
    if wrong or values["R"].size != 9 or values["center"].size != 3 or values["sh"].shape[:1] != (9,):
        raise InputError(path, f"parameters out of shape or not finite: {wrong or [v.shape for v in values.values()]}")
    return values


def write_params(path: Path, params: dict[str, Any]) -> None:
    """Write a PARAM file as PIFu's loader reads it, whole or not at all.

    Args:
        path: the .npy to write.
        params: values by the names of NAMES.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.array(params, object), allow_pickle=True)
