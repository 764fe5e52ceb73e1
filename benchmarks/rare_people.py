"""Make free people of whom few take a hard pose, the case that hard example mining is for.

    python benchmarks/rare_people.py OUT                  # 200 people, about a quarter of an hour on two cores
    python benchmarks/rare_people.py OUT --scans 60 --train 30

Most people stand, walk or gesture. Of those that sit, lunge or reach, two of each pose are in the training split; all
others are held out. OUT/shards is what `mpc sample` writes, OUT/hard.json lists who is hard.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.people.make import make_people
from mpc.people.scan_poses import plan_scan_pose

HARD_POSES = ("sitting", "lunge", "reaching up", "reaching forward")
HARD_TRAINED = 2
"""Trained people of each hard pose."""
VIEWS = 8


def split_people(scans: int, train: int, seed: int) -> tuple[dict[str, list[str]], list[str]]:
    """The split, and the hard ones. `train` people are trained on, among them two of each hard pose."""
    names = [f"scan_{number:03d}" for number in range(scans)]
    poses = {name: plan_scan_pose(seed, name, hard_poses=0.0).name for name in names}
    hard = [name for name, pose in poses.items() if pose in HARD_POSES]
    seen = [name for pose in HARD_POSES for name in [who for who in hard if poses[who] == pose][:HARD_TRAINED]]
    seen += [name for name in poses if name not in hard][: max(0, train - len(seen))]
    return {"train": sorted(seen), "val": [], "test": sorted(set(poses) - set(seen))}, hard


def make_rare_people(
    out: Path, *, scans: int = 200, train: int = 60, seed: int = 77, size: int = 128, jobs: int = 0
) -> Path:
    """Make, render and sample; what is finished is kept. Returns the folder of shards."""
    make_people(out / "models", scans=scans, rigged=0, seed=seed, hard_poses=0.0, jobs=jobs)
    rendering = RenderSettings(seed=seed, views=VIEWS, step_deg=360 / VIEWS, size=size, rays=64, centre="surface")
    render_models(out / "models", out / "renders", rendering, jobs=jobs)
    split, hard = split_people(scans, train, seed)
    (out / "split.json").write_text(json.dumps({name: who for name, who in split.items() if who}))
    (out / "hard.json").write_text(json.dumps(hard))
    sampling = SampleSettings(
        seed=seed, near_points=60_000, uniform_points=20_000, colour_points=2_000, split_file=out / "split.json"
    )
    sample_renders(out / "renders", out / "shards", sampling, jobs=jobs)
    return out / "shards"


def main() -> None:
    """Print how many people of each kind there are in each split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--train", type=int, default=60, help="people to train on")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    shards = make_rare_people(**vars(options))
    split, hard = split_people(options.scans, options.train, options.seed)
    counts = {name: Counter("hard" if who in hard else "easy" for who in people) for name, people in split.items()}
    print(json.dumps({"shards": str(shards), **counts}))


if __name__ == "__main__":
    main()
