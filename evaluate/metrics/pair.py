"""A predicted and a true mesh with what several metrics share: points on both surfaces and distances both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ...core.arrays import F64, I32, U8, Array, Bools
from ...core.randomness import derive_rng
from ...geometry.closest import ClosestPoints, ClosestSurface
from ...geometry.device_mesh import DeviceMesh, SurfaceError
from ...geometry.mesh import PosedMesh

DEFAULT_POINTS = 100_000

# A mesh as metrics accept it: vertices (V, 3) and faces (F, 3) as arrays, lists or tensors, or a mesh with its colours.
Mesh = PosedMesh | tuple[npt.ArrayLike, npt.ArrayLike]
Side = Literal["predicted", "true"]

Extra = ParamSpec("Extra")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sampling:
    """How many points are drawn, and from which random streams.

    Attributes:
        points: number of points on each surface.
        seed: of all streams.
        key: name of the pair (scene and view), which gives every pair points of its own.
    """

    points: int = DEFAULT_POINTS
    seed: int = 0
    key: str = ""

    def rng(self, *names: str) -> np.random.Generator:
        """Return the random stream of these names for this pair."""
        return derive_rng(self.seed, self.key, *names)


@dataclass(frozen=True, eq=False)
class ComparedPicture:
    """Pictures of both meshes from one camera, over black.

    Attributes:
        predicted: (H, W, 3) float64 display values in [0, 1].
        true: (H, W, 3) float64, the same.
        shown: (H, W) bool, the pixels where at least one of the meshes is visible.
    """

    predicted: F64
    true: F64
    shown: Bools


@dataclass(frozen=True, eq=False)
class ComparedColours:
    """Colours of a prediction beside the true ones, where the truth is no textured mesh.

    Attributes:
        differences: two arrays (N, 3) float64 of predicted minus true display values in [0, 1] at surface points; they
            take the places of the two directions.
        pictures: the pictures that are compared.
    """

    differences: tuple[F64, F64]
    pictures: tuple[ComparedPicture, ...]


@dataclass(frozen=True, eq=False)
class MeasuredSurface:
    """One surface of a pair, checked and on its device; points and search tree are made when they are first needed.

    Attributes:
        side: "predicted" or "true"; part of the name of its random stream.
        mesh: vertices and faces on a device, without vertices that no face uses.
        coloured: the same surface with its texture or vertex colours; None where the mesh was given as arrays.
        sampling: number of points and seed.
    """

    side: Side
    mesh: DeviceMesh
    coloured: PosedMesh | None
    sampling: Sampling

    @cached_property
    def shape(self) -> PosedMesh:
        """The surface without colours."""
        return PosedMesh(self.mesh.positions, self.mesh.triangles)

    @cached_property
    def closest(self) -> ClosestSurface:
        """The search tree for closest points on this surface."""
        return ClosestSurface.of(self.mesh)

    @cached_property
    def drawn(self) -> tuple[F64, I32]:
        """Points (N, 3) drawn uniformly by area, and the faces (N,) they lie on."""
        return self.mesh.draw(self.sampling.points, rng=self.sampling.rng("evaluate", self.side))


@dataclass(frozen=True, eq=False)
class MeshPair:
    """A prediction and the truth in the same world space, metres; `MeshPair.of` makes one from meshes.

    Attributes:
        predicted: surface of the prediction.
        true: surface of the truth.
        sampling: number of points and seed.
        colours: what the metrics of colour use in place of the colours of both meshes.
        parts: (F,) uint8, the part of the body that each face of the truth belongs to (geometry/labels.py); None where
            nobody knows.
        depth: direction of the depth of the picture that the prediction was made from, in the meshes' axes.
    """

    predicted: MeasuredSurface
    true: MeasuredSurface
    sampling: Sampling
    colours: ComparedColours | None = None
    parts: U8 | None = None
    depth: tuple[float, float, float] = (0.0, 0.0, 1.0)
    _results: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        predicted: Mesh,
        true: Mesh,
        *,
        points: int = DEFAULT_POINTS,
        seed: int = 0,
        key: str = "",
        device: str = "auto",
        colours: ComparedColours | None = None,
    ) -> MeshPair:
        """Check two meshes and put them on a device. Where the truth is a PosedMesh, its parts are known if it has any.

        Args:
            predicted: a mesh, or its vertices (V, 3) in metres and its faces (F, 3).
            true: the same.
            points: see Sampling, as for the next two.
            seed: of the points.
            key: name of the pair.
            device: "cpu", "cuda", "cuda:1", …; "auto" takes a GPU where there is one.
            colours: see the attribute.

        Raises:
            SurfaceError: a mesh is empty, has no area, holds NaN, or its faces refer to vertices that do not exist.
        """
        sampling = Sampling(points, seed, key)
        return cls(
            _open_surface("predicted", predicted, sampling, device),
            _open_surface("true", true, sampling, device),
            sampling,
            colours,
            true.face_part if isinstance(true, PosedMesh) else None,
        )

    @property
    def device(self) -> str:
        """Where points are drawn and distances measured."""
        return str(self.true.mesh.device)

    @property
    def shapes(self) -> tuple[PosedMesh, PosedMesh]:
        """Prediction and truth without colours."""
        return self.predicted.shape, self.true.shape

    @cached_property
    def predicted_to_true(self) -> ClosestPoints:
        """Closest points on the truth for each point drawn on the prediction; distances in metres, not squared."""
        return self.true.closest.query(self.predicted.drawn[0])

    @cached_property
    def true_to_predicted(self) -> ClosestPoints:
        """Closest points on the prediction for each point drawn on the truth; distances in metres, not squared."""
        return self.predicted.closest.query(self.true.drawn[0])


def once_per_pair(
    compute: Callable[Concatenate[MeshPair, Extra], Result],
) -> Callable[Concatenate[MeshPair, Extra], Result]:
    """Let a function of a pair compute its result once and keep it with the pair, for the metrics that share it.

    Args:
        compute: function of a pair and of further hashable arguments.

    Returns:
        The function; a second call with the same arguments returns the same object.
    """

    @wraps(compute)
    def lookup(pair: MeshPair, /, *args: Extra.args, **kwargs: Extra.kwargs) -> Result:
        key = (compute, args, tuple(sorted(kwargs.items())))
        if key not in pair._results:
            pair._results[key] = compute(pair, *args, **kwargs)
        return cast("Result", pair._results[key])

    return lookup


def to_array(values: Any) -> Array:
    """Return a NumPy array; tensors are detached and copied to the CPU."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def _open_surface(side: Side, mesh: Mesh, sampling: Sampling, device: str) -> MeasuredSurface:
    arrays = (mesh.vertices, mesh.faces) if isinstance(mesh, PosedMesh) else mesh
    try:
        surface = DeviceMesh(*map(to_array, arrays), device=device)
        surface.area_sums  # noqa: B018  (raises for a mesh without area)
    except SurfaceError as error:
        raise SurfaceError(f"the {side} mesh: {error}") from error
    return MeasuredSurface(side, surface, mesh if isinstance(mesh, PosedMesh) else None, sampling)
