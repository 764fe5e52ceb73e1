"""Free people of whom few take a hard pose: what hard example mining is for.

    python benchmarks/rare_people.py OUT                  # 56 people, about ten minutes on two cores
    python benchmarks/rare_people.py OUT --scans 28

Most people stand, walk or gesture; of those that sit, lunge or reach, one of each pose is trained on and the others are
held out, with a fifth of the easy ones. OUT/shards is what `mpc sample` writes, OUT/hard.json lists who is hard.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from mpc.datasets.build_renders import RenderSettings, render_models
from mpc.datasets.build_shards import sample_renders
from mpc.datasets.people.make import make_people, scan_pose_name
from mpc.datasets.shard_plan import SampleSettings

HARD_POSES = ("sitting", "lunge", "reaching up", "reaching forward")
VIEWS = 8


def split_people(scans: int, seed: int) -> tuple[dict[str, list[str]], list[str]]:
    """The split, and the hard ones. One person of each hard pose and four fifths of the others are trained on."""
    poses = {name: scan_pose_name(seed, name) for name in (f"scan_{number:03d}" for number in range(scans))}
    hard = [name for name, pose in poses.items() if pose in HARD_POSES]
    first = [next((name for name in hard if poses[name] == pose), None) for pose in HARD_POSES]
    easy = [name for name in poses if name not in hard]
    kept = easy[: len(easy) * 4 // 5]
    train = sorted([*kept, *(name for name in first if name is not None)])
    return {"train": train, "val": [], "test": sorted(set(poses) - set(train))}, hard


def make_rare_people(out: Path, *, scans: int = 56, seed: int = 2, size: int = 128, jobs: int = 0) -> Path:
    """Make, render and sample; what is finished is kept. Returns the folder of shards."""
    make_people(out / "models", scans=scans, rigged=0, seed=seed, texture_size=256, jobs=jobs)
    rendering = RenderSettings(seed=seed, views=VIEWS, step_deg=360 / VIEWS, size=size, rays=64)
    render_models(out / "models", out / "renders", rendering, jobs=jobs)
    split, hard = split_people(scans, seed)
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
    parser.add_argument("--scans", type=int, default=56)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    shards = make_rare_people(options.out, scans=options.scans, seed=options.seed, size=options.size, jobs=options.jobs)
    split, hard = split_people(options.scans, options.seed)
    counts = {name: Counter("hard" if who in hard else "easy" for who in people) for name, people in split.items()}
    print(json.dumps({"shards": str(shards), **counts}))


if __name__ == "__main__":
    main()
