"""What a body below the clothes is worth: the maps stage with none, with the known body, and with a fitted one.

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

`--fuse RUN` asks the same of a finished network without training it: a linear correction of its depths, by least
squares over the pixels of the training people, is given its own maps alone, or a body besides. That takes seconds, and
says what a body adds to what a network sees already, at the least. `--fits RENDERS` measures the fits themselves: the
joints that are found against the known ones, beside the landmark network's own metres.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

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
from mpc.models.surface import SurfaceNetwork
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
DRAWS = 10_000


def train_arm(
    shards: Path, runs: Path, name: str, body: str, *, init: Path | None, steps: int, batch: int, seed: int, small: bool
) -> Path:
    """Train the maps stage of *base* with a source of bodies; a finished run is kept."""
    if (runs / name).is_dir() and read_json(runs / name / "run.json")["status"] == "finished":
        return runs / name
    encoder = {"body": body, **({"widths": SMALL, "blocks": 1, "values": 4, "coarse": 8} if small else {})}
    settings = override(
        preset("base"),
        {
            "seed": seed, "threads": 1, "device": "cpu", "stages": "maps", "picture_every": -1,
            # Few steps: pictures are mirrored and tinted, and their masks are left whole.
            "augment": {"grow": 0.0, "mask_holes": 0.0, "mask_halo": 0.0, "mask_soft": 0.0, "mask_cut": 0.0},
            "maps": {
                "steps": steps, "batch": batch, "points": 64, "schedule": "anneal", "decay_at": [0.4], "ema": 0.97,
                "norm_batches": 8,
            },
            "surface_network": {"encoder": encoder},
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


def fused_rows(run: Path, shards: Path) -> list[dict[str, object]]:
    """The same rows for a finished network whose depths are corrected linearly, with and without a body."""
    network = load_run(run, which="last").surface
    train_views = _pixels(network, shards, "train")
    held_out = _pixels(network, shards, "test")
    rng, rows, plain = np.random.default_rng(0), [], None
    arms = [("as it is", "none", "none"), ("corrected", "none", "none")]
    arms += [("corrected", trained, given) for trained in ARMS[1:] for given in ARMS[1:]]
    for name, trained, given in arms:
        predicted = [view.depths for view in held_out]
        if name != "as it is":
            weights = _least_squares(
                np.concatenate([view.inputs(trained) for view in train_views]),
                np.concatenate([view.truth for view in train_views]),
            )
            predicted = [view.inputs(given) @ weights for view in held_out]
        errors = np.array(
            [
                np.abs(one - view.truth).mean(axis=0) * view.half_cm
                for one, view in zip(predicted, held_out, strict=True)
            ]
        )
        people = by_person({"errors": errors, "people": np.array([view.person for view in held_out])})
        plain = people if name == "corrected" and plain is None else plain
        row: dict[str, object] = {"network": name, "trained": trained, "given": given}
        for side, label in enumerate(("front", "back")):
            row[label] = interval(people[:, side], rng)
            if plain is not None:
                row[f"{label} less none"] = interval((people - plain)[:, side], rng)
                row[f"{label} better for"] = f"{int((people < plain)[:, side].sum())} of {len(people)}"
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


@dataclass(frozen=True, eq=False)
class _View:
    """The pixels of one view that show the person.

    Attributes:
        depths: (N, 2) the network's depths of front and back.
        maps: (N, 8) all its maps.
        bodies: by source, (N, 8), NaN where there is no body.
        truth: (N, 2) true depths.
        person: number of the person.
        half_cm: half of the view cube, cm.
    """

    depths: F64
    maps: F64
    bodies: dict[str, F64]
    truth: F64
    person: int
    half_cm: float

    def inputs(self, source: str) -> F64:
        """(N, 20) what the correction is given: the network's maps, 1, and the body's maps and whether there is one."""
        body = self.bodies.get(source, np.full_like(self.maps, np.nan))
        shown = np.isfinite(body).all(axis=1, keepdims=True)
        # Where there is a body the network's own depths have weights of their own.
        parts = (self.maps, np.ones((len(body), 1)), np.where(shown, body, 0.0), shown, self.depths * shown)
        return np.concatenate(parts, axis=1)


def _pixels(network: SurfaceNetwork, shards: Path, split: str) -> list[_View]:
    """What a network sees of the views of a split, with both bodies."""
    known = ViewDataset(shards, split, points=0, image_size=64, layers=(*LAYERS, *KNOWN), landmarks=True)
    fitted = ViewDataset(shards, split, points=0, image_size=64, bodies=True)
    people: dict[str, int] = {}
    found = []
    for view in range(len(known)):
        batch = collate([known[view]])
        with torch.inference_mode():
            maps = network.encode(normalise_images(batch["image"]), batch["landmarks"]).maps[-1][0]
        truth, shown = true_maps(batch)
        bodies = {name: body_maps(item) for name, item in (("known", known[view]), ("fitted", fitted[view]))}
        mask = shown[0, 0]
        rows = {name: body[:, mask].T.double().numpy() for name, body in bodies.items() if body is not None}
        flat = maps[:, mask].T.double().numpy()
        found.append(
            _View(
                flat[:, :2], flat, rows, truth[0, :2][:, mask].T.double().numpy(),
                people.setdefault(known.views[view].subject, len(people)),
                100.0 / float(batch["calibration"][0, 2, :3].norm()),
            )
        )  # fmt: skip
    return found


def _least_squares(inputs: F64, truth: F64) -> F64:
    """(C, 2) weights with the least squares, held a little by a ridge."""
    return np.asarray(np.linalg.solve(inputs.T @ inputs + 1e-3 * np.eye(inputs.shape[1]), inputs.T @ truth))


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
    parser.add_argument("--start", type=int, default=300, help="steps before the arms part, without --init")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fits", type=Path, metavar="RENDERS", help="measure the fits against the joints of renders")
    parser.add_argument("--fuse", type=Path, metavar="RUN", help="correct a finished run's depths linearly instead")
    parser.add_argument("--most", type=int, default=10_000, help="views of --fits")
    options = parser.parse_args()
    if options.fits:
        print(json.dumps(measure_fits(options.shards, options.fits, options.most)))
        return
    torch.set_num_threads(1)
    if options.fuse:
        fused_rows(options.fuse, options.shards)
        return
    how: dict[str, Any] = {"batch": options.batch, "seed": options.seed, "small": options.init is None}
    init = options.init or train_arm(
        options.shards, options.out, f"start-{options.seed}", "none", init=None, steps=options.start, **how
    )
    runs = {
        arm: train_arm(options.shards, options.out, f"{arm}-{options.seed}", arm, init=init, steps=options.steps, **how)
        for arm in options.arms
    }
    measure_arms(options.shards, runs)


if __name__ == "__main__":
    main()
