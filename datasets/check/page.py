"""check.html: the rows of a check with a small picture of each subject, in one self-contained file."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from ...core.files import write_text
from ...pages.page import read_asset
from .models import COLUMNS, CheckSummary, row
from .subject import SubjectReport

# What is wrong stands beside the name, where narrow windows show it, too.
PAGE_COLUMNS = ("subject", "state", *(name for name in COLUMNS if name not in ("subject", "state")))


def write_check_page(path: Path, summary: CheckSummary) -> None:
    """Write the page; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, check_page(summary))


def check_page(summary: CheckSummary) -> str:
    """The page as HTML."""
    counts = "".join(
        f'<b class="{state}">{summary.count(state)} {label}</b>'
        for state, label in (("ok", "ok"), ("warning", "with warnings"), ("failed", "cannot be used"))
    )
    counts += "".join(f'<b class="failed">{escape(place)}: {escape(reason)}</b>' for place, reason in summary.failures)
    head = "".join(f"<th>{name}</th>" for name in ("", *PAGE_COLUMNS))
    body = "".join(_row(report, f"{summary.models}/") for report in summary.reports)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>mpc check {escape(str(summary.models))}</title><style>\n{read_asset('check.css')}</style></head><body>"
        f'<header><h1>{escape(str(summary.models))}</h1><div class="counts">{counts}</div>'
        '<div class="tools"><input type="search" placeholder="show rows with ..." aria-label="filter"></div></header>'
        f"<main><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></main>"
        f"<script>\n{read_asset('check.js')}</script></body></html>\n"
    )


def _row(report: SubjectReport, prefix: str) -> str:
    cells = dict(zip(COLUMNS, (escape(cell) for cell in row(report)), strict=True))
    picture = ""
    if report.picture:
        data = base64.b64encode(report.picture).decode("ascii")
        picture = f'<img alt="front and side" src="data:image/jpeg;base64,{data}">'
    remarks = [report.error.removeprefix(prefix)] if report.error else list(report.warnings)
    said = f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in remarks)}</ul>" if remarks else ""
    size = f"{report.file_bytes / 1e6:.2f} MB" if report.file_bytes else ""
    cells["subject"] = f"<b>{cells['subject']}</b><small>{escape(report.source)} {size}</small>"
    cells["state"] = f'<b class="{report.state}">{report.state}</b>{said}'
    for name, why in (("unit", "unit"), ("up", "up")):
        cells[name] = f'<span title="{escape(report.reasons.get(why, ""), quote=True)}">{cells[name]}</span>'
    if report.facing:
        why = escape(report.reasons.get("facing", ""), quote=True)
        cells["up"] += f'<small title="{why}">facing {escape(report.facing)}</small>'
    if report.vertices:
        cells["faces"] += f"<small>{report.vertices} vertices</small>"
    if report.open_edges:
        cells["closed"] += f"<small>{report.open_edges} open edges</small>"
    if report.materials:
        cells["textures"] += (
            f"<small>{len(report.materials)} material{'s' if len(report.materials) > 1 else ''}</small>"
        )
    kinds = {"subject": "name", "clips": "clips", "state": "state"}
    body = "".join(f'<td class="{kinds.get(name, "")}">{cells[name]}</td>' for name in PAGE_COLUMNS)
    return f'<tr class="{report.state}"><td>{picture}</td>{body}</tr>'
