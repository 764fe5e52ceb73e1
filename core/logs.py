"""The log file: tracebacks of unexpected errors go there, so that the user reads one line and a report has the rest."""

from __future__ import annotations

import logging
from pathlib import Path

NAME = "mpc.log"
FORMAT = "%(asctime)s %(levelname)s %(name)s, process %(process)d: %(message)s"

_handler: logging.FileHandler | None = None


def log_to(path: Path | None) -> None:
    """Append the errors that mpc logs to a file from now on, also those of the processes that guard units of work.

    Args:
        path: made when the first of them happens; None ends the log.
    """
    global _handler
    logger = logging.getLogger("mpc")
    if _handler is not None:
        logger.removeHandler(_handler)
        _handler.close()
        _handler = None
    if path is not None:
        _handler = logging.FileHandler(path.absolute(), delay=True, encoding="utf-8", errors="backslashreplace")
        _handler.setLevel(logging.ERROR)
        _handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(_handler)


def log_file() -> Path | None:
    """The absolute path of the log file; None where there is none."""
    return None if _handler is None else Path(_handler.baseFilename)
