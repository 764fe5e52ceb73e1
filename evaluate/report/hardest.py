"""The hardest training views as small pictures with their last scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import U8
from ...core.pictures import crop, resample, used_box
from ...datasets.loading.views import ViewDataset
from ...datasets.shards.index import read_index
from ...pages.pictures import data_uri

THUMBNAIL = 112
# Key in run.json, title, and how the score is shown.
_STAGES = (("surface", "Surface", "IoU {:.3f}"), ("texture", "Texture", "error {:.3f}"))


def hardest_views(shards: Path, training: Mapping[str, Any]) -> str:
    """Show the up to 20 views of each stage that run.json lists, the hardest first.

    Args:
        shards: folder with the split that the run was trained on.
        training: content of run.json.

    Returns:
        HTML; "" where the run lists no such views or the shards do not hold them.
    """
    if not any(entry.split == "train" for entry in read_index(shards).shards):
        return ""
    dataset = ViewDataset(shards, "train", points=0, colour_points=0)
    places = {(view.scene_key, view.view_name): index for index, view in enumerate(dataset.views)}
    parts = []
    for stage, title, text in _STAGES:
        entries = training.get("stages", {}).get(stage, {}).get("hardest", [])
        # The given shards may be others than those the run was trained on.
        known = [entry for entry in entries if (entry["scene"], entry["view"]) in places]
        if known:
            pictures = [_picture(dataset, places[entry["scene"], entry["view"]]) for entry in known]
            parts.append(f"<h3>{title}</h3>" + _thumbnails(pictures, known, text))
    return "".join(parts)


def _picture(dataset: ViewDataset, index: int) -> U8:
    return resample(np.ascontiguousarray(dataset.picture(index).transpose(1, 2, 0)), THUMBNAIL)


def _thumbnails(pictures: Sequence[U8], entries: Sequence[Mapping[str, Any]], text: str) -> str:
    box = used_box(pictures)
    figures = []
    for picture, entry in zip(pictures, entries, strict=True):
        key = escape(f"{entry['scene']}/{entry['view']}")
        drawn = f", drawn {entry['drawn']} times" if "drawn" in entry else ""
        # A higher score means an easier view, so the score of the texture stage is minus the colour error.
        score = text.format(abs(float(entry["score"])))
        figures.append(
            f'<figure><img alt="{key}" src="{data_uri(crop(picture, box))}">'
            f"<figcaption><b>{key}</b><br>{score}{drawn}</figcaption></figure>"
        )
    return f'<div class="thumbs">{"".join(figures)}</div>'
