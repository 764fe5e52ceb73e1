"""Compare evaluations of the same truths: paired differences, their intervals, and whether chance explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ..core.arrays import F64
from ..core.errors import InputError, SettingsError
from ..core.files import read_json
from ..core.randomness import derive_rng
from .metrics.protocols import find_protocol
from .metrics.registry import Metric
from .records import from_json

# Resamples of a bootstrap and random patterns of signs. Up to 13 subjects there are fewer patterns, and all are tried.
RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """One run compared with the first one, in one metric.

    Attributes:
        mean: of the run, over the means of the subjects.
        interval: 95 % bootstrap interval of that mean.
        difference: mean over subjects of this run minus the first; 0 for the first run itself.
        difference_interval: 95 % bootstrap interval of the difference.
        p_value: two-sided; the probability of a difference at least as great if the signs of the subjects' differences
            were random; 1 for the first run itself.
    """

    mean: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Several runs compared with the first one.

    Attributes:
        runs: names; the others are compared with the first.
        protocol: name of the protocol that all were measured by.
        subjects: ids of the subjects that all runs measured.
        views: number of views that all runs measured.
        left_out: keys of views that failed or are missing in a run; no figure includes them.
        differences: by metric, one for each run.
        by_subject: by metric, then by run, the means of the subjects in the order of `subjects`.
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
        """The metrics that all runs were measured by."""
        return tuple(find_protocol(self.protocol).find(name) for name in self.differences)


def compare_results(folders: Sequence[Path], *, seed: int = 0) -> Comparison:
    """Compare evaluations of the same truths, view by view.

    Views of one subject resemble each other, so intervals and p-values resample subjects, not views.

    Args:
        folders: at least two that hold a result.json; the folder of a run stands for its eval/test/.
        seed: of the resampling.

    Raises:
        InputError: a folder holds no result.json, or a damaged one.
        SettingsError: there are fewer than two folders, or they were measured with different protocols, alignments or
            true meshes, or have no metric or view in common.
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
        runs=_run_names(folders, results), protocol=protocol, subjects=tuple(subjects), views=len(kept),
        left_out=tuple(sorted(set(keys) - set(kept))), differences=differences, by_subject=by_subject,
    )  # fmt: skip


def bootstrap_interval(values: F64, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a mean, by scipy.stats.bootstrap.

    Args:
        values: (N,) independent values; a single one is its own interval.
        rng: random stream of the resampling.
        resamples: number of resamples.
    """
    if len(values) == 1:
        return float(values[0]), float(values[0])
    interval = stats.bootstrap(
        (values,), np.mean, n_resamples=resamples, method="percentile", vectorized=True, random_state=rng
    ).confidence_interval
    return float(interval.low), float(interval.high)


def sign_flip_p(differences: F64, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> float:
    """Return the two-sided p-value that paired differences have mean 0, by scipy.stats.permutation_test.

    Args:
        differences: (N,) one per subject; a single one has p = 1.
        rng: random stream of the patterns of signs.
        resamples: number of random patterns; where there are no more than this, each pattern is tried once.
    """
    if len(differences) == 1:
        return 1.0
    result = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=resamples, vectorized=True, batch=1000,
        random_state=rng,
    )  # fmt: skip
    return float(result.pvalue)


def least_p(subjects: int) -> float:
    """Return the smallest p-value that so many subjects can give."""
    return float(2 / min(2**subjects, RESAMPLES + 1))


def _differences(means: F64, seed: int, metric: str) -> tuple[Difference, ...]:
    """Compare the runs in one metric; `means` (R, S) holds the mean of each run and subject."""
    found = []
    for row, values in enumerate(means):
        gap = values - means[0]
        # A paired comparison needs the same resampled subjects for every run, hence a new stream of the same name.
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
    """Raise KeyError, TypeError, ValueError or AttributeError where something that a comparison needs is missing."""
    for record in map(from_json, content["views"]):
        if not record.failure:
            for name in content["metrics"]:
                float(record.scores[name].value)
    content["run"], dict(content["settings"]), (content["shards"] if "shards" in content else content["files"])


def _check_alike(folders: Sequence[Path], results: Sequence[Mapping[str, Any]]) -> None:
    def basis(result: Mapping[str, Any]) -> dict[str, Any]:
        settings = result["settings"]
        return {
            "the version of the evaluation": result.get("version", 1),
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
