"""`mpc fetch`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, values


@click.command(cls=values.Command)
@values.paths(
    "--from", "sources", type=options.existing_file, metavar="FILE...",
    help="Wheel of mediapipe 0.10.21, or its .tflite files, instead of a download.",
)  # fmt: skip
def fetch(sources: tuple[Path, ...]) -> None:
    """Get the networks that find a person in a picture, once; nothing else in mpc downloads anything.

    They are Google's BlazePose and selfie segmentation (Apache-2.0). pip downloads the wheel that holds them; they are
    taken out, converted, and kept in the folder MPC_CACHE, or in `mpc` of your cache folder. `mpc segment` and
    `mpc reconstruct` use them.
    """
    from ..models.person.fetch import fetch_networks
    from ..models.person.store import person_folder
    from .progress import TerminalProgress

    with TerminalProgress() as progress:
        written = fetch_networks(sources, progress=progress)
    done = f"{len(written)} networks fetched" if written else "the networks are there already"
    click.echo(f"{done} -> {person_folder()}/")
