"""COCO's annotations: masks decoded as pycocotools decodes them, and the numbers beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.datasets.exchange.coco import encode_runs
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.renders.layer_files import read_picture
from mpc.datasets.renders.read import read_renders
from mpc.formats.png import read_png
from support.balls import make_renders


def decode_runs(lengths: dict[str, Any]) -> np.ndarray:
    """As rleFrString and rleDecode of pycocotools' maskApi.c."""
    height, width = lengths["size"]
    counts: list[int] = []
    letters = [ord(letter) - 48 for letter in lengths["counts"]]
    while letters:
        value, place, more = 0, 0, True
        while more:
            letter = letters.pop(0)
            value |= (letter & 31) << (5 * place)
            more = bool(letter & 32)
            place += 1
            if not more and letter & 16:
                value |= -1 << (5 * place)
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    assert sum(counts) == height * width
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(width, height).T


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_run_lengths_decode_to_the_mask(share: float) -> None:
    rng = np.random.default_rng(int(100 * share))
    for shape in ((1, 1), (7, 5), (64, 48), (200, 333)):
        mask = rng.random(shape) < share
        lengths = {"size": list(shape), "counts": encode_runs(mask)}
        assert np.array_equal(decode_runs(lengths), mask)


def test_known_run_lengths() -> None:
    """By hand: 6 outside, 1 inside, 40 outside, 4 inside (3 more than before), 9 outside (31 less)."""
    mask = np.repeat([False, True, False, True, False], [6, 1, 40, 4, 9]).reshape(10, 6).T
    assert encode_runs(mask) == "61X13QO"
    # Lengths and their letters as pycocotools gives them.
    lengths = [0, 5, 5, 5, 5, 2, 3, 5, 2, 3, 5, 2, 3, 55]
    mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(10, 10).T
    assert encode_runs(mask) == "05500MN3ON3ONe1"


def test_annotations_are_those_of_the_pictures(tmp_path: Path) -> None:
    make_renders(tmp_path / "renders", balls=5, views=3, size=40, boxed=True)
    out = tmp_path / "coco"
    assert export_renders(tmp_path / "renders", out, "coco", ratios=(0.4, 0.4, 0.2), jobs=1).written == 5
    scenes = {scene.key.replace("/", "_"): scene for scene in read_renders(tmp_path / "renders").scenes}
    seen = []
    for split in ("train", "val", "test"):
        content = json.loads((out / "annotations" / f"instances_{split}.json").read_text())
        assert [category["name"] for category in content["categories"]] == ["person"]
        images = {image["id"]: image for image in content["images"]}
        assert len(images) == len(content["images"]) == len(content["annotations"]) > 0
        assert len({one["id"] for one in content["annotations"]}) == len(images)
        for one in content["annotations"]:
            image = images[one["image_id"]]
            name, _, file = image["file_name"].partition("/")
            seen.append(name)
            view = next(view for view in scenes[name].views if view.path.name == file)
            picture = read_png(out / "images" / image["file_name"])
            assert np.array_equal(picture, read_picture(scenes[name], view))
            assert picture.shape[:2] == (image["height"], image["width"])
            mask = decode_runs(one["segmentation"])
            assert np.array_equal(mask, picture[..., 3] >= 128)
            row, column = np.nonzero(mask)
            left, top, width, height = one["bbox"]
            assert (left, top, left + width - 1, top + height - 1) == (column.min(), row.min(), column.max(), row.max())
            assert one["area"] == mask.sum()
            assert (one["category_id"], one["iscrowd"]) == (1, 0)
    assert sorted(seen) == sorted(3 * list(scenes))


def test_keypoints_are_the_joints_of_each_view(tmp_path: Path) -> None:
    names = ["nose", "left_wrist", "right_ankle", "right_ear"]
    make_renders(tmp_path / "renders", balls=2, views=2, size=40, labels={0: {"joints": {"names": names}}})
    path = tmp_path / "renders" / "ball_0" / "scan_0000" / "scene.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    # Seen; hidden; outside of the picture; not known.
    joints = {"px": [[20.25, 7], [3, 30.5], [41, 2], None], "visible": [1, 0, 1, 0], "view": [[0, 0, 0]] * 3 + [None]}
    content["views"][0]["joints"] = joints
    path.write_text(json.dumps(content))
    export_renders(tmp_path / "renders", tmp_path / "coco", "coco", ratios=(1, 0, 0), jobs=1)
    annotations = tmp_path / "coco" / "annotations"
    assert not (annotations / "person_keypoints_val.json").exists()
    found = json.loads((annotations / "person_keypoints_train.json").read_text())
    (category,) = found["categories"]
    assert category["keypoints"][:3] == ["nose", "left_eye", "right_eye"]
    ends = [{category["keypoints"][a - 1], category["keypoints"][b - 1]} for a, b in category["skeleton"]]
    assert {"left_wrist", "left_elbow"} in ends
    assert {"right_knee", "right_ankle"} in ends
    first, *others = (np.reshape(one["keypoints"], (17, 3)) for one in found["annotations"])
    named = dict(zip(category["keypoints"], first.tolist(), strict=True))
    assert named["nose"] == [20.25, 7, 2]
    assert named["left_wrist"] == [3, 30.5, 1]
    assert all(named[name] == [0, 0, 0] for name in category["keypoints"] if name not in ("nose", "left_wrist"))
    assert [one["num_keypoints"] for one in found["annotations"]] == [2, 0, 0, 0]
    assert not np.any(others)
    plain = json.loads((annotations / "instances_train.json").read_text())
    assert [one["segmentation"] for one in plain["annotations"]] == [
        one["segmentation"] for one in found["annotations"]
    ]
