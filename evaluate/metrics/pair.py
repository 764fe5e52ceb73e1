"""A predicted and a true mesh with what the metrics share: points on both, distances both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.arrays import F64, I32
from ...core.errors import MpcError
from ...core.randomness import derive_rng
from ...geometry.closest import ClosestPoints, ClosestSurface
from ...geometry.device_mesh import DeviceMesh, SurfaceError
from ...geometry.mesh import PosedMesh

DEFAULT_POINTS = 100_000


class MetricError(MpcError):
    """A metric that has no value for these inputs: nothing in common, no colours, no volume."""


@dataclass(frozen=True)
class Score:
    """A measured number.

    Attributes:
        value: in the metric's unit.
        standard_error: of the estimate, from the points drawn; 0 where nothing was drawn.
    """

    value: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class MeshPair:
    """Two meshes in the same world space, metres.

    Attributes:
        predicted_vertices, predicted_faces: (V, 3) floats, (F, 3) integers; arrays, lists or tensors. Vertices that no
            face uses are dropped.
        true_vertices, true_faces: the same of the truth.
        points: drawn on each surface.
        seed: of the drawing.
        key: names the pair (scene and view), so that each has its own points.
        device: of points and distances, see `DeviceMesh`.
        predicted_mesh, true_mesh: the same surfaces with their colours, for the metrics of colour.
        shared: what metrics of one pair share, by name; see `once`.
        predicted_surface, true_surface: both, checked, on `device`.

    Raises:
        SurfaceError: a mesh that is empty, without area, NaN, or whose faces refer to nothing.
    """

    predicted_vertices: npt.ArrayLike
    predicted_faces: npt.ArrayLike
    true_vertices: npt.ArrayLike
    true_faces: npt.ArrayLike
    points: int = DEFAULT_POINTS
    seed: int = 0
    key: str = ""
    device: str = "auto"
    predicted_mesh: PosedMesh | None = None
    true_mesh: PosedMesh | None = None
    shared: dict[str, Any] = field(default_factory=dict, repr=False)
    predicted_surface: DeviceMesh = field(init=False, repr=False)
    true_surface: DeviceMesh = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("predicted", "true"):
            arrays = (to_array(getattr(self, f"{name}_{part}")) for part in ("vertices", "faces"))
            try:
                surface = DeviceMesh(*arrays, device=self.device)
                surface.area_sums  # noqa: B018  (refuses what has no area)
            except SurfaceError as error:
                raise SurfaceError(f"the {name} mesh: {error}") from error
            object.__setattr__(self, f"{name}_surface", surface)
            object.__setattr__(self, f"{name}_vertices", surface.positions)
            object.__setattr__(self, f"{name}_faces", surface.triangles)

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """What `compute` returned the first time it was asked for under this name."""
        if name not in self.shared:
            self.shared[name] = compute()
        return self.shared[name]

    @cached_property
    def shapes(self) -> tuple[PosedMesh, PosedMesh]:
        """Prediction and truth without colours."""
        predicted, true = self.predicted_surface, self.true_surface
        return PosedMesh(predicted.positions, predicted.triangles), PosedMesh(true.positions, true.triangles)

    @cached_property
    def predicted_points(self) -> tuple[F64, I32]:
        """Points (N, 3) on the prediction and their faces (N,)."""
        rng = derive_rng(self.seed, self.key, "evaluate", "predicted")
        return self.predicted_surface.draw(self.points, rng=rng)

    @cached_property
    def true_points(self) -> tuple[F64, I32]:
        """Points (N, 3) on the truth and their faces (N,)."""
        rng = derive_rng(self.seed, self.key, "evaluate", "true")
        return self.true_surface.draw(self.points, rng=rng)

    @cached_property
    def predicted_to_true(self) -> ClosestPoints:
        """From each predicted point to the true surface; distances in metres, not squared."""
        return ClosestSurface.of(self.true_surface).query(self.predicted_points[0])

    @cached_property
    def true_to_predicted(self) -> ClosestPoints:
        """From each true point to the predicted surface; distances in metres, not squared."""
        return ClosestSurface.of(self.predicted_surface).query(self.true_points[0])


def mean_of_two(scores: Iterable[Score], share: float = 0.5) -> Score:
    """Half the sum (or another share of it) of what was measured both ways, independently."""
    there, back = scores
    return Score(share * (there.value + back.value), share * float(np.hypot(there.standard_error, back.standard_error)))


def mean_score(values: npt.ArrayLike, scale: float = 1.0) -> Score:
    """The mean of values (N,) drawn independently, times `scale`, with its standard error."""
    numbers = np.asarray(values, np.float64)
    spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else 0.0
    return Score(float(numbers.mean()) * scale, spread / float(np.sqrt(len(numbers))) * scale)


def to_array(values: Any) -> npt.NDArray[Any]:
    """A NumPy array; tensors are detached and brought to the CPU."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)
