"""Compare Soft-Z with plain z and the hourglass with HRNet: same people, same steps, several seeds.

    python benchmarks/rare_people.py rare
    python benchmarks/ablation.py rare --out rare/ablation

Everything else is as in mining.py, with item mining: 64x64 pictures, a conditional head of 64-64, the half-resolution
map beside the encoder's, and a summary of the whole picture. HRNet has the published branches (W18-small-v2) and
modules with a narrower stem. The program prints a line for each network and seed, then each network's means over the
seeds with their standard errors. Times are seconds of the processor, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from mining import NETWORK, OPTIMISER, by_person, measure

from mpc.models.cost import count_cost
from mpc.train.presets import preset
from mpc.train.settings import TrainSettings

ENCODERS: dict[str, dict[str, Any]] = {
    "hourglass": NETWORK["encoder"],
    "hrnet": {"kind": "hrnet", "stem": 16, "features": 64, "norm": "batch", "fine": True},
}
FIGURES = ("iou", "chamfer", "p2s")


def network_settings(encoder: str, depth: str, seed: int, options: argparse.Namespace) -> TrainSettings:
    """The tiny preset with that network."""
    return preset(
        "tiny", seed=seed, stages="surface", threads=options.threads,
        surface={**OPTIMISER, "steps": options.steps, "validate_every": options.steps},
        surface_network={**NETWORK, "encoder": ENCODERS[encoder], "depth": {"kind": depth, "bins": 64}},
    )  # fmt: skip


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="what rare_people.py wrote")
    parser.add_argument("--out", type=Path, help="keep runs and results here")
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS))
    parser.add_argument("--depths", nargs="+", default=["soft", "plain"])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed in options.seeds:
            for encoder in options.encoders:
                for depth in options.depths:
                    settings = network_settings(encoder, depth, seed, options)
                    name = f"{encoder}-{depth}"
                    result = measure(name, settings, folder, data=options.data)
                    figures = {f"{f}": float(by_person(result, f, "all").mean()) for f in FIGURES}
                    figures["cpu_seconds_a_step"] = result["cpu_seconds_a_step"]
                    found.setdefault(name, []).append(figures)
                    cost = str(count_cost(settings.surface_network, settings.image_size or 64))
                    print(json.dumps({"network": name, "seed": seed, "cost": cost, **figures}), flush=True)
    for name, figures in found.items():
        table = np.array([list(f.values()) for f in figures])
        error = table.std(axis=0, ddof=1) / len(table) ** 0.5 if len(table) > 1 else np.full(table.shape[1], np.nan)
        means = {
            key: [round(float(m), 4), round(float(e), 4)]
            for key, m, e in zip(figures[0], table.mean(axis=0), error, strict=True)
        }
        print(json.dumps({"network": name, "seeds": len(table), "mean_and_standard_error": means}))


if __name__ == "__main__":
    main()
