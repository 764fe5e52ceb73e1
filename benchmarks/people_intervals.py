"""Means over people with their bootstrap intervals, and differences between methods on the same people."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from mpc.core.arrays import F64

DRAWS = 10_000


def by_person(values: F64, people: Sequence[Hashable]) -> F64:
    """(P, K) means of each person's views, of (V, K) values; people in the order in which they come first."""
    numbers = {person: number for number, person in enumerate(dict.fromkeys(people))}
    whose = np.array([numbers[person] for person in people])
    return np.stack([values[whose == number].mean(axis=0) for number in range(len(numbers))])


def interval(values: F64, rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval over people of (P,) values."""
    drawn = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def figures(
    name: str, values: F64, plain: F64 | None, rng: np.random.Generator, *, higher: bool = False
) -> dict[str, object]:
    """The entries of a row that compare a method with another on the same people.

    Args:
        name: of what is measured.
        values: (P,) of the method.
        plain: (P,) of the one that it is compared with; None: of nothing.
        rng: draws people.
        higher: whether higher values are the better ones.
    """
    row: dict[str, object] = {name: interval(values, rng)}
    if plain is not None:
        apart = values - plain
        row[f"{name} less none"] = interval(apart, rng)
        row[f"{name} better for"] = f"{int(((apart > 0) if higher else (apart < 0)).sum())} of {len(values)}"
    return row
