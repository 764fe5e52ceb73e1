"""A plain child process that calls functions one after the other, so that one that hangs or dies costs nothing else.

It is started as a new Python and spoken to through its standard input and output, because the processes of a cluster
(Dask's are daemons of `multiprocessing`) may not have children of any other kind. It ends with its parent: also where
the parent is killed, nothing goes on writing.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import platform
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import cloudpickle

from .errors import InputError
from .logs import log_file, log_to

IDLE_S = 300.0  # a child that hears nothing for so long ends: the process of a cluster never closes its own
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ChildDied(Exception):
    """The child process died; the message says how, in words for the user."""


class ChildLate(Exception):
    """The child process did not answer in time."""


class RemoteTraceback(Exception):
    """The cause of an error that a child raised: the traceback there, as text."""


class Child:
    """A process that calls functions.

    Args:
        prepare: called in the new process before anything else.
        folder: where it works, so that relative paths mean what they mean to the caller.

    Raises:
        InputError: the folder is not on this machine.
    """

    def __init__(self, prepare: Callable[[], None], folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(
                folder, f"is not there on {platform.node()}: the machines of a cluster need one shared disk"
            )
        start = {"path": sys.path, "log": None if log_file() is None else str(log_file())}
        code = "import json, sys; start = json.loads(sys.argv[1]); sys.path[:] = start['path']; "
        code += "from mpc.core.child import serve; serve(start['log'])"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(start)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, env=os.environ | ONE_THREAD,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin
        self._answers: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        self._ready = cloudpickle.dumps(prepare)
        self._used = time.monotonic()
        threading.Thread(target=_forward, args=(self._process.stdout, self._answers), daemon=True).start()

    @property
    def is_fresh(self) -> bool:
        """Whether it cannot have ended yet for want of work."""
        return time.monotonic() - self._used < IDLE_S / 2

    def call(
        self,
        function: Callable[[Any], Any],
        argument: Any,
        timeout_s: float | None,
        on_alive: Callable[[], None] | None = None,
    ) -> Any:
        """Call a function in the child and return what it returns.

        Args:
            function: at the top level of a module.
            argument: its only one.
            timeout_s: seconds from the call, or from the last `tell_alive`, to the answer; None sets no bound.
            on_alive: called in this process for each `tell_alive` there.

        Raises:
            ChildDied: the process died.
            ChildLate: there was no answer in time.
            Exception: whatever the function raised, with the traceback of the child as its cause.
        """
        request = cloudpickle.dumps((function, argument))
        try:
            for part in (self._ready, request) if self._ready else (request,):
                pickle.dump(part, self._requests)
            self._requests.flush()
        except OSError:
            raise ChildDied(self._death()) from None
        self._ready = b""
        kind, content = self._wait(timeout_s)
        while kind == "alive":
            if on_alive is not None:
                on_alive()
            kind, content = self._wait(timeout_s)
        self._used = time.monotonic()
        if kind == "raised":
            error, text = content
            raise error from RemoteTraceback(text)
        return content

    def _wait(self, timeout_s: float | None) -> tuple[str, Any]:
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise ChildLate from None
        if answer is None:
            raise ChildDied(self._death())
        return answer

    def _death(self) -> str:
        """Why the process died, from its exit status."""
        try:
            status = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it lives, but what it wrote is no answer
            return "its process wrote over its own memory"
        if status == -signal.SIGKILL:
            return "its process was killed (SIGKILL), most likely for want of memory"
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"exit status {status}"
        return f"its process died ({name})"

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):  # of the rest of a request, which nobody reads any more
            self._requests.close()


def _forward(stream: IO[bytes], answers: queue.SimpleQueue[tuple[str, Any] | None]) -> None:
    """Hand on what the child answers; None at its end. The stream belongs to this thread alone."""
    try:
        with stream:
            while True:
                answers.put(pickle.load(stream))
    except Exception:  # the end of the stream, half an answer, or an answer that cannot be understood
        answers.put(None)


_outlet: IO[bytes] | None = None


def tell_alive() -> None:
    """Restart the time that the running call may take; its function calls this whenever a part of its work is done."""
    if _outlet is not None:
        _answer("alive", None)


def serve(log: str | None) -> None:
    """Answer the parent's calls until there are no more; the child's main function.

    Args:
        log: the parent's log file.
    """
    global _outlet
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt ends
    if log is not None:
        log_to(Path(log))
    # What functions print must not mix with the answers, so the standard output now leads to the standard error.
    inlet, _outlet = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inlet, requests), daemon=True).start()
    pickle.loads(requests.get())()
    while True:
        try:
            request = requests.get(timeout=IDLE_S)
        except queue.Empty:
            return
        try:
            function, argument = pickle.loads(request)
            del request
            answer = "done", function(argument)
            del argument
        except Exception as error:
            answer = "raised", (_sendable(error), traceback.format_exc())
        _answer(*answer)
        del answer


def _listen(inlet: IO[bytes], requests: queue.SimpleQueue[bytes]) -> None:
    """Receive requests; where the parent is gone, end this process in the midst of whatever it does."""
    try:
        while True:
            requests.put(pickle.load(inlet))
    except Exception:
        os._exit(0)


def _sendable(error: Exception) -> Exception:
    """The error, or what it says where its class cannot be made again from its pickle."""
    try:
        pickle.loads(cloudpickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _answer(kind: str, content: Any) -> None:
    assert _outlet is not None
    sys.stdout.flush()  # what was printed is seen even where the process is ended right after its answer
    try:
        data = cloudpickle.dumps((kind, content))
    except Exception as error:
        data = cloudpickle.dumps(("raised", (RuntimeError(f"its record cannot be sent: {error}"), "")))
    try:
        _outlet.write(data)
        _outlet.flush()
    except OSError:
        os._exit(0)  # the parent is gone
