"""Random streams that depend only on names, so that 1 or 64 workers draw the same numbers in any order."""

from __future__ import annotations

import hashlib

import numpy as np


def stable_hash(*parts: str | int) -> int:
    """A 128-bit integer that depends only on the parts; unlike `hash`, it is the same in every process and platform."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def derive_rng(seed: int, *parts: str | int) -> np.random.Generator:
    """A random generator for one purpose, e.g. `derive_rng(seed, subject, animation, frame, "lights")`.

    Args:
        seed: seed of the dataset.
        parts: names of the purpose; different parts give independent streams.
    """
    return np.random.Generator(np.random.PCG64(stable_hash(seed, *parts)))
