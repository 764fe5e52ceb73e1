"""SMPL-X from the user's own model file: the body of a fit, its joints, and fits folded into the world.

mpc brings no such file, and its licence is its owners' (smpl-x.is.tue.mpg.de). What is done with it follows Pavlakos et
al., "Expressive Body Capture" (CVPR 2019), section 3.1, after Loper et al., "SMPL" (2015): linear shapes, corrections
by pose, and linear blend skinning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..core.arrays import F32, F64, I32, U8, Array
from ..core.errors import InputError
from ..formats.npz import read_npz
from ..geometry.mesh import PosedMesh
from ..motion.bones import match_bones
from ..motion.joints import JOINTS, SMPL_24
from ..motion.parts import bone_parts, vertex_parts
from ..motion.skinning import strongest_weights

_ARRAYS = (
    "v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "hands_meanl", "hands_meanr",
    "hands_componentsl", "hands_componentsr",
)  # fmt: skip
_LARGE = ("shapedirs", "posedirs")  # a hundred million bytes each, kept in 32 bits
_LIMIT = 2 << 30
_BODY = SMPL_24[:22]  # its joints 0 to 21
_FINGERS = tuple(
    f"{finger}{number}" for finger in ("index", "middle", "pinky", "ring", "thumb") for number in (1, 2, 3)
)
_NAMES = (
    *_BODY, "jaw", "left_eye", "right_eye", *(f"left_{name}" for name in _FINGERS),
    *(f"right_{name}" for name in _FINGERS),
)  # fmt: skip
_BODY_POSE, _HAND_POSE = 63, 45
# Where the coefficients of expressions begin among those of shape: files of version 1.1 have 300 and 100, older ones
# 10 and 10.
_SHAPES, _OLDER_SHAPES = 300, 10
_VERTICES = 10475
# Points of the face and the soles by their vertices in SMPL-X's own mesh.
_POINTS = {
    "nose": 9120, "left_eye": 9448, "right_eye": 9929, "left_ear": 6, "right_ear": 616, "left_toe": 5770,
    "right_toe": 8463, "left_heel": 8846, "right_heel": 8635,
}  # fmt: skip
_OF_FINGERS = {"hand": "middle1", "thumb": "thumb2", "index": "index1", "pinky": "pinky1"}


@dataclass(frozen=True, eq=False)
class PosedBody:
    """A body of the model in a pose, in the model's own metres.

    Attributes:
        vertices: (V, 3).
        joints: (J, 3) in the order of JOINTS; NaN for those that the file does not tell of.
        root: (3,) where the pelvis is at rest, about which `global_orient` turns.
    """

    vertices: F64
    joints: F64
    root: F64


@dataclass(frozen=True, eq=False)
class BodyModel:
    """SMPL-X: V vertices, K = 55 joints.

    Attributes:
        template: (V, 3) metres.
        faces: (F, 3) int32.
        shapes: (V, 3, S) displacements of shapes, then of expressions.
        corrections: (V, 3, 9 * (K - 1)) displacements of the pose.
        regressor: (K, V) joints out of vertices.
        weights: (V, K) skin weights.
        parents: (K,) -1 for the root.
        hand_means: (2, 45) of the left and the right hand.
        hand_components: (2, 45, 45) poses of the hands in rows.
    """

    template: F64
    faces: I32
    shapes: F32
    corrections: F32
    regressor: F64
    weights: F64
    parents: I32
    hand_means: F64
    hand_components: F64

    def pose(self, parameters: dict[str, F64], *, flat_hands: bool = False) -> PosedBody:
        """Pose a body; parameters that are missing are 0.

        Args:
            parameters: of a fit (subjects/body_fits.py). Hands of fewer than 45 numbers are in the components.
            flat_hands: whether the hands of the fit count from flat ones instead of from the mean.
        """
        shaped = self.template + self._shape(parameters)
        rest = self.regressor @ shaped
        turns = self._turns(parameters, flat_hands)
        feature = (turns[1:] - np.eye(3)).reshape(-1)
        corrected = shaped + self.corrections @ feature
        world = np.tile(np.eye(4), (len(rest), 1, 1))
        for joint in range(len(rest)):
            parent = self.parents[joint]
            local = np.eye(4)
            local[:3, :3] = turns[joint]
            local[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0.0)
            world[joint] = local if parent < 0 else world[parent] @ local
        moves = world[:, :3].copy()
        moves[:, :, 3] -= np.einsum("kab,kb->ka", world[:, :3, :3], rest)
        blended = (self.weights @ moves.reshape(len(rest), 12)).reshape(-1, 3, 4)
        shift = parameters.get("transl", np.zeros(3))
        vertices = np.einsum("vab,vb->va", blended[:, :, :3], corrected) + blended[:, :, 3] + shift
        return PosedBody(vertices, self._joints(world[:, :3, 3] + shift, vertices), rest[0])

    def _shape(self, parameters: dict[str, F64]) -> F64:
        first = _SHAPES if self.shapes.shape[2] > 2 * _OLDER_SHAPES else _OLDER_SHAPES
        total = np.zeros_like(self.template)
        for name, start in (("betas", 0), ("expression", first)):
            values = parameters.get(name, np.zeros(0))
            values = values[: max(min(len(values), self.shapes.shape[2] - start), 0)]
            total += self.shapes[:, :, start : start + len(values)] @ values
        return total

    def _turns(self, parameters: dict[str, F64], flat_hands: bool) -> F64:
        """(K, 3, 3) rotations of the joints relative to their parents."""
        vectors = np.zeros((len(self.parents), 3))
        places = {"global_orient": 0, "body_pose": 1, "jaw_pose": 22, "leye_pose": 23, "reye_pose": 24}
        for name, joint in places.items():
            values = parameters.get(name, np.zeros(0))[: _BODY_POSE if name == "body_pose" else 3].reshape(-1, 3)
            vectors[joint : joint + len(values)] = values
        for number, name in enumerate(("left_hand_pose", "right_hand_pose")):
            values = parameters.get(name, np.zeros(0))
            hand = np.zeros(_HAND_POSE)
            if len(values) >= _HAND_POSE:
                hand = values[:_HAND_POSE]
            elif len(values):
                hand = values @ self.hand_components[number, : len(values)]
            hand = hand if flat_hands else hand + self.hand_means[number]
            vectors[25 + 15 * number : 40 + 15 * number] = hand.reshape(-1, 3)
        return np.asarray(Rotation.from_rotvec(vectors).as_matrix(), np.float64)

    def _joints(self, joints: F64, vertices: F64) -> F64:
        found = np.full((len(JOINTS), 3), np.nan)
        for number, name in enumerate(_BODY):
            found[JOINTS.index(name)] = joints[number]
        for side in ("left", "right"):
            for name, finger in _OF_FINGERS.items():
                found[JOINTS.index(f"{side}_{name}")] = joints[_NAMES.index(f"{side}_{finger}")]
        if len(vertices) == _VERTICES:
            for name, vertex in _POINTS.items():
                found[JOINTS.index(name)] = vertices[vertex]
        return found

    def parts(self) -> U8:
        """(V,) the part of the body that each vertex belongs to, see geometry/labels.py."""
        return vertex_parts(bone_parts(match_bones(_NAMES), self.parents), *strongest_weights(self.weights))

    def mesh(self, body: PosedBody) -> PosedMesh:
        """The surface of a posed body."""
        return PosedMesh(body.vertices, self.faces)


@lru_cache(maxsize=1)
def load_body_model(path: Path) -> BodyModel:
    """Read SMPLX_NEUTRAL.npz, _MALE or _FEMALE; once per process.

    Raises:
        InputError: it is something else, or damaged.
    """
    arrays = read_npz(path, _ARRAYS, limit=_LIMIT)
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise InputError(path, f"is no model file of SMPL-X: it has no {missing[0]} (SMPLX_NEUTRAL.npz is one)")
    real: dict[str, Array] = {
        name: arrays[name].astype(np.float64) for name in _ARRAYS if name not in (*_LARGE, "f", "kintree_table")
    }
    real |= {name: arrays[name].astype(np.float32) for name in _LARGE}
    count, joints = len(real["v_template"]), len(_NAMES)
    wanted = {
        "v_template": (count, 3), "posedirs": (count, 3, 9 * (joints - 1)), "J_regressor": (joints, count),
        "weights": (count, joints), "hands_meanl": (_HAND_POSE,), "hands_meanr": (_HAND_POSE,),
        "hands_componentsl": (_HAND_POSE, _HAND_POSE), "hands_componentsr": (_HAND_POSE, _HAND_POSE),
    }  # fmt: skip
    wrong = [name for name, shape in wanted.items() if real[name].shape != shape or not np.isfinite(real[name]).all()]
    faces, parents = arrays["f"], arrays["kintree_table"]
    tree = parents[0].astype(np.int64) if parents.shape == (2, joints) and parents.dtype.kind in "iu" else None
    if wrong or real["shapedirs"].ndim != 3 or real["shapedirs"].shape[:2] != (count, 3):
        raise InputError(path, f"is no model file of SMPL-X: {(wrong or ['shapedirs'])[0]} is not as it should be")
    if (
        faces.ndim != 2
        or faces.shape[1] != 3
        or faces.dtype.kind not in "iu"
        or faces.max() >= count
        or faces.min() < 0
    ):
        raise InputError(path, "is no model file of SMPL-X: f is not as it should be")
    if tree is None or not ((tree[1:] >= 0) & (tree[1:] < np.arange(1, joints))).all():
        raise InputError(path, "is no model file of SMPL-X: kintree_table is not as it should be")
    return BodyModel(
        template=real["v_template"],
        faces=faces.astype(np.int32),
        shapes=real["shapedirs"],
        corrections=real["posedirs"],
        regressor=real["J_regressor"],
        weights=real["weights"],
        parents=np.append(-1, tree[1:]).astype(np.int32),
        hand_means=np.stack([real["hands_meanl"], real["hands_meanr"]]),
        hand_components=np.stack([real["hands_componentsl"], real["hands_componentsr"]]),
    )


def fold(parameters: dict[str, F64], to_world: F64, root: F64) -> tuple[dict[str, F64], float]:
    """The parameters of the same body where `to_world` has brought it, and by how much it is larger than the model's.

    The body turns about its pelvis at rest, so with to_world x = s R x + t the new orientation is R times the old one,
    and the new translation is R (root + transl) + t / s - root.

    Args:
        parameters: of a fit.
        to_world: (4, 4) a rotation, a scale and a shift.
        root: see PosedBody.

    Returns:
        The parameters, and s: the model posed by them, times s, is the body in the world.
    """
    scale = float(np.cbrt(np.linalg.det(to_world[:3, :3])))
    turn, shift = to_world[:3, :3] / scale, to_world[:3, 3] / scale
    old = Rotation.from_rotvec(parameters.get("global_orient", np.zeros(3))[:3])
    orient = (Rotation.from_matrix(turn) * old).as_rotvec()
    transl = turn @ (root + parameters.get("transl", np.zeros(3))) + shift - root
    return {**parameters, "global_orient": np.asarray(orient, np.float64), "transl": transl}, scale
