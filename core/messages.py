"""Sentences that several commands say: unknown names, long lists, and why a unit of work failed."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Sequence

from .errors import MpcError
from .logs import log_file

logger = logging.getLogger(__name__)

OUT_OF_MEMORY = "needs more memory than it may take (--subject-memory)"


def unknown_name(what: str, name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """The message for a name that does not exist, with the nearest name that does and the list of all.

    Args:
        what: the kind of name, such as "metric".
        name: as the user wrote it.
        known: the names there are.
        prefix: written before the name and before its nearest neighbour, for names inside a table ("surface.").

    Example:
        >>> unknown_name("metric", "chamfr", ["chamfer", "p2s"])
        "unknown metric 'chamfr' (did you mean chamfer?); there are chamfer, p2s"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {prefix}{near[0]}?)" if near else ""
    return f"unknown {what} {prefix + name!r}{hint}; there are {', '.join(names)}"


def first_few(names: Sequence[str], most: int = 8) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def describe_failure(error: Exception) -> str:
    """Why a unit of work failed, in one line for the user.

    One person of thousands must not end the run, whatever is wrong with that person's files. An error that is not a
    known kind of bad input is a fault of mpc: the line asks for a report, and the log holds the traceback.
    """
    if isinstance(error, MpcError):
        return str(error)
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "a file"
        return f"{name}: cannot be read ({error.strerror})"
    return describe_fault(error)


def describe_fault(error: Exception) -> str:
    """One line for an error that is a fault of mpc; its traceback goes to the log."""
    logger.error("unexpected error", exc_info=error)
    words = " ".join(str(error).split())
    where = log_file() or "the log"
    return f"unexpected {type(error).__name__}: {words} ({where} has the traceback; please report it)"
