"""A data set card in Markdown, to be published with the shards: what they hold, how they were made, whose they are."""

from __future__ import annotations

from pathlib import Path

from ...core.files import write_text
from .collect import UNKNOWN, ShardStats
from .table import Rows, count_rows, licence_rows, point_rows, side_rows, size_rows, split_rows, summary

# Settings that a reader of the card wants to know; the index of the shards holds all of them.
SETTINGS = ("seed", "sigmas_m", "noise", "focus", "meshes", "ratios", "group_by")


def card(stats: ShardStats) -> str:
    """The card as Markdown.

    It begins with the block of metadata that the hubs of data sets read; the fields that nobody but the publisher knows
    are left to be filled in.
    """
    settings = {name: stats.settings[name] for name in SETTINGS if stats.settings.get(name) not in (None, 0, [])}
    splits = {name: counts for name, counts in stats.splits.items() if counts.scenes}
    # Only the publisher knows the licence of the whole; where nothing is known of somebody, it is "unknown".
    licence = "unknown" if UNKNOWN in stats.licences else "other"
    parts = [
        "---",
        f"pretty_name: {stats.folder}",
        f"license: {licence}",
        "task_categories:\n- image-to-3d",
        "tags:\n- 3d-human-reconstruction\n- implicit-functions\n- mpc",
        "---",
        "",
        f"# {stats.folder}",
        "",
        f"{summary(stats)}.",
        "",
        "Rendered people with labelled points, for training networks that rebuild a person in 3D from one picture.",
        "Each view has a picture (RGBA), its camera and its light; each scene has points that are labelled inside or",
        "outside of the person, and coloured points of the surface. The files are HDF5; docs/shard-format.md of mpc",
        "describes them.",
        "",
        "## Splits",
        "",
        "By person: no subject is in two splits.",
        "",
        *_table(split_rows(stats)),
        "",
        "## Points",
        "",
        f"Distances are measured in {stats.measured_scenes} scenes that hold their surface."
        if stats.measured_scenes
        else "No scene holds its surface, so distances are not measured.",
        "",
        *_table(point_rows(stats)),
        "",
        "## Views",
        "",
        f"On average the box around the person takes {stats.area:.0%} of a picture. "
        f"Elevations: {_list(stats.pitches, 'degrees')}.",
        "",
        *_table(side_rows(stats)),
        "",
        f"{stats.light_names} different environments:",
        "",
        *_table(count_rows(stats.lights, "views", "light")),
        "",
        "## Scenes",
        "",
        *_table(count_rows(stats.kinds, "scenes", "kind")),
        "",
        *_table(count_rows(stats.animations, "scenes", "animation")),
        "",
        "## Files",
        "",
        *_table(size_rows(stats)),
        "",
        "## Licence",
        "",
        "What is known of the terms under which the people came. The texts themselves hold, and whoever publishes the",
        "data has to see that they allow it.",
        "",
        *_table(licence_rows(stats)),
        "",
        "## How it was made",
        "",
        f"With mpc {', '.join(stats.mpc_versions)}: `mpc render`, then `mpc sample` with these settings:",
        "",
        *_table([("setting", "value"), *((name, str(value)) for name, value in settings.items())]),
    ]
    if splits and stats.failures:
        parts += ["", f"{len(stats.failures)} scenes could not be sampled and are left out."]
    return "\n".join(parts) + "\n"


def write_card(path: Path, stats: ShardStats) -> None:
    """Write the card; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, card(stats))


def _table(rows: Rows) -> list[str]:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _list(counts: dict[int, int], unit: str) -> str:
    return f"{', '.join(f'{value:g}' for value in counts)} {unit}"
