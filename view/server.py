"""The server behind the pages: viser on one address, refused where the address is taken or viser is missing."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..core.checks import check_ranges
from ..core.errors import MpcError, SettingsError

if TYPE_CHECKING:
    import viser

HERE = "127.0.0.1"
LOCAL = (HERE, "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Where the server listens.

    Attributes:
        host: address to bind to; the default one can be reached from this machine alone.
        port: 0 takes any that is free.
    """

    host: str = HERE
    port: int = 8080

    def __post_init__(self) -> None:
        check_ranges(self, port=(0, 65535))


@dataclass(frozen=True, kw_only=True)
class Caller:
    """How a browser reached the server.

    Attributes:
        path: of the websocket's address, "/" where the browser's address says nothing more.
        origin: of the page, such as "http://127.0.0.1:8080".
        own: whether the page came from this server; another site's page must not read what is shown here.
    """

    path: str
    origin: str
    own: bool


@contextmanager
def open_server(label: str, settings: ServerSettings | None = None) -> Iterator[viser.ViserServer]:
    """Serve pages of viser until the block ends. The y axis points up, and nothing can be shared over other servers.

    Args:
        label: title of the panel.
        settings: None: the defaults.

    Raises:
        MpcError: viser is not installed.
        SettingsError: the address is taken, or is none of this machine's.
    """
    settings = settings or ServerSettings()
    try:
        import viser
    except ImportError as error:
        raise MpcError(f"the viewer needs viser ({error}): pip install 'mpc[view]'") from error

    class Server(viser.ViserServer):
        def request_share_url(self, verbose: bool = True) -> str | None:
            """Refuse: viser would pass the data on through a server of its makers."""
            return None

    port = _free_port(settings)
    with _quiet():
        server = Server(host=settings.host, port=port, label=label, verbose=False)
    try:
        if server.get_port() != port:
            raise _taken(settings)
        server.scene.set_up_direction("+y")
        server.gui.configure_theme(control_width="large", show_logo=False, show_share_button=False)
        yield server
    finally:
        with _quiet():
            server.stop()


def address(server: viser.ViserServer) -> str:
    """What to type into a browser of this machine."""
    host = server.get_host()
    if host in ("0.0.0.0", "::", ""):
        host = HERE
    return f"http://{f'[{host}]' if ':' in host else host}:{server.get_port()}"


def describe_caller(server: viser.ViserServer, client: viser.ClientHandle) -> Caller:
    """How a browser reached the server; viser itself does not say."""
    connection = server._websock_server._live_connections.get(client.client_id)
    request: Any = None if connection is None else connection.request
    if request is None:
        return Caller(path="/", origin=address(server), own=False)
    host = request.headers.get("Host", "")
    origin = request.headers.get("Origin") or f"http://{host}"
    return Caller(path=request.path, origin=origin, own=is_own(origin, host, server.get_host()))


def is_own(origin: str, host: str, bound: str) -> bool:
    """Whether a page comes from this server, and not from another site that the browser shows.

    Args:
        origin: of the page, as the browser says, such as "http://127.0.0.1:8080".
        host: name and port under which the browser reached the server.
        bound: address that the server listens on. Of this machine's own, only this machine's names are taken: a site
            can let its own name point here.
    """
    if origin.partition("://")[2] != host:
        return False
    name = urlsplit(f"//{host}").hostname or ""
    return bound not in LOCAL or name in (*LOCAL, bound)


def _free_port(settings: ServerSettings) -> int:
    """The port to take: viser would try others, or wait for ever, where it cannot have the one that it is given.

    Raises:
        SettingsError: it is taken, may not be used, or the host is none of this machine's.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            if os.name == "posix":  # elsewhere the option lets two servers share a port
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
            return int(trial.getsockname()[1])
    except socket.gaierror as error:
        raise SettingsError(f"--host {settings.host}: no such address ({error.strerror})") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _taken(settings) from error
        reason = error.strerror or str(error)
        raise SettingsError(f"--host {settings.host} --port {settings.port}: cannot be used ({reason})") from error


def _taken(settings: ServerSettings) -> SettingsError:
    return SettingsError(
        f"port {settings.port} of {settings.host} is taken by another program; choose one with --port, "
        "or --port 0 for any that is free"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep viser from printing; commands say themselves what has to be said."""
    import rich

    console = rich.get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before
