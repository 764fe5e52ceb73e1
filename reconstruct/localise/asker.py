"""What asks a field questions, call by call, until it knows enough: a search, and an interpolated level."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

from ...core.arrays import F32, I32, Array
from ...core.kernels import load_warp
from .device import Device


class Asker(ABC):
    """Its state is on the device: registers, lists of nodes and values, questions, answers.

    On a CPU the host calls `proceed`, evaluates the field at the points that it returns, and hands the values to
    `give`, until no points are returned. A host that works ahead queues `queue_jobs`, `queue_points`, a call of the
    field and `queue_answers`, as often as may be needed, then `queue_end`, and looks once whether all has ended.

    Attributes:
        device: where.
        chunk: greatest number of points between two answers.
        state: the memory; a Warp structure that begins with the registers of `Call`.
        states: the same as kernels take it, an array of one.
    """

    def __init__(self, device: Device, chunk: int) -> None:
        self.device, self.chunk = device, chunk
        self.state: Any = None
        self.states: Any = None
        self.restart()

    @abstractmethod
    def restart(self) -> None:
        """Begin, or begin anew with more room."""

    @abstractmethod
    def proceed(self) -> F32 | None:
        """The points (N, 3) whose values are due, at most `chunk`; None at the end."""

    @abstractmethod
    def queue_jobs(self) -> None:
        """Decide and work, as often as is usual between two calls of the field."""

    @abstractmethod
    def queue_answers(self) -> None:
        """Take the values at the points of the call out of `state.answers`."""

    @abstractmethod
    def queue_end(self) -> None:
        """Do what is left to do where nothing is left to ask."""

    @abstractmethod
    def has_ended(self, regs: I32) -> bool:
        """Whether the registers are those of one that has ended; one without room begins anew."""

    def use(self, state: Any, kind: Any) -> None:
        """Take new memory into use, that of a structure of `kind`; on a CPU the host shares it."""
        self.state = state
        self.states = self.device.pack(state, kind)
        if not self.device.ahead:
            self._regs: I32 = self.device.look(state.regs)
            self._answers: Array = self.device.look(state.answers)
            self._points: Array = self.device.look(state.points)

    @property
    def overflows(self) -> bool:
        """Whether a list had no room; on a CPU."""
        return bool(self._regs[_kernels().Call.OVERFLOW])

    def due(self) -> F32 | None:
        """The points whose values are due, on a CPU."""
        call = _kernels().Call
        first, last = int(self._regs[call.ANSWERED]), int(self._regs[call.ASKED])
        points: F32 = self._points[first : min(last, first + self.chunk)]
        return points if len(points) else None

    def give(self, values: F32) -> None:
        """The values (N,) at the points that `proceed` returned."""
        self._answers[: len(values)] = values

    def queue_points(self, points: Any) -> None:
        """Write the points whose values are due into `points`, (chunk,) Warp vectors."""
        self.device.launch(_kernels().show_points, [self.state.regs, self.state.points, points], self.chunk)

    def close_call(self) -> None:
        """Queue the end of a call, once its answers are taken."""
        self.device.launch(_kernels().close_call, [self.state.regs, self.state.answers], 1)

    @property
    def arrays(self) -> tuple[Any, Any, Any]:
        """What the host reads in the end, from the device: registers, nodes and values."""
        return self.state.regs, self.state.nodes, self.state.values


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from . import call_kernels

    return call_kernels
