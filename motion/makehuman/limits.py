"""How far joints move, and the angles that a posed body has.

The ranges are those of healthy adults in the tables of the American Academy of Orthopaedic Surgeons (Joint Motion:
Method of Measuring and Recording, Chicago 1965; kept in Greene and Heckman, The Clinical Measurement of Joint Motion,
1994). Deeper bends, as in sitting on the heels, exist, but linear blend skinning folds there.
"""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64
from .body import skeleton
from .rotations import between, cross

# Degrees, least and greatest. Bends are forward, to a side, turned; hips and shoulders are measured from the hanging
# limb. Backward and across say where the upper arm points: how far behind the frontal plane, how far beyond the middle.
RANGES: dict[str, tuple[float, float]] = {
    "neck forward": (-45, 45),
    "neck side": (-45, 45),
    "neck turn": (-60, 60),
    "spine forward": (-30, 80),
    "spine side": (-35, 35),
    "spine turn": (-45, 45),
    "arm backward": (-180, 60),
    "arm across": (-180, 45),
    "arm rotation": (-90, 70),
    "elbow": (0, 150),
    "forearm": (-80, 80),
    "wrist": (-70, 80),
    "hip flexion": (-30, 120),
    "hip abduction": (-30, 45),
    "hip rotation": (-45, 45),
    "knee": (0, 135),
    "ankle": (-20, 50),
}
_DOWN, _FORWARD = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])


def joint_angles(rotations: F64, heads: F64) -> dict[str, float]:
    """The angles of the joints that turn or bend limbs.

    Args:
        rotations: (B, 3, 3) global rotations of the bones; (see `bone_transforms`).
        heads: (B, 3) where they begin.

    Returns:
        Degrees by names of `RANGES` (without forearm and wrist, which move nothing far), for limbs with " L" or " R"
        behind.
    """
    index = {name: number for number, name in enumerate(skeleton().names)}
    pelvis, chest = rotations[0], rotations[index["spine01"]]
    angles: dict[str, float] = {}
    for name, bend in (("spine", pelvis.T @ chest), ("neck", chest.T @ rotations[index["head"]])):
        angles |= dict(zip((f"{name} forward", f"{name} side", f"{name} turn"), _bends(bend), strict=True))
    for side, tag in ((1.0, "L"), (-1.0, "R")):
        shoulder, elbow, wrist = (heads[index[f"{bone}.{tag}"]] for bone in ("upperarm01", "lowerarm01", "wrist"))
        upper, fore = (_unit(chest.T @ part) for part in (elbow - shoulder, wrist - elbow))
        angles[f"arm backward {tag}"] = _arcsine(-upper[2])
        angles[f"arm across {tag}"] = _arcsine(-side * upper[0])
        angles[f"elbow {tag}"] = _between_deg(upper, fore)
        angles[f"arm rotation {tag}"] = -side * twist(between(_DOWN, upper), upper, fore)
        hip, knee, ankle = (heads[index[f"{bone}.{tag}"]] for bone in ("upperleg01", "lowerleg01", "foot"))
        thigh, shin = (_unit(pelvis.T @ part) for part in (knee - hip, ankle - knee))
        angles[f"hip flexion {tag}"] = float(np.degrees(np.arctan2(thigh[2], -thigh[1])))
        angles[f"hip abduction {tag}"] = _arcsine(side * thigh[0])
        angles[f"knee {tag}"] = _between_deg(thigh, shin)
        foot = rotations[index[f"lowerleg01.{tag}"]].T @ rotations[index[f"foot.{tag}"]] @ _FORWARD
        angles[f"ankle {tag}"] = float(np.degrees(np.arctan2(-foot[1], foot[2])))
        angles[f"hip rotation {tag}"] = side * _hip_turn(thigh, shin, angles[f"hip flexion {tag}"])
    return angles


def beyond(angles: dict[str, float], tolerance_deg: float = 2.0) -> list[str]:
    """Names of the angles that lie outside their range by more than the tolerance."""
    return [
        name
        for name, value in angles.items()
        if not RANGES[_plain(name)][0] - tolerance_deg <= value <= RANGES[_plain(name)][1] + tolerance_deg
    ]


def twist(swing: F64, upper: F64, fore: F64) -> float:
    """How far a limb is turned about its own axis, degrees by the right-hand rule; 0 where it is hardly bent.

    Args:
        swing: (3, 3) the smallest rotation from the hanging limb to this one.
        upper: (3,) unit direction of its upper part.
        fore: (3,) unit direction of its lower part, which an unturned limb bends forwards.
    """
    ahead, across = swing @ _FORWARD, cross(upper, swing @ _FORWARD)
    if abs(upper @ fore) > 0.94:  # less than 20 degrees
        return 0.0
    return float(np.degrees(np.arctan2(fore @ across, fore @ ahead)))


def _hip_turn(thigh: F64, shin: F64, flexion: float) -> float:
    """Rotation about the thigh, its axis upwards: outwards on the left; 0 where the knee is nearly straight."""
    if thigh @ shin > 0.94:
        return 0.0
    cosine, sine = np.cos(np.radians(flexion)), np.sin(np.radians(flexion))
    ahead = np.array([0.0, sine, cosine])  # where an unturned knee of this flexion points
    ahead = _unit(ahead - thigh * (ahead @ thigh))
    knee = _unit(thigh * (shin @ thigh) - shin)
    return float(np.degrees(np.arctan2(cross(ahead, knee) @ -thigh, ahead @ knee)))


def _bends(rotation: F64) -> tuple[float, float, float]:
    """(forward, side, turn) in degrees of turn(y) side(-z) forward(x), see `Pose`."""
    side = -np.arcsin(np.clip(rotation[1, 0], -1, 1))
    forward = np.arctan2(-rotation[1, 2], rotation[1, 1])
    turn = np.arctan2(-rotation[2, 0], rotation[0, 0])
    return float(np.degrees(forward)), float(np.degrees(side)), float(np.degrees(turn))


def _plain(name: str) -> str:
    return name[:-2] if name.endswith((" L", " R")) else name


def _unit(vector: F64) -> F64:
    return np.asarray(vector / np.linalg.norm(vector))


def _arcsine(value: float) -> float:
    return float(np.degrees(np.arcsin(np.clip(value, -1, 1))))


def _between_deg(one: F64, other: F64) -> float:
    return float(np.degrees(np.arccos(np.clip(one @ other, -1, 1))))
