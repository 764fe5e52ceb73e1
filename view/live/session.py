"""What a browser may ask for, and what it is told: the pipeline, the recorder and the camera behind all pages."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ...core.arrays import U8
from ...core.errors import MpcError
from .client import Client
from .pipeline import Picture, Pipeline
from .reconstruct import glb_of
from .record import Recorder, write_recording
from .settings import MODES, RESOLUTIONS, Look
from .shots import Shot, Surface
from .wire import FRAME_MESH, RECORDING, pack_file, unpack_shot

_log = logging.getLogger(__name__)
TELL_EVERY_S = 0.25
NO_CAMERA = "no camera yet: press “Use my camera”"


class Session:
    """One camera, one pipeline, many viewers; its coroutines run in one event loop.

    Args:
        pipeline: started and closed by the caller.
        source: what the frames come from, for the page; "" where a browser's camera is waited for.
    """

    def __init__(self, pipeline: Pipeline, source: str = "") -> None:
        self.pipeline, self._source = pipeline, source
        self._loop: asyncio.AbstractEventLoop | None = None
        self.clients: dict[str, Client] = {}
        self._camera: Client | None = None  # the browser whose camera is used
        self._numbers = itertools.count(1)
        self._recorder = Recorder()
        self._making = asyncio.Lock()  # of one mesh at a time
        self._progress = ""
        self._trouble = ""
        self._tasks: set[asyncio.Task[None]] = set()
        pipeline.on_surface = self._recorder.add
        pipeline.on_taken = self._call_soon(self._ask_for_next)

    def deliver(self, viewer: str, picture: Picture) -> None:
        """Hand a picture to a viewer; of any thread."""
        self._call_soon(self._show)(viewer, picture)

    def push(self, content: U8) -> None:
        """Take a frame of the server's own source; of any thread."""
        self._put(content, 0.0)

    def fail(self, reason: str) -> None:
        """Say for good why no more frames come; of any thread."""
        self._trouble = reason

    async def serve(self, client: Client) -> None:
        """Talk with a browser until it is gone."""
        from websockets.exceptions import ConnectionClosed

        self._loop = asyncio.get_running_loop()
        self.clients[client.name] = client
        self.pipeline.look(client.name, Look())
        client.tell(self.state(client))
        try:
            with suppress(ConnectionClosed):  # a browser that is lost takes no leave
                async for message in client.socket:
                    try:
                        self._take(client, message)
                    except (MpcError, ValueError) as error:
                        client.warn(str(error))
                        client.tell(self.state(client))
        finally:
            del self.clients[client.name]
            self.pipeline.leave(client.name)
            self._recorder.stop(client.name)
            if self._camera is client:
                self._camera = None

    async def tell_all(self) -> None:
        """Tell all browsers the state, again and again."""
        self._loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            for client in self.clients.values():
                client.tell(self.state(client))

    def state(self, client: Client) -> dict[str, Any]:
        """What the page of a browser shows."""
        source = self._source
        if not source and self._camera is not None:
            source = "your camera" if self._camera is client else "another browser's camera"
        waiting = "" if source else NO_CAMERA
        return {
            **self.pipeline.meter.report(time.monotonic()), "resolution": self.pipeline.resolution,
            "mode": self.pipeline.mode, "resolutions": RESOLUTIONS, "modes": MODES, "source": source,
            "camera": not self._source, "using": self._camera is client,
            "note": client.warning or self._trouble or waiting or self.pipeline.note,
            "clients": len(self.clients), "dropped": self.pipeline.shots.dropped,
            "recording": self._recorder.owner == client.name,
            "progress": self._progress or self._recorder.describe(),
        }  # fmt: skip

    def _take(self, client: Client, message: str | bytes) -> None:
        """Do what a message asks for.

        Raises:
            ValueError: it is no message of our page.
            MpcError: it cannot be done now.
        """
        if isinstance(message, bytes):
            stamp, content = unpack_shot(message)
            if client is not self._camera:
                raise MpcError("the camera of this page is not in use")
            self._put(content, stamp)
            return
        try:
            table = json.loads(message)
        except (ValueError, RecursionError) as error:
            raise ValueError("the message is no JSON") from error
        actions: dict[str, Callable[[Client, Any], None]] = {
            "view": self._look, "resolution": self._set_resolution, "mode": self._set_mode, "camera": self._use_camera,
            "mesh": self._send_mesh, "record": self._record,
        }  # fmt: skip
        if not isinstance(table, dict) or not set(table) <= set(actions):
            raise ValueError(f"expected an object of {', '.join(actions)}")
        for name, value in table.items():
            actions[name](client, value)

    def _look(self, client: Client, value: Any) -> None:
        self.pipeline.look(client.name, Look.read(value))

    def _set_resolution(self, client: Client, value: Any) -> None:
        if value not in RESOLUTIONS:
            raise ValueError(f"resolution {value!r}: expected one of {', '.join(map(str, RESOLUTIONS))}")
        self.pipeline.resolution = int(value)

    def _set_mode(self, client: Client, value: Any) -> None:
        if value not in MODES:
            raise ValueError(f"mode {value!r}: expected one of {', '.join(MODES)}")
        self.pipeline.mode = str(value)

    def _use_camera(self, client: Client, value: Any) -> None:
        if not value:
            self._camera = None if self._camera is client else self._camera
            return
        if self._source:
            raise MpcError(f"this server shows {self._source}")
        if self._camera not in (None, client):
            raise MpcError("another browser's camera is in use")
        self._camera = client
        client.ask_for_frame()

    def _put(self, content: U8 | bytes, stamp: float) -> None:
        self.pipeline.shots.put(Shot(next(self._numbers), time.monotonic(), content, stamp))

    def _ask_for_next(self, shot: Shot) -> None:
        """Let the camera send its next frame, now that the one before has been taken."""
        if self._camera is not None:
            self._camera.ask_for_frame()

    def _show(self, viewer: str, picture: Picture) -> None:
        if viewer in self.clients:
            self.clients[viewer].show(picture)

    def _send_mesh(self, client: Client, value: Any) -> None:
        _require_idle(client)
        surface = self.pipeline.latest
        if surface is None:
            raise MpcError("there is no frame yet")

        def make() -> bytes:
            return pack_file(FRAME_MESH, glb_of(self.pipeline.surfaces.mesh(surface)))

        self._start(client, make)

    def _record(self, client: Client, value: Any) -> None:
        if value:
            self._recorder.start(client.name)
            return
        _require_idle(client)  # before anything is taken from the recording
        kept: list[Surface] = self._recorder.stop(client.name)
        if not kept:
            raise MpcError("nothing was recorded")

        def make() -> bytes:
            return pack_file(RECORDING, write_recording(kept, self.pipeline.surfaces.mesh, self._report))

        self._start(client, make)

    def _start(self, client: Client, make: Callable[[], bytes]) -> None:
        """Make a file beside the pipeline, and send it to who asked for it, unless that browser has gone."""
        client.busy = True

        async def work() -> None:
            async with self._making:
                if client.name not in self.clients:
                    return
                try:
                    client.give(await asyncio.to_thread(make))
                except MpcError as error:
                    client.warn(str(error))
                    client.busy = False
                except Exception as error:
                    _log.warning("a file was not made", exc_info=error)
                    client.warn(f"the file could not be made ({type(error).__name__}: {error})")
                    client.busy = False
                finally:
                    self._progress = ""

        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _report(self, words: str) -> None:
        self._progress = words

    def _call_soon(self, work: Callable[..., None]) -> Callable[..., None]:
        """A function for other threads that lets the event loop do the work; before it runs, there is no work."""

        def call(*values: Any) -> None:
            loop = self._loop
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(work, *values)

        return call


def _require_idle(client: Client) -> None:
    """Raises MpcError while a file that the browser asked for is being made or sent."""
    if client.busy:
        raise MpcError("the file before is still being made or sent; try again when it is here")
