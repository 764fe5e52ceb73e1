"""A file in the form of SMPL-X's with a made body of few vertices: 55 joints in a plain standing pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PARENTS = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    *(20 if k % 3 == 0 else 24 + k for k in range(15)), *(21 if k % 3 == 0 else 39 + k for k in range(15)),
)  # fmt: skip
_LIMBS = {
    0: (0, 0.95, 0), 1: (0.1, 0.9, 0), 2: (-0.1, 0.9, 0), 3: (0, 1.05, 0), 4: (0.1, 0.5, 0), 5: (-0.1, 0.5, 0),
    6: (0, 1.2, 0), 7: (0.1, 0.1, 0), 8: (-0.1, 0.1, 0), 9: (0, 1.25, 0), 10: (0.1, 0.02, 0.12),
    11: (-0.1, 0.02, 0.12), 12: (0, 1.5, 0), 13: (0.08, 1.42, 0), 14: (-0.08, 1.42, 0), 15: (0, 1.58, 0.02),
    16: (0.2, 1.42, 0), 17: (-0.2, 1.42, 0), 18: (0.45, 1.42, 0), 19: (-0.45, 1.42, 0), 20: (0.7, 1.42, 0),
    21: (-0.7, 1.42, 0), 22: (0, 1.6, 0.05), 23: (0.03, 1.68, 0.08), 24: (-0.03, 1.68, 0.08),
}  # fmt: skip


def places() -> np.ndarray:
    """(55, 3) the joints at rest, metres."""
    found = np.zeros((55, 3))
    for joint, place in _LIMBS.items():
        found[joint] = place
    for joint in range(25, 55):
        out = 1 if joint < 40 else -1
        finger, step = divmod((joint - 25) % 15, 3)
        found[joint] = found[20 if out > 0 else 21] + np.array([out * (0.08 + 0.03 * step), 0, 0.04 - 0.02 * finger])
    return found


def write_toy_model(path: Path, *, around: int = 8, radius: float = 0.05, **changes: np.ndarray) -> Path:
    """Each joint is the middle of a cube of 8 vertices that follows it, and its parent by a fifth."""
    rng = np.random.default_rng(7)
    joints = places()
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * radius
    vertices = (joints[:, None] + corners).reshape(-1, 3)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([[a, b, c] for q in quads for a, b, c in ((q[0], q[1], q[2]), (q[0], q[2], q[3]))])
    weights = np.zeros((len(vertices), 55))
    for joint, parent in enumerate(PARENTS):
        rows = slice(around * joint, around * (joint + 1))
        weights[rows, joint] += 0.8
        weights[rows, max(parent, 0)] += 0.2
    arrays = {
        "v_template": vertices,
        "f": np.concatenate([faces + around * joint for joint in range(55)]).astype(np.uint32),
        "shapedirs": rng.normal(0, 0.002, (len(vertices), 3, 20)),
        "posedirs": rng.normal(0, 0.001, (len(vertices), 3, 54 * 9)),
        "J_regressor": np.kron(np.eye(55), np.full((1, around), 1 / around)),
        "weights": weights,
        "kintree_table": np.array([[4294967295 if p < 0 else p for p in PARENTS], range(55)], np.int64),
        "hands_meanl": rng.normal(0, 0.2, 45),
        "hands_meanr": rng.normal(0, 0.2, 45),
        "hands_componentsl": np.linalg.qr(rng.normal(size=(45, 45)))[0],
        "hands_componentsr": np.linalg.qr(rng.normal(size=(45, 45)))[0],
        "joint2num": np.array({"pelvis": 0}, dtype=object),  # as the true file: objects, which are not looked at
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path
