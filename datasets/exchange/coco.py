"""COCO's person masks (Lin et al., ECCV 2014): pictures, and annotations of each split.

    images/<scene>/<view>.png             RGBA, straight alpha, as they were rendered
    annotations/instances_<split>.json    images, and of each the person: mask (run lengths), box and area
    scenes/<scene>/coco.json              the same of one scene, of which the others are put together

A pixel belongs to the mask where the person covers half of it or more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import Bools
from ...core.files import read_json_object, write_json
from ...formats.png import write_png
from ..renders.format import SceneRecord
from ..renders.layer_files import read_picture
from ..shards.split import SPLITS
from .options import ExportOptions

HALF = 127
PERSON = {"id": 1, "name": "person", "supercategory": "person"}


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
        write_png(pictures / f"{view.name}.png", picture)
        size = scene.image_size
        image = {"file_name": f"{name}/{view.name}.png", "height": size, "width": size}
        entries.append({"image": image, "person": _describe_person(picture[..., 3] > HALF)})
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
        for name in sorted(name for name in names if names[name] == split):
            for entry in read_json_object(out / "scenes" / name / "coco.json")["views"]:
                images.append({"id": len(images) + 1, **entry["image"]})
                if entry["person"] is not None:
                    numbers = {"id": len(people) + 1, "image_id": len(images), "category_id": PERSON["id"]}
                    people.append({**numbers, "iscrowd": 0, **entry["person"]})
        info = {"description": f"rendered people, {split}"}
        content = {"info": info, "licenses": [], "images": images, "annotations": people, "categories": [PERSON]}
        write_json(out / "annotations" / f"instances_{split}.json", content)


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
