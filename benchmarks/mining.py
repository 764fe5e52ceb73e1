"""Item mining against uniform drawing: same data, same steps, several seeds.

    python benchmarks/mining.py                        # ellipsoid people in memory, a few of them in rare poses
    python benchmarks/mining.py --shards shards/       # shards of `mpc sample`

Prints for each mode and seed the mean, 10th-percentile and worst IoU over held-out views, and the difference between
the modes with its standard error over the seeds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from mpc.models.storage import load_run
from mpc.train.analytic import AnalyticPeople, analytic_people
from mpc.train.data import Views
from mpc.train.presets import preset
from mpc.train.run import train_views
from mpc.train.shard_views import open_views
from mpc.train.validate import validate_surface


def rare_poses(size: int, points: int) -> tuple[Views, Views]:
    """Twenty everyday people and two in rare poses to train on; six and six held out."""
    options = {"size": size, "points": points, "colour_points": 1, "yaws_deg": tuple(range(0, 360, 45))}
    train = analytic_people(20, 0) + analytic_people(2, 0, first=500, spread=3.0)
    held_out = analytic_people(6, 0, first=100) + analytic_people(6, 0, first=600, spread=3.0)
    return AnalyticPeople(train, **options), AnalyticPeople(held_out, **options)


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    scores: dict[str, list[np.ndarray]] = {"item": [], "none": []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for mode, found in scores.items():
                settings = preset(
                    "tiny", seed=seed, stages="surface", threads=options.threads, mining={"mode": mode},
                    surface={"steps": options.steps, "validate_every": options.steps},
                )  # fmt: skip
                if options.shards is None:
                    train, held_out = rare_poses(128, settings.surface.points)
                else:
                    train, held_out = (open_views(options.shards, s, settings, 4096, 1) for s in ("train", "val"))
                run = train_views(train, None, Path(folder), settings, name=f"{mode}{seed}")
                network = load_run(run).surface
                iou = validate_surface(network, held_out, views=10**6, batch=8, device=torch.device("cpu")).numpy()
                found.append(np.array([iou.mean(), np.quantile(iou, 0.1), iou.min()]))
                names = ("mean_iou", "p10_iou", "worst_iou")
                numbers = dict(zip(names, found[-1].round(4).tolist(), strict=True))
                print(json.dumps({"mode": mode, "seed": seed, "steps": options.steps, **numbers}), flush=True)
    difference = np.stack(scores["item"]) - np.stack(scores["none"])
    error = difference.std(axis=0, ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else np.full(3, np.nan)
    print(json.dumps({"item_minus_none": difference.mean(axis=0).tolist(), "standard_error": error.tolist()}))


if __name__ == "__main__":
    main()
