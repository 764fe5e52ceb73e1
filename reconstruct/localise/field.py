"""Fields that are searched: how they are asked, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.arrays import F32, I64
from ...core.errors import MpcError
from .device import Device

if TYPE_CHECKING:
    from torch import Tensor

Occupancy = Callable[[F32], Any]
"""(N, 3) float32 view-space points -> (N,) values, an array or a tensor."""
BatchOccupancy = Callable[[F32, I64], Any]
"""The same for several fields: the second argument, (N,) int64, is the field in which each point is evaluated."""


class FieldError(MpcError):
    """An occupancy function that returned NaN, or another number of values than it was given points."""


@dataclass(frozen=True, eq=False)
class DeviceField:
    """A field, or a colour, that is asked from the host like any other function, or where it is, without a wait.

    Attributes:
        host: as `Occupancy`, `BatchOccupancy` or a colour are called.
        on_device: (N, 3) float32 tensor of the device -> values (N, …); for several fields (B, N, 3) -> (B, N).
        device: name of the device: "cpu", "cuda:0", …
        retry: called where values were not finite; changes the precision and returns True, or returns False.
    """

    host: Callable[..., Any]
    on_device: Callable[[Tensor], Any]
    device: str
    retry: Callable[[], bool]

    def __call__(self, *points: Any) -> Any:
        """The values at points of the host."""
        return self.host(*points)


def alone(occupancy: Occupancy) -> BatchOccupancy:
    """One field as a batch of fields."""

    def host(points: F32, owner: I64) -> Any:
        return occupancy(points)

    there = getattr(occupancy, "on_device", None)
    if there is None:
        return host
    return DeviceField(host, lambda points: there(points[0])[None], occupancy.device, occupancy.retry)  # type: ignore[attr-defined]


def evaluate_there(function: Callable[..., Any], points: Tensor) -> Tensor:
    """Values at the points of a tensor, as a tensor of its device; a function of the host alone has to wait for it."""
    import torch

    there: Callable[[Tensor], Tensor] | None = getattr(function, "on_device", None)
    if there is not None:
        return there(points)
    Device.waits += 1
    returned = function(points.cpu().numpy())
    return torch.as_tensor(returned).to(points.device)


class FieldQuery:
    """Evaluates points of several fields in calls of at most `max_batch` points.

    Args:
        occupancy: see `localise_many`.
        max_batch: greatest number of points in one call.

    Attributes:
        calls: number of calls that evaluated points of each field.
    """

    def __init__(self, occupancy: BatchOccupancy, max_batch: int) -> None:
        self.occupancy, self.max_batch = occupancy, max_batch
        self.calls: dict[int, int] = {}

    def __call__(self, points: Sequence[F32], owners: Sequence[int]) -> list[F32]:
        whole = points[0] if len(points) == 1 else np.concatenate(points)
        owner = np.repeat(np.array(owners, np.int64), [len(part) for part in points])
        values = np.empty(len(whole), np.float32)
        for first in range(0, len(whole), self.max_batch):
            part = slice(first, min(first + self.max_batch, len(whole)))
            values[part] = as_values(self.occupancy(whole[part], owner[part]), part.stop - part.start)
            for index in owners if len(owners) == 1 else np.unique(owner[part]).tolist():
                self.calls[index] = self.calls.get(index, 0) + 1
        return np.split(values, np.cumsum([len(part) for part in points])[:-1])


def as_values(returned: Any, count: int) -> F32:
    """The values that an occupancy function returned, as (count,) float32 on the host.

    Raises:
        FieldError: another number of values, or values that are not finite.
    """
    if hasattr(returned, "detach"):
        returned = returned.detach().float().cpu().numpy()
    values: F32 = np.ascontiguousarray(returned, dtype=np.float32).reshape(-1)
    if len(values) != count:
        raise FieldError(f"the occupancy returned {len(values)} values for {count} points")
    if not np.isfinite(values).all():
        raise FieldError(f"the occupancy returned {int((~np.isfinite(values)).sum())} values that are not finite (NaN)")
    return values
