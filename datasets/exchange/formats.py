"""The formats of `mpc export`: how each writes a scene, where its files are, and which options decide them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..renders.format import SceneRecord
from .coco import coco_folders, write_coco_lists, write_coco_scene
from .icon import icon_folders, write_icon_lists, write_icon_scene
from .monoport import monoport_folders, write_monoport_lists, write_monoport_scene
from .multiview import write_era3d_scene, write_object_lists, write_pshuman_scene
from .nerf import write_nerf_lists, write_nerf_scene
from .options import ExportOptions
from .pamir import pamir_folders, write_pamir_lists, write_pamir_scene
from .pifu import pifu_folders, write_pifu_lists, write_pifu_scene
from .webdataset import write_shard_lists, write_shards

Layout = Literal["pifu", "icon", "webdataset", "nerf", "coco", "pshuman", "era3d", "pamir", "monoport"]
"""The names of the formats."""


@dataclass(frozen=True)
class Format:
    """One format of `mpc export`.

    Attributes:
        write: writes one scene under a name into an export at a folder, by the options; gives notices for the user.
        folders: the folders of a scene of this name in an export at a folder.
        finish: writes what the whole export has once: of the folder, each scene's split by its name, and the settings
            of the renders.
        uses: the options that decide the files of a scene, fields of ExportOptions.
    """

    write: Callable[[SceneRecord, str, Path, ExportOptions], tuple[str, ...]]
    folders: Callable[[Path, str, SceneRecord], Sequence[Path]]
    finish: Callable[[Path, dict[str, str], dict[str, Any]], None]
    uses: frozenset[str] = frozenset()


def scene_folder(out: Path, name: str, scene: SceneRecord) -> tuple[Path]:
    """The folder of a scene whose files all lie in one."""
    del scene
    return (out / name,)


FORMATS: dict[Layout, Format] = {
    "pifu": Format(write_pifu_scene, pifu_folders, write_pifu_lists, frozenset({"seed"})),
    "icon": Format(write_icon_scene, icon_folders, write_icon_lists),
    "webdataset": Format(write_shards, scene_folder, write_shard_lists),
    "nerf": Format(write_nerf_scene, scene_folder, write_nerf_lists),
    "coco": Format(write_coco_scene, coco_folders, write_coco_lists),
    "pshuman": Format(write_pshuman_scene, scene_folder, write_object_lists, frozenset({"size"})),
    "era3d": Format(write_era3d_scene, scene_folder, write_object_lists, frozenset({"seed", "size"})),
    "monoport": Format(write_monoport_scene, monoport_folders, write_monoport_lists, frozenset({"seed"})),
    "pamir": Format(write_pamir_scene, pamir_folders, write_pamir_lists, frozenset({"seed"})),
}
