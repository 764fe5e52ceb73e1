"""Measure a predicted mesh against the true one, as `mpc eval --pred --truth` does for folders.

python examples/measure_two_meshes.py predicted.ply true.obj
python examples/measure_two_meshes.py predicted.ply true.obj --unit cm --metrics chamfer normals --align icp
"""

import argparse
from pathlib import Path

import numpy as np

import mpc

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predicted", type=Path, help="OBJ, PLY, STL, GLB, glTF or FBX")
    parser.add_argument("true", type=Path)
    parser.add_argument("--unit", choices=METRES, default="m", help="of the coordinates in both files")
    parser.add_argument("--metrics", nargs="+", default=["chamfer", "p2s", "fscore", "normals"])
    parser.add_argument("--align", choices=["none", "z", "icp", "icp-scale"], default="none")
    parser.add_argument("--points", type=int, default=100_000, help="drawn on each surface")
    chosen = parser.parse_args()

    # `mpc` measures in metres, and a file such as an OBJ does not say its unit.
    to_metres = np.diag([METRES[chosen.unit]] * 3 + [1.0])
    predicted, true = (mpc.read_mesh(path).transformed(to_metres) for path in (chosen.predicted, chosen.true))

    # A pair draws its points once, and all metrics share them. The same seed gives the same numbers.
    pair = mpc.MeshPair.of(predicted, true, points=chosen.points, seed=0)
    for name, score in mpc.measure_pair(pair, metrics=chosen.metrics, alignment=chosen.align).items():
        print(f"{name:<12} {score.value:10.4f}  standard error {score.standard_error:.4f}")


if __name__ == "__main__":
    main()
