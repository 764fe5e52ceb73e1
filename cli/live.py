"""`mpc live`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from ..view.live.sources import Frames


@click.command()
@click.option(
    "--film", type=options.existing_file, help="Play a film, over and over, in place of the browser's camera."
)
@click.option("--camera", type=click.IntRange(min=0), help="Use a camera of this machine by its number (Linux).")
@click.option(
    "--run", type=options.run_folder,
    help="Run to use, a folder of runs to take the newest of, or base, the networks of the package.  [default: runs, "
    "or base where there is no run]",
)  # fmt: skip
@click.option(
    "--resolution", type=click.IntRange(65, 513), default=129, metavar="65|129|257|513",
    help="Number of nodes along an edge of the view cube; the page can change it.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(["fast", "lossless", "visible"]), default="fast",
    help="Interpolate the last level, evaluate the network wherever it matters, or localise what each viewer sees for "
    "that viewer alone; the page can change it.",
)  # fmt: skip
@click.option("--height", "height_m", type=float, default=1.7, help="Assumed height of the standing person, metres.")
@click.option("--size", type=click.IntRange(64, 1024), default=256, help="Edge of the drawn picture, pixels.")
@click.option("--clients", type=click.IntRange(1, 256), default=16, help="Greatest number of browsers at a time.")
@click.option("--certificate", type=options.existing_file, help="PEM file of a certificate, to serve over TLS.")
@click.option("--key", type=options.existing_file, help="PEM file of its private key.")
@options.photo_colours
@click.option(
    "--fit-bodies", is_flag=True,
    help="Fit a body to the landmarks for networks that read one, which takes a tenth of a second a frame.",
)  # fmt: skip
@options.device
@options.server
def live(
    film: Path | None, camera: int | None, run: Path | None, certificate: Path | None, key: Path | None, device: str,
    host: str, port: int, open_browser: bool, **settings: Any,
) -> None:  # fmt: skip
    """Show whoever moves before a camera in 3D, in the browser, while they move.

    The camera is that of the browser, which has it on localhost and over TLS alone (docs/live.md has a recipe for
    servers). The person is found by the networks of `mpc fetch`. Needs the extra `view`; --film and --camera need
    `films`.
    """
    if film is not None and camera is not None:
        raise click.UsageError("--film and --camera: one of them alone")
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key belong together")
    from ..core.devices import choose_device
    from ..core.errors import MpcError
    from ..models.person.store import require_networks
    from ..models.runs import load_run
    from ..models.shipped import choose_run
    from ..reconstruct.capture.people import lazy_finder
    from ..view.live.live import Certificate, serve_live
    from ..view.live.settings import LiveSettings
    from ..view.server import ServerSettings

    chosen, place = LiveSettings(**settings), ServerSettings(host=host, port=port)
    source = _open_source(film, camera)
    folder, remark = choose_run(run or Path("runs"), None if run else Path("runs"))
    loaded = load_run(folder, choose_device(device)[0])
    if remark:
        click.echo(remark, err=True)
    try:
        require_networks()
    except MpcError as error:  # the page opens, says the same, and goes on once they are there
        click.echo(str(error), err=True)
    tls = None if certificate is None or key is None else Certificate(certificate, key)
    with serve_live(loaded, lazy_finder(), chosen, source=source, place=place, certificate=tls) as serving:
        click.echo(f"open {serving.address} (Ctrl-C ends)")
        if open_browser:
            click.launch(serving.address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("ended")


def _open_source(film: Path | None, camera: int | None) -> Frames | None:
    """The source of the frames; None for the browser's camera."""
    from ..view.live.sources import CameraFrames, FilmFrames

    if film is not None:
        return FilmFrames(film)
    return None if camera is None else CameraFrames(camera)
