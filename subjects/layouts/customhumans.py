"""CustomHumans: `<idx>[_...]/mesh-f00101.obj` with `.mtl`, `.png`, and the fit as `.json` and `..._smpl.obj`."""

from __future__ import annotations

import re

from .layout import Layout

LAYOUT = Layout(
    name="CustomHumans",
    terms="CustomHumans: for non-commercial research alone, by an agreement that forbids passing the data on",
    mesh=re.compile(r"(?P<id>\d{4}(?:_[^/]*)?/mesh-f\d{5})\.obj", re.IGNORECASE),
    fitted=re.compile(r"mesh-f\d{5}_smplx?\.(?:obj|ply)", re.IGNORECASE),
    unit="m",
    up="+y",
)
