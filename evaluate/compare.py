"""Several evaluations side by side: paired differences with bootstrap intervals, and whether they could be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..core.arrays import F64
from ..core.errors import InputError, SettingsError
from ..core.files import read_json, write_json
from ..core.randomness import derive_rng
from ..core.settings import to_table
from ..pages.charts import strips
from ..pages.page import section, write_page
from .metrics.protocols import find_protocol
from .metrics.registry import Metric
from .records import from_json
from .summary import short

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """One run against the first, in one metric.

    Attributes:
        mean: of the run, over the subjects' means.
        interval: 95 % bootstrap interval of that mean.
        difference: mean of (this - first), pair by pair; 0 for the first itself.
        difference_interval: its 95 % bootstrap interval.
        p_value: two-sided, that chance alone makes a difference as great (signs of subjects flipped at random); 1 for
            the first.
    """

    mean: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """What `compare_results` found.

    Attributes:
        runs: names, the first is what the others are compared with.
        protocol: by which all were measured.
        subjects, views: measured by all runs.
        left_out: views that failed or are missing in some run, and so are in no figure.
        differences: by metric, then one a run.
        by_subject: by metric, then by run, the subjects' means in one order.
    """

    runs: tuple[str, ...]
    protocol: str
    subjects: tuple[str, ...]
    views: int
    left_out: tuple[str, ...]
    differences: dict[str, tuple[Difference, ...]]
    by_subject: dict[str, tuple[tuple[float, ...], ...]]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that all runs were measured by."""
        return tuple(find_protocol(self.protocol).find(name) for name in self.differences)


def compare_results(folders: Sequence[Path], *, seed: int = 0) -> Comparison:
    """Compare evaluations of the same truths, view by view.

    Views of a subject are alike, so subjects are what is resampled and flipped, not views.

    Args:
        folders: at least two that hold a result.json; a run's folder stands for its eval/test/.
        seed: of the resampling.

    Raises:
        InputError: no result.json, or one that does not read.
        SettingsError: fewer than two, or measured differently (protocol, alignment, true meshes).
    """
    if len(folders) < 2:
        raise SettingsError("--compare needs at least two results")
    results = [_read_result(folder) for folder in folders]
    _check_alike(folders, results)
    protocol = results[0]["settings"].get("protocol", "mpc")
    names = [name for name in results[0]["metrics"] if all(name in result["metrics"] for result in results)]
    if not names:
        raise SettingsError("the results have no metric in common")
    tables = [{view["key"]: view for view in result["views"]} for result in results]
    keys = sorted(set().union(*tables))
    kept = [key for key in keys if all(key in table and not table[key]["failure"] for table in tables)]
    if not kept:
        raise SettingsError("no view was measured in all results")
    owners = [tables[0][key]["subject"] for key in kept]
    subjects = sorted(set(owners))
    differences, by_subject = {}, {}
    for name in names:
        values = np.array([[table[key]["scores"][name]["value"] for key in kept] for table in tables])
        chosen = [np.array([owner == subject for owner in owners]) for subject in subjects]
        means = np.stack([values[:, mask].mean(axis=1) for mask in chosen], axis=1)
        differences[name] = _differences(means, seed, name)
        by_subject[name] = tuple(tuple(row) for row in means.tolist())
    return Comparison(
        _run_names(folders, results), protocol, tuple(subjects), len(kept), tuple(sorted(set(keys) - set(kept))),
        differences, by_subject,
    )  # fmt: skip


def bootstrap_interval(values: F64, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of independent values (N,)."""
    draws = values[rng.integers(len(values), size=(resamples, len(values)))].mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def sign_flip_p(differences: F64, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> float:
    """Two-sided p-value that paired differences (N,) have mean 0: all sign patterns, or random ones beyond 13 pairs."""
    count = len(differences)
    observed = abs(float(differences.sum()))
    if count <= 13:
        signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float((np.abs(signs @ differences) >= observed - 1e-12 * max(observed, 1e-300)).mean())
    signs = rng.choice((-1.0, 1.0), size=(resamples, count))
    hits = int((np.abs(signs @ differences) >= observed - 1e-12 * max(observed, 1e-300)).sum())
    return (hits + 1) / (resamples + 1)


def format_comparison(comparison: Comparison) -> str:
    """The table for the screen."""
    wide = max(len(run) for run in comparison.runs)
    lines = []
    for metric in comparison.metrics:
        better = "greater" if metric.greater_is_better else "smaller"
        lines.append(f"{metric.name} [{metric.unit}], {better} is better: {metric.summary}")
        for run, found in zip(comparison.runs, comparison.differences[metric.name], strict=True):
            text = f"  {run.ljust(wide)}  {short(found.mean)} {_interval(found.interval)}"
            if run != comparison.runs[0]:
                gap = f"{found.difference:+.4g} {_interval(found.difference_interval)}"
                text += f"   difference {gap}, p = {found.p_value:.3g}"
                text += "" if found.p_value < 0.05 else " (may be chance)"
            lines.append(text)
        lines.append("")
    lines.append(_basis(comparison))
    return "\n".join(lines) + "\n"


def write_comparison(comparison: Comparison, out: Path) -> None:
    """Write compare.json and compare.html into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "compare.json", to_table(comparison), sort_keys=False)
    sections = []
    for metric in comparison.metrics:
        means = dict(zip(comparison.runs, comparison.by_subject[metric.name], strict=True))
        first = means[comparison.runs[0]]
        gaps = {
            run: [value - start for value, start in zip(values, first, strict=True)]
            for run, values in list(means.items())[1:]
        }
        charts = strips(f"{metric.name}: subjects", means, y_label=metric.unit) + strips(
            f"{metric.name}: minus {comparison.runs[0]}, by subject", gaps, y_label=metric.unit
        )
        sections.append(
            section(metric.name, f'{_rows(comparison, metric)}<div class="charts">{charts}</div>', metric.summary)
        )
    if comparison.left_out:
        items = "".join(f"<li>{escape(key)}</li>" for key in comparison.left_out)
        sections.append(section("Left out", f"<ul>{items}</ul>", "Failed or missing in at least one of the runs."))
    subtitle = f"{_basis(comparison)} mpc {__version__}."
    write_page(out / "compare.html", " / ".join(comparison.runs), subtitle, sections)


def _rows(comparison: Comparison, metric: Metric) -> str:
    rows = [
        f"<tr><th></th><th>mean, {metric.unit}</th><th>95 % interval</th><th>difference</th><th>95 % interval</th>"
        "<th>p</th></tr>"
    ]
    for run, found in zip(comparison.runs, comparison.differences[metric.name], strict=True):
        cells = f"<td>{short(found.mean)}</td><td>{_interval(found.interval)}</td>"
        if run == comparison.runs[0]:
            cells += "<td></td><td></td><td></td>"
        else:
            style = ""
            if found.p_value < 0.05:
                style = "better" if (found.difference > 0) == metric.greater_is_better else "worse"
            cells += (
                f'<td class="{style}">{found.difference:+.4g}</td><td>{_interval(found.difference_interval)}</td>'
                f"<td>{found.p_value:.3g}</td>"
            )
        rows.append(f"<tr><th>{escape(run)}</th>{cells}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _basis(comparison: Comparison) -> str:
    return (
        f"{comparison.views} views of {len(comparison.subjects)} subjects that all runs measured"
        + (f" ({len(comparison.left_out)} left out)" if comparison.left_out else "")
        + f", protocol {comparison.protocol}; 95 % bootstrap intervals over subjects, p by flipping subjects' signs "
        f"(at best {max(2 / 2 ** len(comparison.subjects), 1 / (RESAMPLES + 1)):.2g} with so many)."
    )


def _interval(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.4g}, {interval[1]:.4g}]"


def _differences(means: F64, seed: int, metric: str) -> tuple[Difference, ...]:
    """For subjects' means (runs, subjects)."""
    found = []
    for row, values in enumerate(means):
        gap = values - means[0]
        # The same subjects are drawn for every run, as for a paired comparison they must be.
        interval = bootstrap_interval(values, derive_rng(seed, "compare", metric))
        gap_interval = bootstrap_interval(gap, derive_rng(seed, "compare", metric))
        p_value = 1.0 if row == 0 else sign_flip_p(gap, derive_rng(seed, "compare", metric, "signs"))
        found.append(Difference(float(values.mean()), interval, float(gap.mean()), gap_interval, p_value))
    return tuple(found)


def _read_result(folder: Path) -> dict[str, Any]:
    for place in (folder / "result.json", folder / "eval" / "test" / "result.json"):
        if place.is_file():
            content = read_json(place)
            if not isinstance(content, dict) or content.get("format") != "mpc-evaluation" or "views" not in content:
                raise InputError(place, "is no result of mpc eval")
            try:
                _check_result(content)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InputError(place, f"is damaged: {type(error).__name__} {error}") from error
            return content
    raise InputError(folder, "holds no result.json; run mpc eval first")


def _check_result(content: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError, ValueError or AttributeError where something is missing that comparing needs."""
    for record in map(from_json, content["views"]):
        if not record.failure:
            for name in content["metrics"]:
                float(record.scores[name].value)
    content["run"], dict(content["settings"]), (content["shards"] if "shards" in content else content["files"])


def _check_alike(folders: Sequence[Path], results: Sequence[Mapping[str, Any]]) -> None:
    def basis(result: Mapping[str, Any]) -> dict[str, Any]:
        settings = result["settings"]
        return {
            "protocol": settings.get("protocol", "mpc"),
            "alignment": settings.get("align", "none"),
            "unit": settings.get("unit", "m"),
        }

    def truths(result: Mapping[str, Any]) -> Any:
        if "shards" in result:
            return sorted(result["shards"]["sha256"])
        return sorted({hashes[1] for hashes in result["files"].values()})

    for folder, result in zip(folders[1:], results[1:], strict=True):
        for name, value in basis(result).items():
            expected = basis(results[0])[name]
            if value != expected:
                raise SettingsError(f"{folder}: {name} is {value}, but {expected} in {folders[0]}")
        if truths(result) != truths(results[0]):
            raise SettingsError(f"{folder}: was measured against other true meshes than {folders[0]}")


def _run_names(folders: Sequence[Path], results: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    names = [str(result["run"]) for result in results]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return tuple(names)
