"""`mpc live`: everything put together, from the source of the frames to the page."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import InputError, MpcError, SettingsError
from ...models.person.finder import PersonFinder
from ...models.runs import LoadedRun
from ..server import HERE, ServerSettings
from .pipeline import Picture, Pipeline
from .server import LOOPBACK, PageServer
from .session import Session
from .settings import LiveSettings
from .sources import Frames, Player


@dataclass(frozen=True)
class Certificate:
    """What lets browsers trust a server that is not this machine.

    Attributes:
        chain: PEM file of the certificate.
        key: PEM file of its private key.
    """

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """The settings of TLS.

        Raises:
            InputError: a file does not read, or the key is not that of the certificate.
        """
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            made.load_cert_chain(self.chain, self.key, password=lambda: "")
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise InputError(self.chain, f"is no certificate with the key {self.key} ({reason})") from error
        return made


@dataclass(frozen=True)
class Serving:
    """A server at work.

    Attributes:
        address: what to type into a browser.
        session: what is behind its pages.
    """

    address: str
    session: Session


@contextmanager
def serve_live(
    run: LoadedRun,
    finder: Callable[[], PersonFinder],
    settings: LiveSettings | None = None,
    *,
    source: Frames | None = None,
    place: ServerSettings | None = None,
    certificate: Certificate | None = None,
) -> Iterator[Serving]:
    """Serve the page until the block ends.

    Args:
        run: the networks.
        finder: opens the networks that find people, when a frame needs them.
        settings: how to reconstruct; None: the defaults.
        source: of the frames; None: the camera of a browser.
        place: where the server listens; None: the defaults.
        certificate: for TLS; None: without.

    Raises:
        MpcError: the extra `view` is not installed.
        SettingsError: the address cannot be used.
        InputError: the certificate does not read.
    """
    settings, place = settings or LiveSettings(), place or ServerSettings()
    try:
        import websockets  # noqa: F401
    except ImportError as error:
        raise MpcError(f"mpc live needs websockets ({error}): pip install 'mpc[view]'") from error
    tls = None if certificate is None else certificate.context()

    def deliver(viewer: str, picture: Picture) -> None:
        session.deliver(viewer, picture)

    pipeline = Pipeline(run, finder, settings, deliver)
    session = Session(pipeline, "" if source is None else source.title)
    player = None if source is None else Player(source, session.push, session.fail)
    with _served(session, settings, place, tls) as address:
        pipeline.start()
        if player is not None:
            player.start()
        try:
            yield Serving(address, session)
        finally:
            if player is not None:
                player.close()
            pipeline.close()


@contextmanager
def _served(
    session: Session, settings: LiveSettings, place: ServerSettings, tls: ssl.SSLContext | None
) -> Iterator[str]:
    """Run the server in a thread of its own; yields its address."""
    pages = PageServer(session.serve, settings.clients, local=place.host in LOOPBACK)
    ready: list[str | BaseException] = []
    opened, loop = threading.Event(), asyncio.new_event_loop()
    closing = asyncio.Event()

    async def serve() -> None:
        try:
            server = await pages.open(place.host, place.port, tls)
        except SettingsError as error:
            ready.append(error)
            opened.set()
            return
        async with server:
            host = HERE if place.host in ("0.0.0.0", "::", "") else place.host
            port = next(iter(server.sockets)).getsockname()[1]
            ready.append(f"{'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}")
            opened.set()
            telling = asyncio.create_task(session.tell_all())
            await closing.wait()
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="live-server", daemon=True)
    thread.start()
    opened.wait()
    try:
        if isinstance(ready[0], BaseException):
            raise ready[0]
        yield ready[0]
    finally:
        with suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(closing.set)
        thread.join()
        loop.close()
