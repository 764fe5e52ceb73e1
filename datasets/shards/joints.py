"""Joints in shards: 39 of each person in the world, in each view, and whether they are seen (`mpc sample --joints`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F32, Array, Bools
from ...core.errors import InputError
from ...motion.joints import JOINTS
from ..renders.format import SceneRecord
from ..renders.joints import read_view_joints, read_world_joints
from .format import Part
from .reader import ShardReader


@dataclass(frozen=True, eq=False)
class ShardJoints:
    """The joints of a person and where a view shows them, in the order of JOINTS (motion/joints.py).

    Attributes:
        world: (J, 3) float32, world metres; NaN for joints that are not known.
        view: (J, 3) float32, view space of the view: x right and y down from -1 to 1 across the picture, z away; NaN
            likewise.
        visible: (J,) bool (datasets/renders/joints.py says what counts as seen).
    """

    world: F32
    view: F32
    visible: Bools


def joint_rows(scene: SceneRecord) -> Part:
    """The rows of a scene in the datasets of joints; NaN, and not seen, where its render knows none.

    Raises:
        InputError: scene.json holds something else than joints.
    """
    world = read_world_joints(scene)
    views = [read_view_joints(scene, view) for view in scene.views]
    unknown = np.full((len(JOINTS), 3), np.nan)
    return {
        "scenes/joints": np.array([unknown if world is None else world], "<f4"),
        "views/joints": np.array([unknown if one is None else one.view for one in views], "<f4"),
        "views/joints_visible": np.array(
            [np.zeros(len(JOINTS)) if one is None else one.visible for one in views], np.uint8
        ),
    }


def read_joints(reader: ShardReader, view: int) -> ShardJoints:
    """The joints of one view.

    Args:
        reader: of the shard.
        view: the view's row in the "views/" tables.

    Raises:
        InputError: the shard holds no joints.
    """
    names = reader.header.joints
    if not names:
        raise InputError(reader.path, "holds no joints; sample with --joints")
    scene = int(np.searchsorted(reader.tables["offsets/view"], view, side="right")) - 1
    seen = reader.row("views/joints_visible", view)
    return ShardJoints(
        world=_in_order(names, reader.tables["scenes/joints"][scene]),
        view=_in_order(names, reader.row("views/joints", view)),
        visible=_in_order(names, seen.astype(np.float32)) == 1,
    )


def _in_order(names: tuple[str, ...], rows: Array) -> F32:
    """Rows of joints by the shard's list of names in the order of JOINTS; NaN for those that it lacks."""
    if names == JOINTS:
        return np.array(rows, np.float32)
    found = np.full((len(JOINTS), *rows.shape[1:]), np.nan, np.float32)
    for name, row in zip(names, rows, strict=True):
        if name in JOINTS:
            found[JOINTS.index(name)] = row
    return found
