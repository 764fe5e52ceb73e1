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
@click.option("--run", type=options.existing_folder, help="With shards: the run whose mining weights draw views.")
@click.option("--shards", type=options.existing_folder, help="With a run: the shards that hold its hardest views.")
@options.server
def view(
    path: Path, truth: Path | None, run: Path | None, shards: Path | None, host: str, port: int, open_browser: bool
) -> None:
    """Look at PATH in the browser: data and results, from every side.

    PATH is a model directory, a folder of renders or shards, a run, a mesh (or a folder of meshes with --truth), or the
    folder of a film that was reconstructed. Needs the extra `view`. Everything is read when it is looked at, and only
    browsers of this machine reach the page, unless --host says otherwise.
    """
    from ..view.recognise import ViewOptions, open_source
    from ..view.serve import view as look
    from ..view.server import ServerSettings

    settings = ServerSettings(host=host, port=port)
    source = open_source(path, ViewOptions(truth=truth, run=run, shards=shards))
    look(source, settings, tell=click.echo, open_browser=open_browser)
