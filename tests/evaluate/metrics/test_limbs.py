"""The metric `limbs`: made-up bodies whose parts are boxes, some of them moved or left out."""

import numpy as np
import pytest
import trimesh

from mpc.evaluate.metrics.limbs import limbs_there, measure_limbs
from mpc.evaluate.metrics.pair import MeshPair
from mpc.evaluate.metrics.score import MetricError
from mpc.geometry.labels import PARTS, UNKNOWN
from mpc.geometry.mesh import PosedMesh

PLACES = {
    "torso": (0.0, 1.0, 0.0), "head": (0.0, 1.6, 0.0), "hair": (0.0, 1.8, 0.0), "left_hand": (0.7, 1.2, 0.0),
    "right_hand": (-0.7, 1.2, 0.0), "left_foot": (0.2, 0.0, 0.1), "right_foot": (-0.2, 0.0, 0.1),
}  # fmt: skip


def body(moved=None, left_out=()):
    """Boxes of 10 cm, one a part, with their labels; `moved` shifts parts by metres along x."""
    boxes, labels = [], []
    for name, place in PLACES.items():
        if name not in left_out:
            box = trimesh.creation.box((0.1, 0.1, 0.1)).apply_translation(place)
            boxes.append(box.apply_translation([(moved or {}).get(name, 0.0), 0.0, 0.0]))
            labels += [PARTS.index(name)] * len(box.faces)
    mesh = trimesh.util.concatenate(boxes)
    return PosedMesh(
        np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int32), face_part=np.array(labels, np.uint8)
    )


def pair(predicted, true):
    return MeshPair.of(predicted, true, points=20_000, device="cpu")


def test_all_limbs_of_the_truth_itself_are_there():
    assert measure_limbs(pair(body(), body())).value == 100.0


@pytest.mark.parametrize("limb", ["left_hand", "right_hand", "left_foot", "right_foot"])
def test_a_limb_that_is_missing_is_one_of_five(limb):
    found = pair(body(left_out=(limb,)), body())
    assert measure_limbs(found).value == 80.0
    assert limbs_there(found) == {
        name: name != limb for name in ("head", "left_hand", "right_hand", "left_foot", "right_foot")
    }


@pytest.mark.parametrize(("shift", "there"), [(0.04, True), (0.09, True), (0.12, False), (0.3, False)])
def test_half_of_the_surface_within_5_cm_decides(shift, there):
    """A box of 10 cm moved along an edge by s: of its faces across, one is nearer than 5 cm where s is below 5 cm, the
    other where s < 15 cm (s - 10 cm beyond); of the four along, the part that is covered and 5 cm more. At 9 cm that is
    (0 + 1 + 4 * 0.6) / 6 = 57 %, at 12 cm (0 + 1 + 4 * 0.3) / 6 = 37 %."""
    assert limbs_there(pair(body(moved={"left_hand": shift}), body()))["left_hand"] is there


def test_a_head_without_its_hair_is_there_by_half():
    assert limbs_there(pair(body(left_out=("head", "hair")), body()))["head"] is False
    far = limbs_there(pair(body(left_out=("head",)), body()))
    assert far["head"] is True, "the hair is half of it"


def test_parts_that_the_truth_lacks_do_not_count():
    assert measure_limbs(pair(body(left_out=("left_hand",)), body(left_out=("left_hand",)))).value == 100.0
    assert set(limbs_there(pair(body(), body(left_out=("left_hand",))))) == {
        "head", "right_hand", "left_foot", "right_foot"
    }  # fmt: skip


def test_unknown_parts_are_no_value():
    bare = body()
    with pytest.raises(MetricError, match="parts of the true surface are unknown"):
        measure_limbs(pair(body(), PosedMesh(bare.vertices, bare.faces)))
    unknown = PosedMesh(bare.vertices, bare.faces, face_part=np.full(len(bare.faces), UNKNOWN, np.uint8))
    with pytest.raises(MetricError, match="no head, hand or foot"):
        measure_limbs(pair(body(), unknown))
