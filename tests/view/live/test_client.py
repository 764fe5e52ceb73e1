"""What is sent to one browser: a slow one is waited for, one that takes nothing is let go; on a clock of its own."""

import asyncio
from types import SimpleNamespace

import pytest

from mpc.view.live.client import NEXT, PIECE, STALLED_S, Client


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next thing that is due, so that nothing has to be waited for."""

    now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0].when())
        super()._run_once()


class Socket:
    """A browser that takes each message, or each piece of one, after so many seconds; of a file so many pieces."""

    def __init__(self, seconds, most=10**6):
        self.seconds, self.most, self.aborted = seconds, most, False
        self.got, self.pieces = [], 0
        self.transport = SimpleNamespace(abort=self._abort)

    def _abort(self):
        self.aborted = True

    async def send(self, message):
        if isinstance(message, str):
            await asyncio.sleep(self.seconds)
            self.got.append(message)
            return
        whole = b""
        async for piece in message:
            assert len(piece) <= PIECE
            await asyncio.sleep(self.seconds if self.pieces < self.most else 1e9)
            self.pieces, whole = self.pieces + 1, whole + piece
        self.got.append(whole)


def run(work):
    """The seconds that a coroutine takes."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(work)
        return runner.get_loop().now


def test_a_slow_browser_gets_its_file_however_long_it_takes():
    file, socket = bytes(range(256)) * 256 * 20 + b"end", Socket(0.9 * STALLED_S)

    async def work():
        client = Client("anna", socket)
        client.busy = True
        client.give(file)
        sending = asyncio.create_task(client.run())
        while client.busy:
            await asyncio.sleep(1.0)
        client.ask_for_frame()
        await asyncio.sleep(STALLED_S)
        sending.cancel()

    seconds = run(work())
    assert socket.got == [file, NEXT]
    assert socket.pieces == 21
    assert not socket.aborted
    assert seconds == pytest.approx((21 * 0.9 + 1) * STALLED_S, abs=2.0)


@pytest.mark.parametrize("most", [0, 3])
def test_a_browser_that_takes_no_more_of_a_file_is_let_go(most):
    socket, began = Socket(0.1, most), []

    async def work():
        client = Client("anna", socket)
        client.give(bytes(10 * PIECE))
        with pytest.raises(TimeoutError):
            await client.run()
        began.append(asyncio.get_running_loop().time())

    run(work())
    assert (socket.aborted, socket.pieces, socket.got) == (True, most, [])
    assert STALLED_S <= began[0] <= 3 * STALLED_S


def test_a_browser_that_takes_no_message_is_let_go():
    socket = Socket(1e9)

    async def work():
        client = Client("anna", socket)
        client.tell({"note": ""})
        with pytest.raises(TimeoutError):
            await client.run()

    assert run(work()) == pytest.approx(STALLED_S)
    assert socket.aborted
