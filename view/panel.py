"""The text of the panel as HTML; everything that comes from files is escaped."""

from __future__ import annotations

import html

from ..core.files import legible
from .content import Content
from .place import Place, link

STYLE = """<style>
.mpc { font-size: 13px; line-height: 1.4; padding: 0 0.75em; overflow-wrap: anywhere;
  --ink: #22272d; --soft: #69727c; --line: #d8dde2; }
.mpc table { border-collapse: collapse; width: 100%; }
.mpc td { padding: 1px 8px 1px 0; vertical-align: top; }
.mpc td:first-child { color: var(--soft); white-space: nowrap; overflow-wrap: normal; }
.mpc .remark { color: #8a5a00; margin: 4px 0; }
.mpc .problem { color: #b3261e; font-weight: 600; margin: 4px 0; }
.mpc .chart { margin: 0 0 10px; }
.mpc .chart svg { width: 100%; height: auto; display: block; background: #fff; }
.mpc .chart .title { font-size: 15px; font-weight: 600; fill: var(--ink); }
.mpc .chart .tick, .mpc .chart .label, .mpc .chart .note { font-size: 13px; fill: var(--soft); }
.mpc .chart .grid { stroke: var(--line); }
.mpc .legend { font-size: 12px; }
.mpc .legend span { margin-right: 14px; }
.mpc .legend i { display: inline-block; width: 14px; height: 3px; vertical-align: middle; margin-right: 5px; }
</style>"""


def facts_html(content: Content, *, busy: bool = False) -> str:
    """What is known of the thing that is shown, what is wrong with it, and its curves.

    Args:
        content: what is shown.
        busy: whether more is being computed.
    """
    problem = f'<p class="problem">{escape(content.problem)}</p>' if content.problem else ""
    remarks = "".join(f'<p class="remark">{escape(remark)}</p>' for remark in content.remarks)
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in content.facts.items())
    more = '<p class="note">more is being computed …</p>' if busy else ""
    table = f"<table>{rows}</table>" if rows else ""
    return f'{STYLE}<div class="mpc">{problem}{table}{remarks}{more}{content.charts}</div>'


def link_html(place: Place, origin: str) -> str:
    """A link that opens the same thing again."""
    target = escape(link(place, origin))
    words = f'<a href="{target}" target="_blank">link to what is shown</a>'
    return f'{STYLE}<div class="mpc" style="padding-bottom:0.75em">{words}</div>'


def title_html(title: str) -> str:
    """What is looked at."""
    return f'{STYLE}<div class="mpc"><b>{escape(title)}</b></div>'


def escape(text: str) -> str:
    """Text as HTML; bytes of file names that are no UTF-8, which cannot be sent, are written out."""
    return html.escape(legible(text), quote=True)
