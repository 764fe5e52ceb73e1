"""The frame of every report: one HTML file that carries its style sheet and fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path

from ..core.files import write_text


@cache
def read_asset(name: str) -> str:
    """Read a style sheet or script of this folder, so that a page can carry it.

    Args:
        name: file name, for example "report.css".

    Returns:
        The text of the file.
    """
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def section(title: str, body: str, note: str = "") -> tuple[str, str]:
    """Build one section of a page.

    Args:
        title: plain text; the link to the section is derived from it.
        body: HTML.
        note: plain text shown below the title; "" for none.

    Returns:
        The title and the HTML of the section.
    """
    lead = f'<p class="note">{escape(note)}</p>' if note else ""
    return title, f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>{lead}{body}</section>'


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> str:
    """Build a whole page with a link to each section.

    Args:
        title: plain text.
        subtitle: plain text.
        sections: what `section` returned.

    Returns:
        The HTML file as text.
    """
    links = "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name, _ in sections)
    bodies = "".join(body for _, body in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{read_asset('report.css')}</style></head><body>"
        f"<header><h1>{escape(title)}</h1>"
        f"<p>{escape(subtitle)}</p><nav>{links}</nav></header><main>{bodies}</main></body></html>\n"
    )


def write_page(path: Path, title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> None:
    """Write a page to a file: either the whole page is on disk afterwards or nothing is.

    Args:
        path: the HTML file.
        title: plain text.
        subtitle: plain text.
        sections: what `section` returned.
    """
    write_text(path, page(title, subtitle, sections))


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
