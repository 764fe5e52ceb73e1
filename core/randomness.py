"""Random streams that depend on names alone, so that 1 or 64 workers, in any order, draw the same numbers."""

from __future__ import annotations

import hashlib

import numpy as np


def stable_hash(*parts: str | int) -> int:
    """A 128-bit integer from the parts alone; the same in every process, on every platform (unlike `hash`)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def derive_rng(seed: int, *parts: str | int) -> np.random.Generator:
    """A generator for one purpose, e.g. `derive_rng(seed, subject, animation, frame, "lights")`.

    Args:
        seed: the dataset's seed.
        parts: names of what is drawn for; different parts give independent streams.
    """
    return np.random.Generator(np.random.PCG64(stable_hash(seed, *parts)))
