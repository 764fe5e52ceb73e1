"""A place for one value between two threads: the newest wins, so nothing queues up and the delay does not grow."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Newest(Generic[Value]):
    """Holds at most one value. A newer one replaces one that nobody has taken.

    Attributes:
        dropped: number of values that were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: Value | None = None
        self._closed = False
        self.dropped = 0

    def put(self, value: Value) -> None:
        """Offer a value, and wake who waits for one."""
        with self._changed:
            self.dropped += self._value is not None
            self._value = value
            self._changed.notify_all()

    def take(self, timeout: float | None = None) -> Value | None:
        """Wait for a value and take it away.

        Args:
            timeout: how long to wait, seconds; None: for ever.

        Returns:
            The value; None after the timeout, or once the place is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._value is not None or self._closed, timeout)
            value, self._value = (None if self._closed else self._value), None
            self._changed.notify_all()
            return value

    def wait_until_taken(self) -> None:
        """Wait until no value is left here that nobody has taken, or the place is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._value is None or self._closed)

    def close(self) -> None:
        """Let everybody who waits go on with None, now and later."""
        with self._changed:
            self._closed, self._value = True, None
            self._changed.notify_all()
