"""The frame of a report: one HTML file with its style inside, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..core.files import write_text

_STYLE = """
:root { --ink: #2b2a28; --soft: #76726b; --line: #e3dfd8; --paper: #fbfaf8; --panel: #ffffff; --accent: #2a6fb0; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
header, main { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 36px; }
h1 { font-size: 30px; font-weight: 650; margin: 0 0 4px; letter-spacing: -0.01em; }
header p, .note, figcaption, small { color: var(--soft); }
nav { margin: 14px 0 0; display: flex; flex-wrap: wrap; gap: 6px 16px; }
nav a { color: var(--accent); text-decoration: none; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 20px 24px; margin: 22px 0; }
h2 { font-size: 20px; margin: 0 0 10px; }
h3 { font-size: 16px; margin: 18px 0 8px; }
h3 small { font-weight: 400; margin-left: 8px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin-bottom: 18px; }
.tiles div { border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; display: flex;
  flex-direction: column; }
.tiles b { font-weight: 600; color: var(--soft); }
.tiles strong { font-size: 24px; font-weight: 650; }
.tiles span { font-size: 12.5px; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; margin: 6px 0; }
th, td { padding: 5px 10px; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child { text-align: left; font-weight: 500; }
tr.mean > * { font-weight: 650; border-top: 2px solid var(--ink); }
td small, th small { font-weight: 400; font-size: 12px; }
.failed { color: #a3302a; }
figure { margin: 8px 0; }
figure img { display: block; max-width: 100%; border-radius: 6px; }
figcaption { font-size: 13px; margin-top: 4px; }
.row { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 4.4fr); gap: 20px; align-items: start; }
.row > figure img { width: 100%; }
.strips { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px 20px; }
@media (min-width: 761px) { .thirds { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 14px; } }
.thirds img { width: 100%; }
.strips figure, .card { margin: 0; }
.thumbs { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 12px; }
.thumbs figure { margin: 0; }
.thumbs img { width: 100%; }
.thumbs figcaption { font-size: 11px; line-height: 1.35; overflow-wrap: anywhere; }
.strips img, .card img { width: 100%; }
.example + .example { border-top: 1px solid var(--line); margin-top: 18px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 18px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 14px; }
.chart { margin: 0; }
.chart svg { width: 100%; height: auto; display: block; }
.chart .title { font-size: 14px; font-weight: 600; fill: var(--ink); }
.chart .tick, .chart .label, .chart .note { font-size: 11.5px; fill: var(--soft); }
.chart .small { font-size: 9.5px; }
.chart .grid { stroke: var(--line); }
.viewer .buttons { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0; }
.viewer button { font: inherit; padding: 5px 14px; border: 1px solid var(--line); border-radius: 8px; cursor: pointer;
  background: var(--paper); color: var(--ink); }
.viewer button[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: #fff; }
.viewer .panes { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }
.viewer canvas { width: 100%; display: block; border: 1px solid var(--line); border-radius: 8px; cursor: grab;
  touch-action: none; }
.ramp { display: flex; align-items: center; gap: 10px; font-size: 13px; color: var(--soft); margin: 8px 0; }
.ramp i { height: 12px; flex: 0 1 340px; border-radius: 6px; }
td.better { color: #1f7a44; } td.worse { color: #a3302a; }
.legend span { margin-right: 14px; }
.legend i { display: inline-block; width: 14px; height: 3px; vertical-align: middle; margin-right: 5px; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--accent); }
pre { overflow-x: auto; font-size: 12.5px; background: var(--paper); padding: 12px; border-radius: 6px; }
@media (max-width: 760px) { .row, .strips { grid-template-columns: 1fr; } .cards { grid-template-columns: 1fr; } }
"""


def section(title: str, body: str, note: str = "") -> tuple[str, str]:
    """A title and its HTML; `body` is HTML already, `note` is plain text."""
    lead = f'<p class="note">{escape(note)}</p>' if note else ""
    return title, f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>{lead}{body}</section>'


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> str:
    """The whole file."""
    links = "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name, _ in sections)
    bodies = "".join(body for _, body in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><header><h1>{escape(title)}</h1>"
        f"<p>{escape(subtitle)}</p><nav>{links}</nav></header><main>{bodies}</main></body></html>\n"
    )


def write_page(path: Path, title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> None:
    """Write `page` to a file, which is whole or not there."""
    write_text(path, page(title, subtitle, sections))


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
