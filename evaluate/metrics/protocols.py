"""Protocols by name: the metrics of other codes, with the points, directions, units and spaces that they use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ...core.errors import SettingsError
from ...core.messages import unknown_name
from .recipes import Recipe, peer_chamfer, peer_normals, peer_one_way, sith_fscore
from .registry import DEFAULT_METRICS, METRICS, Metric, choose_metrics, find_metric


@dataclass(frozen=True)
class Protocol:
    """A named way to measure.

    Attributes:
        name: as users write it.
        summary: what is measured, in one line.
        quirks: what a reader must know before comparing numbers.
        metrics: by name.
        views: number of yaws of each scene that the code measures; None where it has no such habit.
        recipe: how points are drawn and measured; None for mpc's own way.
    """

    name: str
    summary: str
    quirks: tuple[str, ...]
    metrics: dict[str, Metric]
    views: int | None = None
    recipe: Recipe | None = None

    def choose(self, names: Iterable[str] | None) -> tuple[Metric, ...]:
        """Return the metrics of these names; None stands for the protocol's own choice.

        Raises:
            SettingsError: the protocol has no metric of one of these names, or no name is given.
        """
        if self.recipe is None:
            return choose_metrics(DEFAULT_METRICS if names is None else names)
        if names is None:
            return tuple(self.metrics.values())
        chosen = dict.fromkeys(names)
        for name in chosen:
            if name not in self.metrics:
                has = ", ".join(self.metrics)
                raise SettingsError(f"the protocol {self.name} has no metric {name!r}; it has {has}")
        return tuple(self.metrics[name] for name in chosen)

    def find(self, name: str) -> Metric:
        """Return one metric by name."""
        return find_metric(name) if self.recipe is None else self.choose([name])[0]


def find_protocol(name: str) -> Protocol:
    """Return a protocol by name.

    Raises:
        SettingsError: no protocol has this name; the message gives the most similar name and the list.
    """
    if name not in PROTOCOLS:
        raise SettingsError(unknown_name("protocol", name, PROTOCOLS))
    return PROTOCOLS[name]


def _usual(
    recipe: Recipe,
    unit: str,
    p2s: Literal["predicted", "true"],
    summary: str,
    quirks: tuple[str, ...],
    views: int | None,
) -> Protocol:
    """Build a protocol with Chamfer (half the sum of both directions) and P2S in one of its two directions.

    Args:
        recipe: how points are drawn and measured.
        unit: of both metrics.
        p2s: the surface whose points P2S is measured from.
        summary: see Protocol.
        quirks: see Protocol.
        views: see Protocol.
    """
    squared = "squared" if recipe.squared else "not squared"
    target = {"surface": "surface", "edges": "edges of the surface", "points": "points"}[recipe.distance]
    ways = {
        "predicted": ("predicted to true", f"Predicted points to true {target}"),
        "true": ("true to predicted", f"True points to predicted {target}"),
    }
    chamfer = Metric(
        "chamfer", unit, "both ways, mean of two", peer_chamfer(recipe),
        text=f"Half of (predicted points to true {target} + true points to predicted {target}), {unit}, {squared}.",
    )  # fmt: skip
    one_way = Metric(
        "p2s", unit, ways[p2s][0], peer_one_way(recipe, start=p2s), text=f"{ways[p2s][1]}, {unit}, {squared}."
    )
    return Protocol(recipe.name, summary, quirks, {"chamfer": chamfer, "p2s": one_way}, views, recipe)


def _sith() -> Protocol:
    recipe = Recipe(name="sith", points=100_000, distance="points", factor=1000.0, icp=True)
    metrics = {
        metric.name: metric
        for metric in (
            Metric("p2s", "mm", "predicted to true", peer_one_way(recipe, start="predicted"),
                   text="Predicted points to nearest drawn true point, mm, not squared."),
            Metric("s2p", "mm", "true to predicted", peer_one_way(recipe, start="true"),
                   text="True points to nearest drawn predicted point, mm, not squared."),
            Metric("normals", "cos", "both ways, mean of two", peer_normals(recipe), greater_is_better=True,
                   text="Both ways, mean absolute cosine of face normals at a point and at the nearest drawn point."),
            Metric("fscore", "%", "both ways, within 1 cm", sith_fscore(recipe), greater_is_better=True,
                   text="Both ways: harmonic mean of the shares of points within 0.01 m of a drawn point, percent."),
        )
    }  # fmt: skip
    quirks = (
        "The prediction's vertices are first moved onto the truth's by trimesh's ICP, which may scale and even mirror.",
        "Distances are to the nearest of 100,000 drawn points, not to the surface: never 0, even for equal meshes.",
        "Prints metres times 1000; its table calls them centimetres.",
    )
    summary = "SiTH's benchmark: nearest of the points drawn, after ICP of the vertices"
    return Protocol("sith", summary, quirks, metrics, None, recipe)


def _synchuman() -> Protocol:
    recipe = Recipe(name="synchuman", points=100_000, space="unit", factor=100.0)
    unit = "axis/100"
    quirks = (
        "Both meshes are moved and scaled, each for itself: what is too small or in another place costs nothing, and "
        "an arm that is missing moves and scales all else. Nothing is turned.",
        "A hundredth of the longest edge of a person's box: of one who stands, of the height.",
        "Each method estimates its own body, as mpc does: figures with the true body given are another table.",
        "The paper gives neither code nor number of points, nor which centre or direction; here the box's middle, "
        "100,000 points by area, exact distances, predicted to true.",
    )
    usual = _usual(
        recipe, unit, "predicted", "SyncHuman's tables: both meshes centred, their longest axis scaled to 1", quirks,
        None,
    )  # fmt: skip
    normals = Metric(
        "normals", "cos", "both ways, mean of two", peer_normals(recipe), greater_is_better=True,
        text="Both ways, mean absolute cosine of face normals at a point and at its closest point.",
    )  # fmt: skip
    return replace(usual, metrics={**usual.metrics, "normals": normals})


def _p3d() -> Protocol:
    recipe = Recipe(name="p3d", points=10_000, distance="points", squared=True)
    text = "Sum of (predicted points to nearest true point + true points to nearest predicted point), m2, squared."
    chamfer = Metric("chamfer", "m2", "both ways, sum of two", peer_chamfer(recipe, halved=False), text=text)
    quirks = ("A sum, not a mean of two; squared; between drawn points, so never 0.",)
    return Protocol("p3d", "PyTorch3D's chamfer_distance at its defaults", quirks, {"chamfer": chamfer}, None, recipe)


_TRUE_TO_PREDICTED = "P2S is measured from the truth to the prediction: mpc's s2p."
_CUBE = "'cm' is a hundredth of ICON's cube, in which every body is 175.8 high: times height in cm / 175.8 for real cm."
_RAW = "In the scans' own unit, whatever it is; here metres."

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "mpc", "exact distances to surfaces in world units, 100,000 points, seeded, nothing aligned", (), METRICS
        ),
        _usual(
            Recipe(name="pifuhd", points=10_000, factor=100.0), "cm", "predicted",
            "PIFuHD's evaluator: 10,000 points by area, exact, predicted to true",
            ("In the scans' own unit, which for RenderPeople is the centimetre, as here; nothing is aligned.",), 4,
        ),
        _usual(
            Recipe(name="monoport", points=1000, sampler="even", largest=True), "m", "true",
            "MonoPort's eval_netG: 1,000 even points, greatest component of both, true to predicted",
            (_TRUE_TO_PREDICTED, _RAW, "Only the component with the most vertices of either mesh is seen.",
             "Even points may be fewer than 1,000."), None,
        ),
        _usual(
            Recipe(name="icon", points=1000, sampler="even", space="cube", factor=100.0), "cube/100", "true",
            "ICON's Evaluator: 1,000 even points in the [-1, 1] cube times 100, exact, true to predicted",
            (_TRUE_TO_PREDICTED, _CUBE, "Even points may be fewer than 1,000."), 3,
        ),
        _usual(
            Recipe(name="econ", points=1000, space="cube", factor=100.0, distance="edges"), "cube/100", "true",
            "ECON's Evaluator: 1,000 points by area in the cube times 100, PyTorch3D's point to face",
            (_TRUE_TO_PREDICTED, _CUBE, "Triangles below 0.005 square cube units count by their edges alone, that is "
             "nearly all: an over-estimate, more so on coarse meshes."), 3,
        ),
        _usual(
            Recipe(name="econ-exact", points=1000, space="cube", factor=100.0), "cube/100", "true",
            "ECON's Evaluator without the least triangle area",
            (_TRUE_TO_PREDICTED, _CUBE), 3,
        ),
        _usual(
            Recipe(name="integratedpifu", points=10_000, squared=True), "m2", "predicted",
            "IntegratedPIFu's evaluate_model: 10,000 points by area, exact, squared",
            (_RAW, "Squared, so far points weigh most. THuman2.0 scans each have their own scale.",
             "Its P2S draws its predicted points anew; here Chamfer and P2S share them."), None,
        ),
        _sith(),
        _synchuman(),
        _p3d(),
    )
}  # fmt: skip
