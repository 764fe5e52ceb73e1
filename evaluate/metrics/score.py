"""Measured values with their standard errors, and how values at points become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import MpcError


class MetricError(MpcError):
    """A metric has no value for these inputs, for example because a mesh has no colours or encloses no volume."""


@dataclass(frozen=True)
class Score:
    """The value of a metric.

    Attributes:
        value: in the metric's unit.
        standard_error: of the value, as an estimate from random points; 0 where no points were drawn.
    """

    value: float
    standard_error: float


def mean_score(values: npt.ArrayLike, scale: float = 1.0) -> Score:
    """Return the mean of independent values with its standard error.

    Args:
        values: (N,) numbers or bools.
        scale: factor of both, for example 100 from metres to centimetres.
    """
    numbers = np.asarray(values, np.float64)
    spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else 0.0
    return Score(float(numbers.mean()) * scale, spread / float(np.sqrt(len(numbers))) * scale)


def mean_of_two(scores: Iterable[Score], share: float = 0.5) -> Score:
    """Combine the scores of both directions, which were measured at independent points.

    Args:
        scores: exactly two.
        share: factor of their sum: 0.5 for the mean, 1 for the sum.
    """
    there, back = scores
    return Score(share * (there.value + back.value), share * float(np.hypot(there.standard_error, back.standard_error)))
