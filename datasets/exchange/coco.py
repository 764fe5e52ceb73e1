"""COCO's person masks and keypoints (Lin et al., ECCV 2014): pictures, and annotations of each split.

    images/<scene>/<view>.png             RGBA, straight alpha, as they were rendered; of renders with backgrounds
                                          (`mpc render --backgrounds`) RGB with the person in front of them
    annotations/instances_<split>.json    images, and of each the person: mask (run lengths), box and area
    annotations/person_keypoints_<split>.json   the same and 17 keypoints, where the renders know joints
    scenes/<scene>/coco.json              the same of one scene, of which the others are put together

A pixel belongs to the mask where the person covers half of it or more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import Bools
from ...core.files import read_json_object, write_bytes, write_json
from ...formats.png import write_png
from ...motion.joints import COCO_17, pick
from ..renders.backdrops import PHOTO
from ..renders.format import SceneRecord
from ..renders.joints import ViewJoints, read_view_joints
from ..renders.layer_files import layer_path, read_layer, read_picture
from ..shards.split import SPLITS
from .options import ExportOptions

HALF = 127
PERSON = {"id": 1, "name": "person", "supercategory": "person"}
# COCO's lines between its keypoints, which it counts from 1.
LIMBS = [
    [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9], [8, 10], [9, 11],
    [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7],
]  # fmt: skip
SEEN, HIDDEN, UNKNOWN = 2, 1, 0


def write_coco_scene(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write one scene; nothing in it is random, and no picture is drawn anew.

    Raises:
        InputError: the renders are damaged.
    """
    del options
    pictures, described = coco_folders(out, name, scene)
    pictures.mkdir(parents=True, exist_ok=True)
    described.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    for view in scene.views:
        picture = read_picture(scene, view)
        shown = read_layer(scene, view, PHOTO)[..., :3] if layer_path(scene, view, PHOTO).is_file() else picture
        write_png(pictures / f"{view.name}.png", np.ascontiguousarray(shown))
        size = scene.image_size
        image = {"file_name": f"{name}/{view.name}.png", "height": size, "width": size}
        joints = read_view_joints(scene, view)
        keypoints = None if joints is None else _describe_joints(joints, size)
        entries.append({"image": image, "person": _describe_person(picture[..., 3] > HALF), "joints": keypoints})
    write_json(described / "coco.json", {"views": entries})
    return ()


def coco_folders(out: Path, name: str, scene: SceneRecord) -> tuple[Path, Path]:
    """The folders of one scene: its pictures', and its annotations'."""
    del scene
    return out / "images" / name, out / "scenes" / name


def write_coco_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write the annotations of each split, numbered in the order of scenes and views."""
    del settings
    for split in SPLITS:
        images: list[dict[str, Any]] = []
        people: list[dict[str, Any]] = []
        joints: list[dict[str, Any] | None] = []
        for name in sorted(name for name in names if names[name] == split):
            for entry in read_json_object(out / "scenes" / name / "coco.json")["views"]:
                images.append({"id": len(images) + 1, **entry["image"]})
                if entry["person"] is not None:
                    numbers = {"id": len(people) + 1, "image_id": len(images), "category_id": PERSON["id"]}
                    people.append({**numbers, "iscrowd": 0, **entry["person"]})
                    joints.append(entry["joints"])
        content = {"info": {"description": f"rendered people, {split}"}, "licenses": [], "images": images}
        _write(out, f"instances_{split}", {**content, "annotations": people, "categories": [PERSON]})
        # Readers of keypoints expect them of everybody: who has none, has 17 that are not labelled.
        none = {"keypoints": [0] * 3 * len(COCO_17), "num_keypoints": 0}
        with_joints = [{**person, **(own or none)} for person, own in zip(people, joints, strict=True)]
        category = {**PERSON, "keypoints": list(COCO_17), "skeleton": LIMBS}
        known = any(own is not None for own in joints)
        whole = {**content, "annotations": with_joints, "categories": [category]}
        _write(out, f"person_keypoints_{split}", whole if known else None)


def _write(out: Path, name: str, content: dict[str, Any] | None) -> None:
    """Write annotations; None removes those of an earlier run."""
    path = out / "annotations" / f"{name}.json"
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, json.dumps(content, sort_keys=True).encode())


def _describe_joints(joints: ViewJoints, size: int) -> dict[str, Any]:
    """COCO's keypoints: column, row and whether it is seen, of each of 17; 0, 0, 0 where unknown or out of view."""
    places, seen = pick(COCO_17, joints.px), pick(COCO_17, joints.visible.astype(np.float64)) == 1
    within = (np.isfinite(places) & (places > -0.5) & (places < size - 0.5)).all(axis=1)
    flags = np.where(within, np.where(seen, SEEN, HIDDEN), UNKNOWN)
    rows = [
        [round(float(column), 2), round(float(row), 2), int(flag)] if flag else [0, 0, 0]
        for (column, row), flag in zip(places, flags, strict=True)
    ]
    return {"keypoints": [value for row in rows for value in row], "num_keypoints": int((flags > 0).sum())}


def _describe_person(mask: Bools) -> dict[str, Any] | None:
    """What COCO says of a person by its mask (H, W); None where no pixel shows the person."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    box = [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    lengths = {"size": list(mask.shape), "counts": encode_runs(mask)}
    return {"segmentation": lengths, "bbox": box, "area": int(mask.sum())}


def encode_runs(mask: Bools) -> str:
    """COCO's compressed run lengths of a mask (H, W), column by column, the first run of pixels outside.

    A length is the difference to the length two before it, from the fourth on, in groups of five bits, the lowest
    first; a sixth bit says that more follow, and each group is a letter from "0" on.
    """
    flat = np.concatenate([[False], mask.T.ravel(), [not mask.T.ravel()[-1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(ends, prepend=0).tolist()
    letters: list[str] = []
    for number, length in enumerate(lengths):
        value = length - (lengths[number - 2] if number > 2 else 0)
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != (-1 if group & 16 else 0)
            letters.append(chr(48 + group + 32 * more))
    return "".join(letters)
