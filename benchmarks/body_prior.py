"""What a body below the clothes is worth: the maps stage with none, with the known body, and with a fitted one.

    mpc people OUT/models --scans 90 --rigged 0 --hard-poses 1 --texture-size 256
    mpc render OUT/models --out OUT/renders --size 128 --views 3 --step 120 --jitter 45 10 4 --extent 2.5 --rays 24 \
        --layers depth_front depth_back smooth_normal_front smooth_normal_back \
        body_depth_front body_depth_back body_normal_front body_normal_back
    mpc sample OUT/renders --out OUT/shards --split 0.67,0,0.33 --layers (the same)
    mpc landmarks OUT/shards --bodies
    python benchmarks/body_prior.py OUT/shards --init RUN --out OUT/runs

Every arm starts from the same weights (--init, best those of a run that knows people already) and sees the same views
in the same order. Then the held-out people are measured: the mean error of the front's and of the back's depth, by
person, and the differences to the arm without a body, with 95 % bootstrap intervals over people. The known-body arm is
measured with the fitted body, too: that is what it would get in `mpc reconstruct`. `--fits` measures the fits
themselves instead: the joints that are found against the known ones, beside the landmark network's own metres.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from mpc.core.arrays import F64
from mpc.core.settings import override
from mpc.datasets.loading.body import KNOWN, body_maps
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.joints import read_view_joints
from mpc.datasets.renders.read import read_renders
from mpc.geometry.camera import camera_of
from mpc.models.features import normalise_images
from mpc.models.runs import load_run
from mpc.motion.joints import BLAZEPOSE_33, pick
from mpc.reconstruct.fitted_body.draw import draw_body
from mpc.reconstruct.fitted_body.fit import fit_body
from mpc.reconstruct.fitted_body.model import body_model
from mpc.train.data import collate
from mpc.train.maps import LAYERS, depth_error, true_maps
from mpc.train.presets import preset
from mpc.train.run import train

ARMS = ("none", "known", "fitted")
DRAWS = 10_000


def train_arm(shards: Path, runs: Path, body: str, *, init: Path | None, steps: int, batch: int, seed: int) -> Path:
    """Train the maps stage of *base* with a source of bodies; a finished run is kept."""
    name = f"{body}-{seed}"
    if (runs / name / "maps" / "last.safetensors").is_file():
        return runs / name
    settings = override(
        preset("base"),
        {
            "seed": seed, "threads": 1, "device": "cpu", "stages": "maps", "picture_every": -1,
            "maps": {"steps": steps, "batch": batch, "points": 64, "schedule": "anneal", "decay_at": [0.4]},
            "surface_network": {"encoder": {"body": body}},
        },
    )  # fmt: skip
    return train(shards, runs, settings, name=name, init=init)


def errors_of(run: Path, shards: Path, body: str) -> dict[str, F64]:
    """Depth errors of the held-out views, cm: (V, 2) front and back by "errors", and (V,) numbers of people."""
    network = load_run(run, which="last").surface
    data = ViewDataset(
        shards, "test", points=0, image_size=64, layers=(*LAYERS, *KNOWN), landmarks=True, bodies=body == "fitted"
    )
    people: dict[str, int] = {}
    errors, who, seconds = [], [], 0.0
    for view in range(len(data)):
        batch = collate([data[view]])
        given = None if body == "none" else body_maps(batch)
        begin = time.process_time()
        with torch.inference_mode():
            maps = network.encode(normalise_images(batch["image"]), batch["landmarks"], given).maps[-1]
        seconds += time.process_time() - begin
        truth, shown = true_maps(batch)
        half_cm = 100.0 / float(batch["calibration"][0, 2, :3].norm())
        apart = ((maps[:, :2] - truth[:, :2]).abs() * shown).sum(dim=(2, 3)) / shown.sum().clamp(min=1)
        errors.append((apart[0] * half_cm).tolist())
        who.append(people.setdefault(data.views[view].subject, len(people)))
        assert float(depth_error(maps, truth, shown)) >= 0.0
    return {"errors": np.array(errors), "people": np.array(who), "seconds": np.array(seconds / len(data))}


def by_person(found: dict[str, F64]) -> F64:
    """(P, 2) mean errors of each person's views."""
    return np.stack([found["errors"][found["people"] == one].mean(axis=0) for one in np.unique(found["people"])])


def interval(values: F64, rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval over people of (P,) values."""
    drawn = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def measure_arms(shards: Path, runs: dict[str, Path]) -> list[dict[str, object]]:
    """The rows of the table: each arm by the body that it is given when it is measured."""
    asked = [("none", "none"), ("known", "known"), ("known", "fitted"), ("known", "none"), ("fitted", "fitted")]
    asked += [("fitted", "none"), ("fitted", "known")]
    rng, rows, plain = np.random.default_rng(0), [], None
    for trained, given in asked:
        if trained not in runs:
            continue
        people = by_person(found := errors_of(runs[trained], shards, given))
        plain = people if plain is None else plain
        row: dict[str, object] = {"trained": trained, "given": given, "seconds": float(found["seconds"])}
        for side, name in enumerate(("front", "back")):
            row[name] = interval(people[:, side], rng)
            row[f"{name} less none"] = interval((people - plain)[:, side], rng)
            row[f"{name} better for"] = f"{int((people < plain)[:, side].sum())} of {len(people)}"
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def measure_fits(shards: Path, renders: Path, most: int) -> dict[str, object]:
    """Joints of fitted bodies against the known ones, from the middle of the hips; and depth maps against the known."""
    scenes = {scene.key: scene for scene in read_renders(renders).scenes}
    data = ViewDataset(shards, "test", points=0, image_size=64, layers=KNOWN, landmarks=True)
    model = body_model()
    errors: dict[str, list[float]] = {"metres": [], "fitted": [], "metres away": [], "fitted away": []}
    depths, seconds, away = [], [], []
    for view in range(min(len(data), most)):
        ref, item = data.views[view], data[view]
        landmarks = item["landmarks"].numpy()
        scene = scenes[ref.scene_key]
        shown = next(one for one in scene.views if one.name == ref.view_name)
        joints = read_view_joints(scene, shown)
        if joints is None or np.isnan(landmarks).any():
            continue
        half = camera_of(item["calibration"].numpy()).extent_m / 2
        true = pick(BLAZEPOSE_33, joints.view)[model.landmarks] * half
        begin = time.process_time()
        body = fit_body(landmarks, item["image"][3].numpy() > 127, 2 * half)
        assert body is not None
        maps = draw_body(body.vertices, model.faces, 64)
        seconds.append(time.process_time() - begin)
        hips = [model.landmarks.tolist().index(23), model.landmarks.tolist().index(24)]
        true = true - true[hips].mean(axis=0)
        for name, found in (("metres", landmarks[model.landmarks, 4:7]), ("fitted", body.joints * half)):
            apart = found - found[hips].mean(axis=0) - true
            errors[name].append(float(np.linalg.norm(apart, axis=1).mean()) * 100)
            errors[f"{name} away"].append(float(np.abs(apart[:, 2]).mean()) * 100)
            away.append((name, found[:, 2] - found[hips, 2].mean(), true[:, 2]))
        known = body_maps(item)
        assert known is not None
        both = np.isfinite(maps[0]) & np.isfinite(known[0].numpy())
        depths.append(float(np.abs(maps[0] - known[0].numpy())[both].mean()) * half * 100)
    correlation = {
        name: float(np.corrcoef(*(np.concatenate([row[k] for row in away if row[0] == name]) for k in (1, 2)))[0, 1])
        for name in ("metres", "fitted")
    }
    return {
        "views": len(seconds), **{f"{name} cm": float(np.mean(values)) for name, values in errors.items()},
        "correlation away": correlation, "front depth cm": float(np.mean(depths)), "seconds": float(np.mean(seconds)),
    }  # fmt: skip


def main() -> None:
    """Train what is not trained yet, and print a JSON line for each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs-body"))
    parser.add_argument("--init", type=Path, help="run whose weights all arms start from")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fits", type=Path, metavar="RENDERS", help="measure the fits against the joints of renders")
    parser.add_argument("--most", type=int, default=10_000, help="views of --fits")
    options = parser.parse_args()
    if options.fits:
        print(json.dumps(measure_fits(options.shards, options.fits, options.most)))
        return
    torch.set_num_threads(1)
    how = {"init": options.init, "steps": options.steps, "batch": options.batch, "seed": options.seed}
    runs = {arm: train_arm(options.shards, options.out, arm, **how) for arm in options.arms}
    measure_arms(options.shards, runs)


if __name__ == "__main__":
    main()
