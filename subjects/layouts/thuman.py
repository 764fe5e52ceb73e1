"""THuman2.0 and 2.1: `<id>/<id>.obj` with `material0.mtl` and `material0.jpeg`; every scan has a scale of its own.

The SMPL-X fit of each scan, a separate download, holds the scale: fitted body x scale + translation is inside the scan.
Metres are the scan's coordinates divided by that scale, in both releases; only the translation is written differently.
The fit's orientation gives the direction that the person faces, which differs from scan to scan in this set.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ...core.errors import InputError
from ...formats.array_pickle import read_arrays
from .layout import Fit, Layout


def read_fit(path: Path) -> Fit:
    """Read scale and facing of a scan from its `smplx_param.pkl`.

    Raises:
        InputError: the file is damaged, holds more than arrays, or has no scale.
    """
    content = read_arrays(path)
    content = content if isinstance(content, dict) else {}
    scale = np.asarray(content.get("scale", ()))
    if scale.size != 1 or scale.dtype.kind not in "fiu" or not (np.isfinite(scale).all() and scale.item() > 0):
        raise InputError(path, 'holds no "scale" of one positive number')
    turn = np.asarray(content.get("global_orient", ()))
    if turn.size != 3 or turn.dtype.kind not in "fiu" or not np.isfinite(turn).all():
        return Fit(1.0 / float(scale.item()))
    # SMPL-X at rest faces +z; the rotation is written as axis times angle.
    facing = Rotation.from_rotvec(turn.reshape(3).astype(np.float64)).apply([0.0, 0.0, 1.0])
    return Fit(1.0 / float(scale.item()), np.asarray(facing, np.float64))


LAYOUT = Layout(
    name="THuman2",
    terms="THuman2.0 and 2.1: for research alone, by an agreement that forbids passing the data on",
    mesh=re.compile(r"(?P<id>\d{4})/(?P=id)\.obj", re.IGNORECASE),
    beside=("material0.mtl", "material0.jpeg", "smplx_param.pkl"),
    fitted=re.compile(r"mesh_smplx?\.obj|smplx?\d*(?:_rigid)?_mesh\.obj", re.IGNORECASE),
    textures=("material0.jpeg", "material0.jpg", "material0.png"),
    fit="smplx_param.pkl",
    read_fit=read_fit,
)
