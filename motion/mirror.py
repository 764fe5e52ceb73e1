"""Rigs below a mirroring node (a scale of -1): the same rig without mirroring, so that bones have rotations again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.arrays import F64, Bools
from .skinning import Channel, Clip, Rig, Skeleton, world_matrices

# Nodes whose world matrix mirrors have their own x axis turned round: W' = W S, with S = diag(-1, 1, 1, 1).
_X = np.array([-1.0, 1.0, 1.0])
_QUATERNION = np.array([1.0, -1.0, -1.0, 1.0])  # of S R S, from that of R


def mirrored_nodes(skeleton: Skeleton) -> Bools:
    """(N,) bool: the nodes whose world matrix at rest mirrors."""
    found: Bools = np.linalg.det(world_matrices(skeleton, None)[:, :3, :3]) < 0
    return found


def unmirror(rig: Rig) -> Rig:
    """The same rig with nodes that do not mirror; vertices, places of the nodes and poses stay as they are.

    Args:
        rig: of a file whose nodes may have negative scales.
    """
    own = mirrored_nodes(rig.skeleton)
    if not own.any():
        return rig
    skeleton = rig.skeleton
    above = np.array([parent >= 0 and own[parent] for parent in skeleton.parents.tolist()])
    changes = own != above
    # W'_parent^-1 W'_node = S (T R D) S, with the S of the parent and of the node where these mirror.
    plain = replace(
        skeleton,
        translation=np.where(above[:, None], skeleton.translation * _X, skeleton.translation),
        rotation=np.where(above[:, None], skeleton.rotation * _QUATERNION, skeleton.rotation),
        scale=np.where(changes[:, None], skeleton.scale * _X, skeleton.scale),
        matrix={
            node: _flip(bool(above[node])) @ matrix @ _flip(bool(own[node])) for node, matrix in skeleton.matrix.items()
        },
    )
    inverse = np.stack(
        [_flip(bool(own[node])) @ one for node, one in zip(rig.slot_node.tolist(), rig.slot_inverse, strict=True)]
    )
    clips = tuple(_turned(clip, above, changes) for clip in rig.clips)
    return replace(rig, skeleton=plain, slot_inverse=inverse, clips=clips)


def _flip(mirrors: bool) -> F64:
    return np.diag([-1.0, 1.0, 1.0, 1.0]) if mirrors else np.eye(4)


def _turned(clip: Clip, above: Bools, changes: Bools) -> Clip:
    channels: list[Channel] = []
    for channel in clip.channels:
        factor: F64 | None = None
        if channel.path == "scale":
            factor = _X if changes[channel.node] else None
        elif above[channel.node]:
            factor = _X if channel.path == "translation" else _QUATERNION
        channels.append(channel if factor is None else replace(channel, values=channel.values * factor))
    return replace(clip, channels=tuple(channels))
