"""The server of `mpc live`: one page, and one websocket for each browser that opens it."""

from __future__ import annotations

import asyncio
import http
import itertools
import logging
import ssl
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...core.errors import SettingsError
from .client import Client
from .wire import MOST_BYTES

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

FILES = {
    "/": ("live.html", "text/html"),
    "/live.js": ("live.js", "text/javascript"),
    "/live.css": ("live.css", "text/css"),
}
SOCKET = "/socket"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# The page takes nothing from elsewhere, and no other site may frame it.
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'none'"
)
_log = logging.getLogger(__name__)
FULL = 1013  # "try again later" (RFC 6455, registry of close codes)

Serve = Callable[[Client], Awaitable[None]]
"""Talks with one browser until the connection ends."""


class PageServer:
    """Serves the page and connects browsers; of an event loop.

    Args:
        serve: talks with one browser.
        most: greatest number of browsers.
        local: only this machine can reach the server, so other names in the address are refused.
    """

    def __init__(self, serve: Serve, most: int, *, local: bool) -> None:
        self._serve, self._most, self._local = serve, most, local
        self._numbers = itertools.count(1)
        self.clients: dict[str, Client] = {}

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> Server:
        """Listen.

        Raises:
            SettingsError: the address cannot be used.
        """
        from websockets.asyncio.server import serve

        try:
            return await serve(
                self._talk, host, port, ssl=tls, process_request=self._answer, max_size=MOST_BYTES, compression=None,
                max_queue=4, ping_interval=30, ping_timeout=60, server_header=None,
            )  # fmt: skip
        except OSError as error:
            raise SettingsError(
                f"--host {host} --port {port}: cannot be used ({error.strerror or error}); --port 0 takes a free one"
            ) from error

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request for a file; None lets a websocket be opened."""
        if not self._is_own(request):
            return connection.respond(http.HTTPStatus.FORBIDDEN, "This page belongs to another address.\n")
        path = urlsplit(request.path).path
        if path == SOCKET:
            return None
        if path not in FILES:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        name, kind = FILES[path]
        response = connection.respond(http.HTTPStatus.OK, (resources.files(__package__) / name).read_text("utf-8"))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = f"{kind}; charset=utf-8"
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-store"
        return response

    def _is_own(self, request: Request) -> bool:
        """Whether a request comes from this server's own page: other sites must not see through somebody's camera.

        A browser states the page's site as Origin. On this machine alone, the address has to be a name of this
        machine, too: another site could have its own name point here (DNS rebinding).
        """
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return False
        return not self._local or urlsplit(f"//{host}").hostname in LOOPBACK

    async def _talk(self, socket: ServerConnection) -> None:
        if len(self.clients) >= self._most:
            await socket.close(FULL, f"{self._most} browsers are connected, and no more are let in")
            return
        client = Client(f"viewer {next(self._numbers)}", socket)
        self.clients[client.name] = client
        sending = asyncio.create_task(client.run())
        sending.add_done_callback(lambda task: _end(task, socket))
        try:
            await self._serve(client)
        finally:
            sending.cancel()
            del self.clients[client.name]


def _end(sending: asyncio.Task[None], socket: ServerConnection) -> None:
    """When nothing more is sent to a browser: the connection is over, or ends here, so that the page opens another."""
    from websockets.exceptions import ConnectionClosed

    error = None if sending.cancelled() else sending.exception()
    if error is not None and not isinstance(error, (ConnectionClosed, TimeoutError)):
        _log.warning("a browser is let go", exc_info=error)
        socket.transport.abort()
