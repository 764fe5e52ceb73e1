"""Note under which terms a subject's files came, so that whoever publishes what was made of them sees it."""

from __future__ import annotations

import re
from pathlib import Path

NAMES = re.compile(r"(?:licen[cs]es?|copying|terms)(?:[._-].*)?(?:\.(?:txt|md|rst|html|pdf))?", re.IGNORECASE)
LONGEST = 200  # characters of a licence file that are quoted
READ_BYTES = 4096


class Licences:
    """Finds what is known of the licences of a model directory's subjects; each folder is listed once.

    Args:
        models: the model directory; nothing above it is looked at.
    """

    def __init__(self, models: Path) -> None:
        self._models = models
        self._found: dict[Path, Path | None] = {}

    def note(self, folder: Path, terms: str = "") -> str:
        """What is known of a subject's licence: the beginning of the nearest licence file, or its data set's terms.

        Args:
            folder: where the subject's file is.
            terms: what is known of the data set that the subject belongs to.

        Returns:
            One line; "" where nothing is known.
        """
        path = self._nearest(folder)
        if path is None:
            return terms
        name, quoted = path.relative_to(self._models).as_posix(), _beginning(path)
        return f"{name}: {quoted}" if quoted else name

    def _nearest(self, folder: Path) -> Path | None:
        """The licence file in a folder or in those above it, up to the model directory."""
        if folder not in self._found:
            try:
                own = sorted(path for path in folder.iterdir() if NAMES.fullmatch(path.name) and path.is_file())
            except OSError:
                own = []
            above = None if self._models not in folder.parents else self._nearest(folder.parent)
            self._found[folder] = own[0] if own else above
        return self._found[folder]


def _beginning(path: Path) -> str:
    """The first words of a text file, in one line; "" for other files."""
    try:
        with path.open("rb") as file:
            text = file.read(READ_BYTES).decode("utf-8", "strict" if path.suffix.lower() == ".pdf" else "replace")
    except (OSError, UnicodeDecodeError):
        return ""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    words = words.lstrip("#*= ")
    return words if len(words) <= LONGEST else words[:LONGEST].rsplit(" ", 1)[0] + " ..."
