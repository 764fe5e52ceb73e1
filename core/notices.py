"""Remarks on subjects: each is logged in the folder that a command writes, and the user is shown one a subject."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .files import sync, write_bytes

LOG = "notices.log"


def log_notices(folder: Path, notices: Iterable[str]) -> tuple[str, ...]:
    """Append notices to the folder's log.

    Args:
        folder: what the command writes to.
        notices: "subject: text" or "subject/scene: text".

    Returns:
        Those that the log did not hold yet, in order: an earlier run has shown the others already.
    """
    path = folder / LOG
    known = set(path.read_text(encoding="utf-8", errors="replace").splitlines()) if path.is_file() else set()
    new = [notice for notice in dict.fromkeys(notices) if printable(notice) not in known]
    if new:
        # One write, so that the lines of two processes that share the folder do not mix.
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{printable(notice)}\n" for notice in new))
        sync(path)
    return tuple(new)


def sort_log(folder: Path) -> None:
    """Sort the folder's log, so that it does not depend on which subject was done first."""
    path = folder / LOG
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        write_bytes(path, "".join(f"{line}\n" for line in sorted(set(lines))).encode(), shared=True)


def one_a_subject(notices: Iterable[str]) -> list[tuple[str, str, int]]:
    """The first notice of each subject.

    Args:
        notices: "subject: text" or "subject/scene: text".

    Returns:
        For each subject, in order: its id, the text, and how many more notices of it there are.
    """
    first: dict[str, tuple[str, int]] = {}
    for notice in notices:
        name, _, text = notice.partition(": ")
        subject = name.split("/")[0]
        said, more = first.get(subject, (text, -1))
        first[subject] = said, more + 1
    return [(subject, text, more) for subject, (text, more) in first.items()]


def printable(text: str) -> str:
    """Text in one line. Names out of files may hold characters that move a terminal's cursor: they become ?."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
