"""The metrics by name, with their units; a new metric is one function and one row of METRICS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from ...core.errors import SettingsError
from ...core.messages import unknown_name
from .colour import (
    measure_colour_l1,
    measure_colour_psnr,
    measure_view_l1,
    measure_view_psnr,
    measure_view_ssim,
)
from .facing import measure_facing
from .limbs import measure_limbs
from .normal_image import measure_normal_image
from .pair import MeshPair
from .score import Score
from .surface import (
    measure_chamfer,
    measure_fscore,
    measure_hausdorff,
    measure_normal_consistency,
    measure_p2s,
    measure_p95,
    measure_s2p,
)
from .volume import measure_volume_iou


@dataclass(frozen=True)
class Metric:
    """A measure of a predicted mesh against the truth.

    Attributes:
        name: as users write it.
        unit: of the value.
        direction: which points are measured from, in words.
        measure: function that computes the score; the first line of its docstring says direction, unit and squaring.
        greater_is_better: whether a greater value is a better one.
        text: that line, for a `measure` whose docstring does not say so.
    """

    name: str
    unit: str
    direction: str
    measure: Callable[[MeshPair], Score]
    greater_is_better: bool = False
    text: str = ""

    @property
    def unit_text(self) -> str:
        """The unit as reports show it beside a number: nothing where the value has none."""
        return "" if self.unit == "1" else self.unit

    @property
    def summary(self) -> str:
        """Direction, unit and squaring in one line, which reports show beside the numbers."""
        return self.text or (self.measure.__doc__ or "").strip().splitlines()[0]


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
        Metric("normal_image", "1", "symmetric, mean of four views", measure_normal_image),
        Metric("facing", "%", "symmetric, along the picture's depth", measure_facing, greater_is_better=True),
        Metric("limbs", "%", "true to predicted, within 5 cm", measure_limbs, greater_is_better=True),
        Metric("volume_iou", "%", "symmetric", measure_volume_iou, greater_is_better=True),
        Metric("colour_l1", "/255", "both ways, at surface points", measure_colour_l1),
        Metric("colour_psnr", "dB", "both ways, at surface points", measure_colour_psnr, greater_is_better=True),
        Metric("view_l1", "/255", "symmetric, mean of four views", measure_view_l1),
        Metric("view_psnr", "dB", "symmetric, mean of four views", measure_view_psnr, greater_is_better=True),
        Metric("view_ssim", "1", "symmetric, mean of four views", measure_view_ssim, greater_is_better=True),
    )
}
DEFAULT_METRICS = ("chamfer", "p2s")


def find_metric(name: str) -> Metric:
    """Return a metric by name; "fscore@X" is the F-score at X centimetres.

    Raises:
        SettingsError: no metric has this name; the message gives the most similar name and the list.
    """
    if name in METRICS:
        return METRICS[name]
    base, at, threshold = name.partition("@")
    if base == "fscore" and at:
        try:
            limit = float(threshold)
        except ValueError:
            limit = -1.0
        if not 0 < limit < 1e6:
            raise SettingsError(f"{name!r}: expected fscore@X with X in centimetres, such as fscore@0.5")
        measure = partial(measure_fscore, threshold_m=limit / 100)
        text = (measure_fscore.__doc__ or "").splitlines()[0].replace("1 cm", f"{limit:g} cm")
        direction = f"both ways, within {limit:g} cm"
        return replace(METRICS["fscore"], name=name, direction=direction, measure=measure, text=text)
    raise SettingsError(unknown_name("metric", name, METRICS))


def choose_metrics(names: Iterable[str]) -> tuple[Metric, ...]:
    """Return the metrics of these names in this order; a repeated name counts once.

    Raises:
        SettingsError: no metric has one of these names, or no name is given.
    """
    chosen = {name: find_metric(name) for name in dict.fromkeys(names)}
    if not chosen:
        raise SettingsError(f"no metric is given; there are {', '.join(METRICS)}")
    return tuple(chosen.values())
