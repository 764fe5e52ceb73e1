"""Add a metric of your own: the difference in height between the prediction and the truth.

    python examples/add_a_metric.py predicted.ply true.obj

A metric is a function of a `MeshPair` that returns a `Score`. Its docstring begins with the direction, the unit, and
whether the value is squared, because reports print that line beside the number. In the toolkit itself such a function
lies in `evaluate/metrics/`, its line in `METRICS` of `evaluate/metrics/registry.py`, and its test compares it with a
closed form; CONTRIBUTING.md has the recipe. `mpc eval` offers the metrics of the toolkit itself: one that is added from
outside, as here, is known to `mpc.measure_pair` in the same process alone.
"""

import sys
from pathlib import Path

import mpc
from mpc.evaluate.metrics.registry import METRICS, Metric


def measure_height_error(pair: mpc.MeshPair) -> mpc.Score:
    """Symmetric, centimetres, not squared: absolute difference of the heights of both meshes."""
    predicted, true = (shape.bounds[1, 1] - shape.bounds[0, 1] for shape in pair.shapes)
    return mpc.Score(value=100.0 * abs(float(predicted - true)), standard_error=0.0)  # nothing was drawn: no error


# From here on the metric has a name that `measure_pair` and the protocols know.
METRICS["height_error"] = Metric("height_error", "cm", "symmetric", measure_height_error)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    predicted, true = (mpc.read_mesh(Path(name)) for name in sys.argv[1:])
    pair = mpc.MeshPair.of(predicted, true, points=10_000)
    for name, score in mpc.measure_pair(pair, metrics=["chamfer", "height_error"]).items():
        print(f"{name:<12} {score.value:8.3f} cm   {METRICS[name].summary}")


if __name__ == "__main__":
    main()
