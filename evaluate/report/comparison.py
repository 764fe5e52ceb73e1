"""A comparison of several evaluations as a table for the terminal and as a page with charts."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ... import __version__
from ...core.files import write_json
from ...core.settings import to_table
from ...pages.charts import strips
from ...pages.page import section, write_page
from ..compare import Comparison, least_p
from ..metrics.registry import Metric
from ..summary import short


def format_comparison(comparison: Comparison) -> str:
    """Return the comparison as a table for a terminal."""
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
    """Write compare.json and compare.html.

    Args:
        comparison: from `compare_results`.
        out: folder; made where it does not exist.
    """
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
        f"(at best {least_p(len(comparison.subjects)):.2g} with so many)."
    )


def _interval(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.4g}, {interval[1]:.4g}]"
