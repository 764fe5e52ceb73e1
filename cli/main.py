"""The `mpc` command: a group with one file per command; nothing heavy is imported before a command runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..core import logs
from ..core.errors import MpcError, SettingsError
from ..core.messages import describe_fault
from .check import check
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .exchange import export_, import_
from .fetch import fetch
from .landmarks import landmarks
from .live import live
from .people import people
from .reconstruct import reconstruct
from .render import render
from .sample import sample
from .segment import segment
from .stats import stats
from .train import train
from .verify import verify
from .view import view
from .weights import export_model, import_weights


class Failure(click.ClickException):
    """One line on stderr and an exit status."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it on the class, and reads it on the instance


class MpcGroup(click.Group):
    """Turns errors into one line and an exit status: 1 unusable input or a fault, 2 wrong settings, 130 stopped."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error becomes a message. Of one that is nobody's mistake the log has the traceback."""
        try:
            return super().invoke(ctx)
        except MpcError as error:
            raise Failure(str(error), 2 if isinstance(error, SettingsError) else 1) from error
        except KeyboardInterrupt as stop:
            click.echo("stopped; finished work is kept, and the same command continues from here", err=True)
            raise click.exceptions.Exit(130) from stop
        except OSError as error:
            if error.filename is None and error.errno is None:
                raise Failure(describe_fault(error), 1) from error
            raise Failure(f"{error.filename or 'disk'}: {error.strerror}", 1) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            raise Failure(describe_fault(error), 1) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which one uses them."""
        return list(self.commands)


@click.group(cls=MpcGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="mpc")
@click.option("-v", "--verbose", is_flag=True, help="Print what the library logs.")
def main(verbose: bool) -> None:
    """Monocular performance capture: from scans and rigs to a network that rebuilds a clothed person from one picture.

    The four lines, one after the other, in a folder that holds models/:

    \b
      mpc render models/               posed scenes, 36 lit pictures each  -> renders/
      mpc sample                       occupancy and colour samples        -> shards/
      mpc train                        surface, then texture               -> runs/
      mpc eval --metrics chamfer p2s   the newest run on the test split

    `mpc check models/` reports what is in models/ and whether it can be used. `mpc people models/` makes free people
    for those who have no scans yet, and `mpc demo` runs the whole chain with them.

    An option that takes several values takes them after spaces or commas: --metrics chamfer p2s, --metrics chamfer,p2s.

    Exit status: 0 done, 1 unusable input, 2 wrong usage, 3 done but some subjects failed, 130 stopped.
    """
    # Must be set before torch is imported. Threads that spin while they wait for each other take the core that the last
    # one of them needs, so beside another process a step of training takes many times as long (benchmarks/threads.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO if verbose else logging.WARNING)
    terminal.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    if not verbose:
        terminal.addFilter(lambda record: not record.exc_info)  # the command's own line tells of it
    logging.basicConfig(level=terminal.level, handlers=[terminal])
    logs.log_to(Path(logs.NAME))


for command in (
    people, check, render, sample, stats, landmarks, train, evaluate, fetch, segment, reconstruct, view, live, demo,
    verify, export_, import_, import_weights, export_model, doctor,
):  # fmt: skip
    main.add_command(command)
