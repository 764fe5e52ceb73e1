"""`mpc view`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("path", type=options.existing_path)
@click.option(
    "--truth", type=options.existing_path,
    help="True mesh, or folder of them: show errors, P2S and Chamfer of the meshes at PATH.",
)  # fmt: skip
@options.server
def view(path: Path, truth: Path | None, host: str, port: int, open_browser: bool) -> None:
    """Look at PATH in the browser, from every side: a mesh, or a folder of meshes with --truth.

    Needs the extra `view`. Everything is read when it is looked at, and only browsers of this machine reach the page,
    unless --host says otherwise.
    """
    from ..view.recognise import ViewOptions, open_source
    from ..view.serve import view as look
    from ..view.server import ServerSettings

    settings = ServerSettings(host=host, port=port)
    source = open_source(path, ViewOptions(truth=truth))
    look(source, settings, tell=click.echo, open_browser=open_browser)
