"""The metrics by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..geometry.errors import SettingsError
from .chamfer import measure_chamfer
from .p2s import measure_p2s, measure_s2p
from .pair import MeshPair, Score
from .shape import measure_fscore, measure_hausdorff, measure_normal_consistency, measure_p95


@dataclass(frozen=True)
class Metric:
    """A measure of a predicted mesh against the truth.

    Attributes:
        name: as typed.
        unit: of its value.
        direction: in words.
        measure: what computes it; its docstring's first line says direction, unit and squaring.
        greater_is_better: how to find the worst view.
    """

    name: str
    unit: str
    direction: str
    measure: Callable[[MeshPair], Score]
    greater_is_better: bool = False

    @property
    def summary(self) -> str:
        """The first line of the docstring: direction, unit, squaring."""
        return (self.measure.__doc__ or "").strip().splitlines()[0]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("chamfer", "cm", "both ways, mean of two", measure_chamfer),
        Metric("p2s", "cm", "predicted to true", measure_p2s),
        Metric("s2p", "cm", "true to predicted", measure_s2p),
        Metric("fscore", "%", "both ways, within 1 cm", measure_fscore, greater_is_better=True),
        Metric("p95", "cm", "the greater of both ways", measure_p95),
        Metric("hausdorff", "cm", "the greater of both ways", measure_hausdorff),
        Metric("normals", "deg", "both ways, mean of two", measure_normal_consistency),
    )
}
DEFAULT_METRICS = ("chamfer", "p2s")


def choose_metrics(names: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics of these names, in this order, each once.

    Raises:
        SettingsError: an unknown name (with the nearest valid one and the list), or none at all.
    """
    chosen: dict[str, Metric] = {}
    for name in names:
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise SettingsError(f"unknown metric {name!r}{hint}; there are {', '.join(METRICS)}")
        chosen[name] = METRICS[name]
    if not chosen:
        raise SettingsError(f"no metric asked for; there are {', '.join(METRICS)}")
    return tuple(chosen.values())
