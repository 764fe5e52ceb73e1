"""X-Humans: `<subject>/<train|test>/<sequence>/meshes_pkl/mesh-fNNNNN.pkl` with `atlas-fNNNNN.pkl`.

One person is scanned thousands of times: a subject whose animations are the sequences. The files are pickles of arrays;
formats/array_pickle.py says why opening one runs no code.
"""

from __future__ import annotations

import re

from .layout import Layout

FOLDER = "meshes_pkl"
MODES = ("train", "test")

LAYOUT = Layout(
    name="X-Humans",
    terms="X-Humans: for non-commercial research alone, by an agreement that forbids passing the data on",
    mesh=re.compile(rf"{FOLDER}/(?P<id>mesh-f\d+)\.pkl", re.IGNORECASE),
    fitted=re.compile(r"mesh-f\d+_smplx?\.(?:ply|obj)", re.IGNORECASE),
    unit="m",
    up="+y",
)
