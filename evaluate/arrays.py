"""Arrays from whatever holds numbers: lists, NumPy arrays, torch tensors on any device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def to_array(values: Any) -> npt.NDArray[Any]:
    """A NumPy array; tensors are detached and brought to the CPU."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)
