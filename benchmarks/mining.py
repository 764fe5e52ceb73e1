"""Item mining against uniform drawing: same people, same steps, several seeds.

    python benchmarks/rare_people.py rare                       # free people, few in hard poses
    python benchmarks/mining.py rare --out rare/mining          # item mining and uniform drawing, five seeds
    python benchmarks/mining.py rare --variants none item item@0.05 both --steps 600
    python benchmarks/mining.py                                 # ellipsoid people in memory, IoU alone

A variant is a `mining.mode`; `@` gives another alpha. Finished runs in --out are kept. The program prints a line for
each variant and seed and, against the first variant, the differences in mean, 10th-percentile, worst twentieth's mean
and worst IoU, Chamfer distance and P2S of held-out views (a distance's 10th percentile is its 90th)
and of the IoU of training views, with 95 % intervals: people and seeds are drawn with replacement, the same for both
variants.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mpc.evaluate.run import evaluate
from mpc.evaluate.settings import EvaluationSettings, Workers
from mpc.models.runs import load_run
from mpc.models.storage import read_tensors
from mpc.train.data import Views, open_views
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.presets import preset
from mpc.train.run import train_views
from mpc.train.settings import TrainSettings
from mpc.train.validate import validate_surface

POINTS = 4096
STATISTICS = ("mean", "p10", "worst_twentieth", "worst")
RESAMPLES = 4000
# Written down here, so that figures of one day compare with those of another. The preset's summary is wider.
NETWORK: dict[str, Any] = {
    "encoder": {"stacks": 1, "depth": 3, "channels": 64, "features": 64, "stem": 16, "norm": "batch", "fine": True},
    "depth": {"kind": "plain"}, "head": {"kind": "cbn", "channels": (64, 64)},
    "summary": {"numbers": 32, "widths": (16, 24, 48, 64)},
}  # fmt: skip
OPTIMISER: dict[str, Any] = {
    "optimiser": "muon", "learning_rate": 2e-3, "weight_decay": 1e-4, "warmup": 0.03, "schedule": "cosine",
    "ema": 0.98, "loss": "bce", "batch": 16, "facing": 0.5,
}  # fmt: skip
# Drawn on each surface for Chamfer and P2S.
SURFACE_POINTS = 5_000
# Where a run keeps a figure, and under which name.
FIGURES = {
    "iou": ("views", "iou"), "train_iou": ("train_views", "iou"),
    "chamfer": ("meshes", "chamfer"), "p2s": ("meshes", "p2s"),
}  # fmt: skip


def rare_poses(size: int, points: int) -> tuple[Views, Views]:
    """Twenty everyday people and two in rare poses to train on; six and six held out."""
    options = {"size": size, "points": points, "colour_points": 1, "yaws_deg": tuple(range(0, 360, 45))}
    train = ellipsoid_people(20, 0) + ellipsoid_people(2, 0, first=500, spread=3.0)
    held_out = ellipsoid_people(6, 0, first=100) + ellipsoid_people(6, 0, first=600, spread=3.0)
    return EllipsoidViews(train, **options), EllipsoidViews(held_out, **options)


def variant_settings(name: str, seed: int, options: argparse.Namespace) -> TrainSettings:
    """The tiny preset with that mining."""
    mode, _, alpha = name.partition("@")
    mining = {"mode": mode, **({"surface_alpha": float(alpha)} if alpha else {})}
    return preset(
        "tiny", seed=seed, stages="surface", threads=options.threads, mining=mining, surface_network=NETWORK,
        surface={**OPTIMISER, "steps": options.steps, "validate_every": options.steps, "points": options.points},
    )  # fmt: skip


def measure(
    name: str, settings: TrainSettings, folder: Path, *, data: Path | None, mesh_views: int = 1
) -> dict[str, Any]:
    """Train once and measure: figures of held-out and training views by person, and what was drawn."""
    seed, steps = settings.seed, settings.surface.steps
    stem = f"{name}-{steps}-{seed}"
    found = folder / f"{stem}.json"
    if found.is_file():
        return json.loads(found.read_text())
    hard: set[str] = set()
    if data is None:
        train, held_out = rare_poses(128, settings.surface.points)
        seen: Views = train
    else:
        shards = data / "shards"
        train = open_views(shards, "train", settings, settings.surface.points, 1, train=True)
        seen = open_views(shards, "train", settings, POINTS, 1)
        held_out = open_views(shards, "test", settings, POINTS, 1)
        hard = set(json.loads((data / "hard.json").read_text()))
    began = time.process_time()
    run = train_views(train, None, folder, settings, name=stem)
    seconds = time.process_time() - began
    network = load_run(run).surface
    state = read_tensors(run / "surface" / "state.safetensors")[0]
    drawn, scores = state["mining/drawn"].numpy(), state["mining/scores"].numpy()

    def rows(data: Views) -> list[dict[str, Any]]:
        ious = validate_surface(network, data, views=len(data), batch=16, device=torch.device("cpu")).tolist()
        people = [view.subject for view in data.views]
        return [{"person": who, "hard": who in hard, "iou": iou} for who, iou in zip(people, ious, strict=True)]

    train_views_found = rows(seen)
    for row, count, score in zip(train_views_found, drawn.tolist(), scores.tolist(), strict=True):
        row.update(drawn=count, score=score)
    is_hard = np.array([row["hard"] for row in train_views_found])
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    result: dict[str, Any] = {
        "variant": name, "seed": seed, "steps": steps, "cpu_seconds_a_step": round(seconds / steps, 4),
        "effective_sample_size": last["weights_ess"], "hard_share_of_views": float(is_hard.mean()),
        "hard_share_of_draws": float(drawn[is_hard].sum() / drawn.sum()), "views": rows(held_out),
        "train_views": train_views_found,
    }  # fmt: skip
    if data is not None:
        measuring = EvaluationSettings(
            metrics=("chamfer", "p2s"), views_per_scene=mesh_views, resolution=129, points=SURFACE_POINTS
        )
        measured = evaluate(run, shards, measuring, workers=Workers(jobs=1, device="cpu"))
        result["meshes"] = [
            {
                "person": r.subject, "hard": r.subject in hard,
                **{key: r.scores[key].value if key in r.scores else None for key in ("chamfer", "p2s")},
            }
            for r in measured.records
        ]  # fmt: skip
    found.write_text(json.dumps(result))
    return result


def statistics(values: np.ndarray, figure: str) -> np.ndarray:
    """(S, K, V) -> (S, 4): mean, the bad end's tenth, mean of its worst twentieth, the worst, of each seed's views."""
    sign = 1.0 if figure.endswith("iou") else -1.0
    flat = np.sort(sign * values.reshape(len(values), -1), axis=1)
    few = max(1, round(flat.shape[1] / 20))
    columns = (flat.mean(axis=1), np.quantile(flat, 0.1, axis=1), flat[:, :few].mean(axis=1), flat[:, 0])
    return sign * np.stack(columns, axis=1)


def by_person(result: dict[str, Any], figure: str, group: str) -> np.ndarray:
    """(K, V) a figure of a run's views by person; a view without a mesh counts as the worst mesh of all."""
    place, key = FIGURES[figure]
    rows = [r for r in result[place] if group == "all" or r["hard"] == (group == "hard")]
    worst = max((r[key] for r in rows if r[key] is not None), default=0.0)
    people: dict[str, list[float]] = {}
    for r in rows:
        people.setdefault(r["person"], []).append(worst if r[key] is None else r[key])
    return np.array(list(people.values()))


def compare(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Figures of two variants over the same seeds, and their difference with 95 % intervals, a line each."""
    rng = np.random.default_rng(0)
    groups = ("all", "easy", "hard") if any(v["hard"] for v in one[0]["views"]) else ("all",)
    for figure, (place, _) in FIGURES.items():
        for group in groups if place in one[0] else ():
            a, b = (np.stack([by_person(r, figure, group) for r in runs]) for runs in (one, two))
            seeds, people = a.shape[:2]
            found_a, found_b = statistics(a, figure), statistics(b, figure)
            differences = []
            for _ in range(RESAMPLES):
                who, which = rng.integers(people, size=people), rng.integers(seeds, size=seeds)
                pair = [statistics(x[which][:, who], figure).mean(axis=0) for x in (a, b)]
                differences.append(pair[1] - pair[0])
            low, high = np.quantile(np.stack(differences), [0.025, 0.975], axis=0)
            mean = (found_b - found_a).mean(axis=0)
            for index, name in enumerate(STATISTICS):
                yield {
                    "figure": figure, "people": group, "statistic": name,
                    "first": round(found_a[:, index].mean(), 4), "second": round(found_b[:, index].mean(), 4),
                    "difference": round(mean[index], 4), "interval": [round(low[index], 4), round(high[index], 4)],
                    "by_seed": (found_b - found_a)[:, index].round(4).tolist(),
                }  # fmt: skip


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="what rare_people.py wrote")
    parser.add_argument("--out", type=Path, help="keep runs and results here")
    parser.add_argument("--variants", nargs="+", default=["none", "item"])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--points", type=int, default=512, help="a view and step")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--views", type=int, default=1, help="of each person, for Chamfer and P2S")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in options.variants}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed in options.seeds:
            for name, found in results.items():
                settings = variant_settings(name, seed, options)
                found.append(measure(name, settings, folder, data=options.data, mesh_views=options.views))
                figures = {
                    figure: statistics(by_person(found[-1], figure, "all")[None], figure)[0].round(4).tolist()
                    for figure, (place, _) in FIGURES.items()
                    if place in found[-1]
                }
                noted = {key: v for key, v in found[-1].items() if key not in ("views", "train_views", "meshes")}
                print(json.dumps({**noted, "statistics": STATISTICS, **figures}), flush=True)
    first, *others = options.variants
    for other in others:
        for line in compare(results[first], results[other]):
            print(json.dumps({"variants": [first, other], **line}), flush=True)


if __name__ == "__main__":
    main()
