"""Which shard a scene goes into, by a stable hash: adding or removing a person changes only that person's shards.

Each split is a binary tree over the bits of hashes: first those of the subject, then those of the scene. A node whose
scenes fit into one shard is a shard; any other hands its scenes to its two children by the next bit. The tree depends
only on the scenes and their sizes, not on the order in which they came. A person who is added or removed changes one
leaf; where that leaf outgrows a shard it is split, and where it fits into one shard together with its sibling the two
are joined.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...core.randomness import stable_hash

HALF, WHOLE = 64, 128  # bits of the subject's hash, and of both


@dataclass(frozen=True)
class Placed:
    """A scene to place.

    Attributes:
        key: the scene's key.
        subject: the subject's id.
        bytes: estimated size in a shard; it must follow from the scene's inputs alone.
    """

    key: str
    subject: str
    bytes: int


def place_scenes(scenes: Iterable[Placed], shard_bytes: int) -> dict[str, list[str]]:
    """Share the scenes of one split out among shards.

    Args:
        scenes: in any order; their keys differ.
        shard_bytes: the most that a shard is to hold; a scene that is larger gets a shard of its own.

    Returns:
        The keys of each shard's scenes, sorted, by the shard's name: the bits that its subjects share, such as "0110"
        ("all" where one shard holds everything); for shards of a single subject, who does not fit into one, the
        subject's hash in hexadecimal, and the bits that the scenes share.
    """
    hashed = sorted((_place(scene), scene) for scene in scenes)
    shards: dict[str, list[str]] = {}
    _divide(hashed, 0, shard_bytes, shards)
    return shards


def _place(scene: Placed) -> int:
    subject, own = stable_hash("shard", scene.subject) >> HALF, stable_hash("shard", scene.key) >> HALF
    return subject << HALF | own


def _divide(scenes: list[tuple[int, Placed]], depth: int, shard_bytes: int, shards: dict[str, list[str]]) -> None:
    """Put scenes, which share the first `depth` bits, into one shard, or into those of their two children."""
    if not scenes:
        return
    if len(scenes) == 1 or depth == WHOLE or sum(scene.bytes for _, scene in scenes) <= shard_bytes:
        shards[_name(scenes[0][0], depth)] = sorted(scene.key for _, scene in scenes)
        return
    for bit in (0, 1):
        half = [(place, scene) for place, scene in scenes if place >> (WHOLE - 1 - depth) & 1 == bit]
        _divide(half, depth + 1, shard_bytes, shards)


def _name(place: int, depth: int) -> str:
    if depth == 0:
        return "all"
    bits = f"{place:0{WHOLE}b}"
    return bits[:depth] if depth <= HALF else f"{place >> HALF:0{HALF // 4}x}-{bits[HALF:depth]}"
