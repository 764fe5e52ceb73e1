"""Serve the pages of a source until somebody stops it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .content import Known, Source
from .page import Page
from .place import read_place
from .server import ServerSettings, address, describe_caller, open_server

if TYPE_CHECKING:
    import viser


@contextmanager
def serve(source: Source, settings: ServerSettings | None = None) -> Iterator[str]:
    """Serve pages until the block ends; each browser has its own.

    Args:
        source: what is looked at.
        settings: where the server listens; None: the defaults.

    Yields:
        The address.

    Raises:
        MpcError: the names of the source cannot be read, or viser is missing.
        SettingsError: the address cannot be used.
    """
    known = Known(tuple(source.names()))
    with open_server("mpc view", settings) as server:
        pages: dict[int, Page] = {}

        @server.on_client_connect
        def _(client: viser.ClientHandle) -> None:
            caller = describe_caller(server, client)
            if not caller.own:
                client.gui.add_markdown("A page of another server may not show what is here. Open the address itself.")
                return
            page = Page(client, source, known, caller=caller, place=read_place(caller.path))
            pages[client.client_id] = page
            if client.client_id not in server.get_clients():  # it has gone meanwhile
                page.close()

        @server.on_client_disconnect
        def _(client: viser.ClientHandle) -> None:
            page = pages.pop(client.client_id, None)
            if page is not None:
                page.close()

        yield address(server)
        for page in pages.values():
            page.close()


def view(
    source: Source, settings: ServerSettings | None = None, *, tell: Callable[[str], None], open_browser: bool = False
) -> None:
    """Serve pages until Ctrl-C.

    Args:
        source: what is looked at.
        settings: where the server listens; None: the defaults.
        tell: receives lines for the user.
        open_browser: whether to open the page in the browser of this machine.

    Raises:
        MpcError: as `serve`.
    """
    with serve(source, settings) as place:
        tell(f"{source.title}: open {place} (Ctrl-C ends)")
        if open_browser:
            import webbrowser

            if not webbrowser.open(place):
                tell(f"no browser was found here; open {place} yourself")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            tell("ended")
