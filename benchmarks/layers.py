"""Measure what joints and layers cost in shards: bytes a view and milliseconds an item, with and without, in one run.

    python benchmarks/layers.py RENDERS [--items N]

RENDERS holds the layers: `mpc render MODELS --layers part_front part_back garment_front garment_back body_depth_front
body_depth_back body_normal_front body_normal_back depth_front depth_back smooth_normal_front smooth_normal_back`. Sets
of which one is missing are left out. One thread, time of the processor; an item is a picture, 5,000 points, and the
layers of the set.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py
import numpy as np
import torch

from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.read import read_renders
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.format import JOINT_COLUMNS
from mpc.datasets.shards.settings import SampleSettings

SIDES = ("front", "back")
PARTS = tuple(f"{name}_{side}" for name in ("part", "garment") for side in SIDES)
BODY = tuple(f"body_{name}_{side}" for name in ("depth", "normal") for side in SIDES)
SURFACE = tuple(f"{name}_{side}" for name in ("depth", "smooth_normal") for side in SIDES)
SETS = {"parts and garments": PARTS, "body": BODY, "both": PARTS + BODY, "surface (maps)": SURFACE}


def milliseconds(dataset: ViewDataset, items: int) -> float:
    """Median time of an item, views in random order."""
    order = np.random.default_rng(0).integers(len(dataset), size=items)
    dataset[int(order[0])]
    times = []
    for view in order.tolist():
        start = time.process_time()
        dataset[view]
        times.append(time.process_time() - start)
    return float(np.median(times)) * 1000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("renders", type=Path)
    parser.add_argument("--items", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    renders = read_renders(given.renders)
    drawn = tuple(renders.settings["layers"])
    views = sum(len(scene.views) for scene in renders.scenes)
    print(f"{len(renders.scenes)} scenes, {views} views of {renders.scenes[0].image_size} pixels")
    with tempfile.TemporaryDirectory() as folder:
        settings = SampleSettings(
            near_points=8_000, uniform_points=2_000, colour_points=800, layers=drawn, joints=True,
            ratios=(1.0, 0.0, 0.0),
        )  # fmt: skip
        sample_renders(given.renders, Path(folder), settings, jobs=1)
        stored = dict.fromkeys(("pictures", "joints", *drawn), 0.0)
        for path in Path(folder).glob("*.h5"):
            with h5py.File(path) as file:
                for name in JOINT_COLUMNS:
                    stored["joints"] += file[name].nbytes / views / 1000
                for name in ("pictures", *drawn):
                    group = "views" if name == "pictures" else f"layers/{name}"
                    stored[name] += file[f"{group}/png"].shape[0] / views / 1000
        plain = milliseconds(ViewDataset(Path(folder), "train", points=5000), given.items)
        print(f"pictures alone: {stored['pictures']:.1f} kB a view, {plain:.2f} ms an item")
        taken = milliseconds(ViewDataset(Path(folder), "train", points=5000, joints=True), given.items)
        print(f"{'joints':30}: {stored['joints']:6.2f} kB a view more, {taken / plain:5.2f} times the time")
        for name, layers in SETS.items():
            if set(layers) <= set(drawn):
                taken = milliseconds(ViewDataset(Path(folder), "train", points=5000, layers=layers), given.items)
                size = sum(stored[layer] for layer in layers)
                print(
                    f"{name:20} {len(layers):2} layers: {size:6.1f} kB a view more, {taken / plain:5.2f} times the time"
                )


if __name__ == "__main__":
    main()
