"""Motions whose rest pose is no standing person: a frame in which the person stands takes its place.

In many files the pose with all rotations at zero has every bone along an axis of its own (LAFAN1, Bandai-Namco), so
that its directions say nothing of the body. What a bone does since rest must then be counted from another pose: the
frame in which the person stands most upright with straight legs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.arrays import F64
from ..core.errors import MpcError
from .bones import SIDES
from .motion import Motion

# Least cosines between legs and trunk, and between both bones of a leg: for a rest pose to be believed, and for a frame
# to take its place.
LEAST_REST, LEAST_FRAME = 0.5, 0.7


def with_standing_rest(motion: Motion) -> tuple[Motion, int | None]:
    """The motion with a rest pose in which a person stands.

    Args:
        motion: whose needed bones are all known.

    Returns:
        The motion itself and None; or one whose rest pose is a frame, and the number of that frame.

    Raises:
        MpcError: neither the rest pose nor any frame is a standing person.
    """
    if _standing(motion, motion.rest_places[None])[0] > LEAST_REST:
        return motion, None
    scores = _standing(motion, motion.places)
    frame = int(scores.argmax())
    if scores[frame] < LEAST_FRAME:
        raise MpcError(
            "its rest pose (all rotations zero) is no standing person, and no frame of it is; add a frame in which the "
            "person stands upright"
        )
    return replace(motion, rest_rotations=motion.rotations[frame], rest_places=motion.places[frame]), frame


def trunk_direction(places: F64, roles: dict[str, int]) -> F64:
    """From the middle of the hip joints to that of the shoulder joints, (..., 3), for places (..., J, 3)."""
    shoulders = places[..., [roles[f"{side}_upperarm"] for side in SIDES], :].mean(axis=-2)
    hips = places[..., [roles[f"{side}_thigh"] for side in SIDES], :].mean(axis=-2)
    direction: F64 = shoulders - hips
    return direction


def _standing(motion: Motion, places: F64) -> F64:
    """(F,) how upright a person with joints at (F, J, 3) stands: the least cosine (see `LEAST_REST`); -1 if crossed."""
    roles = motion.matched.roles
    trunk = trunk_direction(places, roles)
    cosines = []
    for side in SIDES:
        hip, knee = places[:, roles[f"{side}_thigh"]], places[:, roles[f"{side}_shin"]]
        cosines.append(_cosine(hip - knee, trunk))
        if f"{side}_foot" in roles:
            cosines.append(_cosine(knee - places[:, roles[f"{side}_foot"]], hip - knee))
    across = places[:, roles["left_thigh"]] - places[:, roles["right_thigh"]]
    elbows = places[:, roles["left_lowerarm"]] - places[:, roles["right_lowerarm"]]
    least = np.min(cosines, axis=0)
    return np.where(_cosine(across, elbows) > 0, least, -1.0)


def _cosine(one: F64, other: F64) -> F64:
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosine: F64 = (one * other).sum(axis=-1) / np.maximum(lengths, 1e-12)
    return cosine
