"""Regions of a body: fields in metres over rest positions, shared by the garments and the skin below them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...core.arrays import F64, I32
from ...geometry.mesh import split_quads
from ...motion.makehuman.body import BODY_VERTICES, Body, base_mesh, skeleton
from ..subdivision import catmull_clark
from ..surface import Surface

_ARM_BONES = ("upperarm", "lowerarm", "wrist", "metacarpal", "finger")


@dataclass(frozen=True)
class Landmarks:
    """Measures of one body in rest pose, metres.

    Attributes:
        height: of the crown above the floor, as all heights here.
        hip: height.
        crotch: height.
        waist: height.
        armpit: height.
        neck: height.
        knee: height.
        ankle: height.
        neck_point: middle of the neck's base.
        arm: length from shoulder to wrist along the arm.
    """

    height: float
    hip: float
    crotch: float
    waist: float
    armpit: float
    neck: float
    knee: float
    ankle: float
    neck_point: tuple[float, float, float]
    arm: float


def landmarks(body: Body) -> Landmarks:
    """Measure a body, by its bones."""
    names = skeleton().names
    at = {name: body.heads[names.index(name)] for name in names}
    hip, neck, shoulder = at["upperleg01.L"][1], at["neck01"][1], at["upperarm01.L"]
    elbow, wrist = at["lowerarm01.L"], at["wrist.L"]
    tights = body.vertices[_used("helper-tights")]
    middle = tights[(np.abs(tights[:, 0]) < 0.004) & (tights[:, 1] < hip + 0.03)]
    crotch = float(middle[:, 1].min()) if len(middle) else float(hip) - 0.06
    return Landmarks(
        float(body.vertices[:BODY_VERTICES, 1].max()),
        float(hip),
        crotch,
        float(hip + 0.36 * (neck - hip)),
        float(shoulder[1] - 0.13 * (neck - hip)),
        float(neck),
        float(at["lowerleg01.L"][1]),
        float(at["foot.L"][1]),
        (0.0, float(neck), float(at["neck01"][2])),
        float(np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow)),
    )


def fields_of(points: F64, weights: F64, body: Body) -> dict[str, F64]:
    """Evaluate the fields at rest positions.

    Args:
        points: (V, 3), metres.
        weights: (V, B) skin weights.
        body: in rest pose.

    Returns:
        Fields (V,) by name:
        height: above the floor, metres.
        arm: distance along the arm from the shoulder, metres; -1 away from the arms.
        arm_share: sum of the weights of the arm's bones.
        neck: height above a cone around the neck's base that slopes forwards, metres at an adult's size.
        ahead: distance in front of the neck, metres.
    """
    names = skeleton().names
    at = {name: body.heads[names.index(name)] for name in names}
    along = np.full(len(points), -1.0)
    share = np.zeros(len(points))
    for tag in ("L", "R"):
        columns = [i for i, n in enumerate(names) if n.startswith(_ARM_BONES) and n.endswith(tag)]
        here = weights[:, columns].sum(axis=1)
        start, middle, end = (at[f"{n}.{tag}"] for n in ("upperarm01", "lowerarm01", "wrist"))
        first, second = middle - start, end - middle
        upper, lower = np.linalg.norm(first), np.linalg.norm(second)
        t1, t2 = (points - start) @ first / upper, (points - middle) @ second / lower
        distance = np.where(t2 > 0, upper + t2, np.minimum(t1, upper))
        along = np.where(here > 0.15, distance, along)
        share += here
    neck = at["neck01"]
    # Children's necks are thinner, so collars are scaled by the neck's length.
    size = np.linalg.norm(at["head"] - neck) / 0.11
    tilt = np.radians(28.0)
    rim = (points[:, 1] - neck[1]) * np.cos(tilt) + (points[:, 2] - neck[2]) * np.sin(tilt)
    aside = np.hypot(points[:, 0], 0.7 * (points[:, 2] - neck[2]))
    return {
        "height": points[:, 1],
        "arm": along,
        "arm_share": share,
        "neck": rim / size - 0.6 * np.maximum(aside / size - 0.05, 0.0),
        "ahead": points[:, 2] - neck[2],
    }


@lru_cache(maxsize=8)
def _used(group: str) -> I32:
    return np.unique(base_mesh().quads[group])


@lru_cache(maxsize=8)
def _refined(group: str, rounds: int) -> tuple[object, I32]:
    used = _used(group)
    lookup = np.zeros(len(base_mesh().vertices), np.int32)
    lookup[used] = np.arange(len(used))
    quads = lookup[base_mesh().quads[group]]
    matrix = None
    count = len(used)
    for _ in range(rounds):
        step, quads = catmull_clark(quads, count)
        count = step.shape[0]
        matrix = step if matrix is None else step @ matrix
    return matrix, quads


def region_surface(body: Body, group: str, rounds: int) -> Surface:
    """A vertex group of the base mesh, refined by Catmull-Clark `rounds` times, with weights and fields."""
    used = _used(group)
    matrix, quads = _refined(group, rounds)
    points, weights = body.vertices[used], skeleton().weights[used].astype(np.float64)
    canonical = base_mesh().vertices[used]
    if matrix is not None:
        points, weights, canonical = matrix @ points, matrix @ weights, matrix @ canonical  # type: ignore[operator]
    fields = fields_of(points, weights, body)
    fields["canonical"] = canonical
    return Surface(points, split_quads(quads), weights, fields)
