"""What a body below the clothes is worth: a network of maps with none, with the known body, and with a fitted one.

    mpc people OUT/models --scans 90 --rigged 0 --hard-poses 1 --texture-size 256
    mpc render OUT/models --out OUT/renders --size 128 --views 3 --step 120 --jitter 45 10 4 --extent 2.5 --rays 24 \
        --layers depth_front depth_back smooth_normal_front smooth_normal_back \
        body_depth_front body_depth_back body_normal_front body_normal_back
    mpc sample OUT/renders --out OUT/shards --split 0.67,0,0.33 --layers (the same)
    mpc landmarks OUT/shards --bodies
    python benchmarks/body_prior.py OUT/shards --init RUN --out OUT/runs

Every arm starts from the same weights and sees the same number of views. Without --init RUN, those weights are an arm
without a body, trained for a while first (--start), and the network is small enough for minutes on one core: a U-net of
24-32-48-64 channels instead of the 80-112-160-216 of *base*. Then the held-out people are measured: the mean error of
the depths of front and back, by person, and the differences to the arm without a body, with 95 % bootstrap intervals
over people. The known-body arm is measured with the fitted body, too: that is what it would get in `mpc reconstruct`.

`--benchmark SHARDS` measures meshes instead, on the people of a benchmark, as `mpc eval --body` does: IoU, Chamfer,
P2S, facing and limbs by person. With --split 1,0,0 above, all the people that were made are learned from.

    mpc people --benchmark v1 OUT/v1
    mpc render OUT/v1 --only 'v1_hard_*' --out OUT/v1-renders --size 512 --views 2 --step 90 --layers (the same)
    mpc sample OUT/v1-renders --out OUT/v1-shards --split 0,0,1 --layers (the same)
    mpc landmarks OUT/v1-shards --bodies
    python benchmarks/body_prior.py OUT/shards --init base --stage surface --benchmark OUT/v1-shards --out OUT/runs

`--fuse RUN` asks the same of a finished network without training it: a linear correction of its depths, by least
squares over the pixels of the training people, is given its own maps alone, or a body besides. That takes seconds, and
says what a body adds to what a network sees already, at the least; with `--benchmark`, points read the corrected
depths, and meshes are measured. `--fits RENDERS` measures the fits themselves: the joints that are found against the
known ones, beside the landmark network's own metres.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from body_linear import CorrectedNetwork, fit_corrections, fused_rows
from body_meshes import Row, mesh_rows
from people_intervals import by_person, figures

from mpc.core.arrays import F64
from mpc.core.files import read_json
from mpc.core.settings import override
from mpc.datasets.loading.body import KNOWN, body_maps
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.joints import read_view_joints
from mpc.datasets.renders.read import read_renders
from mpc.geometry.camera import camera_of
from mpc.models.features import normalise_images
from mpc.models.runs import load_run
from mpc.models.shipped import choose_run
from mpc.motion.joints import BLAZEPOSE_33, pick
from mpc.reconstruct.fitted_body.draw import draw_body
from mpc.reconstruct.fitted_body.fit import fit_body
from mpc.reconstruct.fitted_body.model import body_model
from mpc.train.data import collate
from mpc.train.maps import LAYERS, depth_error, true_maps
from mpc.train.presets import preset
from mpc.train.run import train

ARMS = ("none", "known", "fitted")
SMALL = (24, 32, 48, 64)
"""Channels of the small U-net."""
PAIRS = (
    ("none", "none"), ("known", "known"), ("known", "fitted"), ("known", "none"), ("fitted", "fitted"),
    ("fitted", "none"), ("fitted", "known"),
)  # fmt: skip
"""What an arm is trained with, and what it is given when its depths are measured."""
MESH_PAIRS = (("none", "none"), ("known", "known"), ("known", "fitted"), ("fitted", "fitted"))
FUSED_PAIRS = (("none", "none"), ("known", "known"), ("noisy", "known"), ("noisy", "fitted"), ("fitted", "fitted"))
"""The same when its meshes are measured, of arms and of corrections."""


def train_arm(
    shards: Path,
    runs: Path,
    name: str,
    body: str,
    *,
    init: Path | None,
    stage: str,
    steps: int,
    options: argparse.Namespace,
) -> Path:
    """Train a stage of *base* with a source of bodies; a finished run is kept.

    Args:
        shards: what it learns from.
        runs: folder of the runs.
        name: of the run.
        body: "none", "known" or "fitted".
        init: the run that it starts from; None: fresh weights.
        stage: "maps", or "surface", which goes on with the maps and trains the head beside them.
        steps: number of steps.
        options: batch, seed, and with `init` None the size of the network.
    """
    if (runs / name).is_dir() and read_json(runs / name / "run.json")["status"] == "finished":
        return runs / name
    small = {"widths": SMALL, "blocks": 1, "values": 4, "coarse": 8, "view": 0}
    encoder = {"body": body, **({} if options.init else small)}
    settings = override(
        preset("base"),
        {
            "seed": options.seed, "threads": 1, "device": "cpu", "stages": stage, "picture_every": -1,
            **({} if options.init else {"image_size": 64}),
            # Few steps: pictures are mirrored and tinted, and their masks are left whole.
            "augment": {"grow": 0.0, "mask_holes": 0.0, "mask_halo": 0.0, "mask_soft": 0.0, "mask_cut": 0.0},
            stage: {
                "steps": steps, "batch": options.batch, "points": 64 if stage == "maps" else 512,
                "schedule": "anneal", "decay_at": [0.4], "ema": 0.97, "norm_batches": 8,
            },
            "surface_network": {"encoder": encoder},
        },
    )  # fmt: skip
    return train(shards, runs, settings, name=name, init=init)


def errors_of(run: Path, shards: Path, body: str) -> dict[str, F64]:
    """Depth errors of the held-out views, cm: (V, 2) front and back by "errors", and (V,) numbers of people."""
    network = load_run(run, which="last").surface
    data = ViewDataset(
        shards, "test", points=0, image_size=network.config.encoder.side, layers=(*LAYERS, *KNOWN), landmarks=True,
        bodies=body == "fitted",
    )  # fmt: skip
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


def measure_arms(shards: Path, runs: dict[str, Path]) -> list[dict[str, object]]:
    """The rows of the table: each arm by the body that it is given when it is measured."""
    rng, rows, plain = np.random.default_rng(0), [], None
    for trained, given in PAIRS:
        if trained not in runs:
            continue
        found = errors_of(runs[trained], shards, given)
        people = by_person(found["errors"], found["people"].tolist())
        plain = people if plain is None else plain
        row: dict[str, object] = {"trained": trained, "given": given, "seconds": float(found["seconds"])}
        for side, name in enumerate(("front", "back")):
            row |= figures(name, people[:, side], plain[:, side], rng)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def benchmark_rows(options: argparse.Namespace, runs: dict[str, Path]) -> list[Row]:
    """The rows of `--benchmark`: a finished network as it is and corrected, or the arms and what they started from."""
    if not options.fuse:
        pairs = [*((name, "none") for name in runs if name not in ARMS), *MESH_PAIRS]
        return [
            Row(trained, given, load_run(runs[trained], which="last" if trained in ARMS else "best"))
            for trained, given in pairs
            if trained in runs
        ]
    finished = load_run(options.fuse)
    corrections = fit_corrections(finished.surface, options.shards)
    return [
        Row("as it is", "none", finished),
        *(Row(trained, given, replace(finished, surface=CorrectedNetwork(finished.surface, corrections[trained])))
          for trained, given in FUSED_PAIRS),
    ]  # fmt: skip


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
    parser.add_argument("--init", type=Path, help='run whose weights all arms start from, or "base"')
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--start", type=int, default=300, help="steps before the arms part, without --init")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=["maps", "surface"], default="maps", help="what the arms train")
    parser.add_argument("--benchmark", type=Path, metavar="SHARDS", help="measure meshes of a benchmark's people")
    parser.add_argument("--fits", type=Path, metavar="RENDERS", help="measure the fits against the joints of renders")
    parser.add_argument("--fuse", type=Path, metavar="RUN", help="correct a finished run's depths linearly instead")
    parser.add_argument("--most", type=int, default=10_000, help="views of --fits")
    options = parser.parse_args()
    if options.fits:
        print(json.dumps(measure_fits(options.shards, options.fits, options.most)))
        return
    torch.set_num_threads(1)
    if options.fuse:
        options.fuse = choose_run(options.fuse)[0]
        if options.benchmark:
            mesh_rows(benchmark_rows(options, {}), options.benchmark, options.out / "fused", "none")
        else:
            fused_rows(options.fuse, options.shards)
        return
    init = choose_run(options.init)[0] if options.init else None
    how: dict[str, Any] = {"options": options}
    start = init or train_arm(
        options.shards, options.out, f"start-{options.seed}", "none", init=None, stage="maps", steps=options.start,
        **how,
    )  # fmt: skip
    runs = {
        arm: train_arm(
            options.shards, options.out, f"{arm}-{options.seed}", arm, init=start, stage=options.stage,
            steps=options.steps, **how,
        )
        for arm in options.arms
    }  # fmt: skip
    if options.benchmark:
        rows = benchmark_rows(options, {"start": start, **runs})
        mesh_rows(rows, options.benchmark, options.out / f"meshes-{options.seed}", "none")
    else:
        measure_arms(options.shards, runs)


if __name__ == "__main__":
    main()
