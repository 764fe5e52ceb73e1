"""One browser at the other end of a websocket: it gets the newest picture when it has taken the one before."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from .wire import pack_picture

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

    from .pipeline import Picture

# A browser that takes nothing for so long is let go.
STALLED_S = 20.0
# How long a page shows what was wrong with its own message.
WARN_S = 5.0
NEXT = json.dumps({"next": True})
# A file is sent in pieces of so many bytes: what the browser has taken of it is then known, and pings go between them.
PIECE = 1 << 16


class Client:
    """Sends to one browser. Only the newest picture and the newest state wait for it; nothing queues up.

    Args:
        name: of the viewer, unique on this server.
        socket: of the browser.

    Attributes:
        sent: number of pictures that were sent.
        busy: whether a file is being made for the browser, or sent to it.
    """

    def __init__(self, name: str, socket: ServerConnection) -> None:
        self.name, self.socket = name, socket
        self.sent, self.busy = 0, False
        self._file = b""
        self._picture: Picture | None = None
        self._state: Mapping[str, Any] | None = None
        self._asked = False
        self._warning, self._warned = "", 0.0
        self._wake = asyncio.Event()

    def show(self, picture: Picture) -> None:
        """Let the browser have a picture; of the event loop's thread alone, like all that follows."""
        self._picture = picture
        self._wake.set()

    def tell(self, state: Mapping[str, Any]) -> None:
        """Let the browser have the state."""
        self._state = state
        self._wake.set()

    def ask_for_frame(self) -> None:
        """Ask for the next frame of the browser's camera."""
        self._asked = True
        self._wake.set()

    def warn(self, note: str) -> None:
        """Let the page say something to this viewer alone, for some seconds."""
        self._warning, self._warned = note, time.monotonic()

    @property
    def warning(self) -> str:
        """What `warn` was told; "" after some seconds."""
        return self._warning if time.monotonic() - self._warned < WARN_S else ""

    def give(self, message: bytes) -> None:
        """Let the browser have a file, after which it is no longer `busy`."""
        self._file = message
        self._wake.set()

    async def run(self) -> None:
        """Send whatever is newest until the connection ends."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            picture, self._picture = self._picture, None
            state, self._state = self._state, None
            asked, self._asked = self._asked, False
            file, self._file = self._file, b""
            if asked:
                await self._send(NEXT)
            if state is not None:
                await self._send(json.dumps(state))
            if picture is not None:
                await self._send(pack_picture(picture))
            self.sent += picture is not None
            if file:
                await self._send_file(file)
                self.busy = False

    async def _send(self, message: str | bytes) -> None:
        try:
            await asyncio.wait_for(self.socket.send(message), STALLED_S)
        except TimeoutError:
            self.socket.transport.abort()  # it would not read a farewell either
            raise

    async def _send_file(self, message: bytes) -> None:
        """Send a file, for as long as it takes; a browser that takes nothing of it for so long is let go as well."""
        taken, before = 0, -1

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal taken
            for taken in range(0, len(message), PIECE):
                yield message[taken : taken + PIECE]

        sending = asyncio.ensure_future(self.socket.send(pieces()))
        try:
            while not (await asyncio.wait((sending,), timeout=STALLED_S))[0]:
                if taken == before:
                    self.socket.transport.abort()
                    raise TimeoutError
                before = taken
            sending.result()
        finally:
            sending.cancel()
