"""Joints of a batch moved together with its pictures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...geometry.labels import SIDES
from ...motion.joints import JOINTS

WORLD, VIEW, VISIBLE = "joints_world", "joints", "joints_visible"
"""What an item of `ViewDataset(joints=True)` holds (datasets/shards/joints.py)."""


def mirrored_joints() -> tuple[int, ...]:
    """The number of the joint that each joint becomes in a mirror image: left and right change places."""
    found = []
    for number, name in enumerate(JOINTS):
        side, _, rest = name.partition("_")
        other = f"{SIDES[1 - SIDES.index(side)]}_{rest}" if side in SIDES else name
        found.append(JOINTS.index(other) if other in JOINTS else number)
    return tuple(found)


def move_joints(batch: Mapping[str, Tensor], calibrations: Tensor) -> dict[str, Tensor]:
    """Move the joints of a batch as `augment` moved its pictures, by the change of their calibrations.

    Args:
        batch: of `ViewDataset(joints=True)`: "calibration" (B, 4, 4) before the change, and the three of joints.
        calibrations: (B, 4, 4), after the change: A @ batch["calibration"], A any matrix on view space.

    Returns:
        The joints alone, by the batch's names; empty where it has none. Places in the view are those of the new view
        space. In a mirror image each joint is called by the name of the other side, in the world, too. What is moved
        out of the picture is not seen any more.
    """
    if VIEW not in batch or torch.equal(batch["calibration"], calibrations):
        return {name: batch[name] for name in (WORLD, VIEW, VISIBLE) if name in batch}
    change = calibrations.double() @ torch.linalg.inv_ex(batch["calibration"].double()).inverse
    mirror = torch.linalg.det(change[:, :3, :3]) < 0
    other = list(mirrored_joints())
    world, seen = (
        torch.where(mirror.reshape(-1, *[1] * (batch[name].ndim - 1)), batch[name][:, other], batch[name])
        for name in (WORLD, VISIBLE)
    )
    whole = torch.nn.functional.pad(world.double(), (0, 1), value=1.0)
    places = torch.einsum("bij,bnj->bni", calibrations.double(), whole)
    places = (places[..., :3] / places[..., 3:]).to(world.dtype)
    return {WORLD: world, VIEW: places, VISIBLE: seen & (places[..., :2].abs() <= 1).all(dim=-1)}
