"""RenderPeople: `rp_<name>_posed_<nnn>_OBJ/rp_..._100k.obj`, `rp_<name>_rigged_<nnn>_FBX/rp_..._u3d.fbx`, and `tex/`.

Packs hold a person in several sizes and for several programs; one file of each person is taken.
"""

from __future__ import annotations

import re

from .layout import Layout

TERMS = "RenderPeople: under RenderPeople's licence, without which scans and pictures of them may not be passed on"

POSED = Layout(
    name="RenderPeople posed",
    terms=TERMS,
    mesh=re.compile(r"[^/]+/(?P<id>rp_[a-z0-9]+_posed_\d+)(?:_(?P<size>\d+)k)?\.obj", re.IGNORECASE),
    unit="cm",
    textures=(
        "tex/{id}_dif_8k.jpg", "tex/{id}_dif_4k.jpg", "tex/{id}_dif_2k.jpg", "tex/{id}_dif.jpg", "tex/{id}_dif*",
        "{id}_dif*",
    ),
)  # fmt: skip

RIGGED = Layout(
    name="RenderPeople rigged",
    terms=TERMS,
    mesh=re.compile(
        r"[^/]+/(?P<id>rp_[a-z0-9]+_(?:rigged|animated)_\d+(?:_[a-z]+ing)?)(?:_(?P<variant>[a-z0-9]+(?:_[at])?))?\.fbx",
        re.IGNORECASE,
    ),
    variants=("u3d", "", "yup_a", "yup_t", "ue4", "zup_a", "zup_t"),
)
