"""2K2K: `<id>/<id>.ply` with vertex colours, and the fit as JSON; also the older `<id>/<id>.obj` with `<id>.png`."""

from __future__ import annotations

import re

from .layout import Layout

LAYOUT = Layout(
    name="2K2K",
    terms="2K2K: for research alone, by an agreement that forbids passing the data on",
    mesh=re.compile(r"(?P<id>\d{4,6})/(?P=id)\.(?:ply|obj)", re.IGNORECASE),
    beside=("{id}.json", "{id}_smplx.json", "{id}_smplx_param.json"),
    within=re.compile(r".*2k2k.*", re.IGNORECASE),
    fitted=re.compile(r"\d{4,6}_smplx?\.(?:obj|ply)", re.IGNORECASE),
    textures=("{id}.png", "{id}.jpg"),
)
