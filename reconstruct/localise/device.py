"""The device that a search or a renderer lives on: its memory, its kernels, and the waits of the host for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...core.arrays import Array
from ...core.kernels import load_warp

# Threads of a kernel on a GPU; each takes every THREADS-th item.
THREADS = 1 << 15


@dataclass(eq=False)
class Device:
    """Runs kernels in order, and counts how often the host has to wait for them.

    Attributes:
        name: of a Warp device: "cpu", "cuda:0", …
        waits: how often this process has waited so far, for any device.
        blind: on every device, the host queues work without looking at what came of the work before. Tests set this to
            prove that nothing looks where a look would be a wait.
    """

    name: str = "cpu"
    waits: ClassVar[int] = 0
    blind: ClassVar[bool] = False

    @property
    def ahead(self) -> bool:
        """Whether the host queues work without looking. On a GPU each look is a wait; on a CPU it costs nothing."""
        return self.name != "cpu" or Device.blind

    @property
    def threads(self) -> int:
        """Threads of a kernel; one on a CPU, where a kernel is a loop."""
        return 1 if self.name == "cpu" else THREADS

    def upload(self, values: Any, kind: Any) -> Any:
        """A Warp array of an array, or of a tensor of the device; where it can, it shares the memory.

        The host does not wait.
        """
        if hasattr(values, "detach"):
            return load_warp().from_torch(values, dtype=kind)
        return load_warp().array(np.ascontiguousarray(values), dtype=kind, device=self.name, copy=False)

    def zeros(self, shape: int | tuple[int, ...], kind: Any) -> Any:
        """A Warp array of zeros; on a CPU, pages of whole numbers that are never touched take no memory."""
        wp = load_warp()
        if self.name != "cpu" or kind not in (wp.int32, wp.uint32, wp.uint8):
            return wp.zeros(shape, dtype=kind, device=self.name)
        return self.upload(np.zeros(shape, wp.dtype_to_numpy(kind)), kind)

    def empty(self, shape: int | tuple[int, ...], kind: Any) -> Any:
        """A Warp array of anything."""
        return load_warp().empty(shape, dtype=kind, device=self.name)

    def pack(self, structure: Any, kind: Any) -> Any:
        """A Warp structure of a kind as kernels take it, which Warp would copy for each of them: an array of one.

        It is passed as bytes: Warp's own conversion of a search's state takes a third of a millisecond.
        """
        raw = self.upload(np.frombuffer(bytearray(structure.__ctype__()), np.uint8), load_warp().uint8)
        packed = load_warp().array(ptr=raw.ptr, dtype=kind, shape=(1,), device=self.name)
        packed.memory = raw  # lives as long as what points to it
        return packed

    def launch(self, kernel: Any, inputs: Sequence[Any], count: int | None = None) -> None:
        """Queue a kernel with `count` threads, by default `threads`."""
        load_warp().launch(kernel, dim=self.threads if count is None else count, inputs=inputs, device=self.name)

    def read(self, *arrays: Any) -> list[Array]:
        """What Warp arrays hold once all queued kernels have run. This is a wait, for all arrays together."""
        Device.waits += 1
        return [array.numpy() for array in arrays]  # only the first of them waits

    def look(self, array: Any) -> Array:
        """What a Warp array of a CPU holds, as memory that both share.

        Raises:
            RuntimeError: the host works ahead.
        """
        if self.ahead:
            raise RuntimeError("the host looked at the device's memory between two waits")
        seen: Array = array.numpy()
        return seen
