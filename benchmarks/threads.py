"""Measure training steps beside busy processes: with all threads, with one, and with the number that is chosen.

"spinning" is all threads as OpenMP has them wait by default, "all" the same threads with OMP_WAIT_POLICY=PASSIVE, which
`mpc` sets, "chosen" what `mpc train` does.

    python benchmarks/threads.py              # beside 0, 1 and 2 busy processes
    python benchmarks/threads.py --tiny

Each variant runs in a process of its own. `ratio` is wall time a step, trials included, relative to one thread beside
as many busy processes, and `against_quiet` the same relative to "chosen" beside none. Anything else that the machine
does counts as busy, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

VARIANTS = ("spinning", "all", "one", "chosen")
SPIN = "while True: pass"


def measure(variant: str, steps: int, batch: int) -> float:
    """Wall seconds a step of the base recipe's maps, in this process."""
    import torch

    from mpc.train.data import collate
    from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
    from mpc.train.presets import preset
    from mpc.train.stages import MapsStage
    from mpc.train.threads import ThreadChooser

    most = os.cpu_count() or 1
    torch.set_num_threads(1 if variant == "one" else most)
    settings = preset("base")
    size = settings.image_size or 64
    people = EllipsoidViews(ellipsoid_people(2, seed=0), size=size, points=64, colour_points=1, layers=True)
    views = collate([people[view % len(people)] for view in range(batch)])
    stage = MapsStage(settings.surface_network, settings.maps, settings.mining)
    chooser = ThreadChooser(most if variant == "chosen" else 1)
    began = time.monotonic()
    for _ in range(steps):
        before = time.monotonic()
        stage.losses(stage.network, views)[0].mean().backward()
        chooser.note(time.monotonic() - before)
    return (time.monotonic() - began) / steps


def environment_of(variant: str) -> dict[str, str]:
    """The environment variables of the process that measures a variant."""
    kept = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    return kept if variant == "spinning" else kept | {"OMP_WAIT_POLICY": "PASSIVE"}


def main() -> None:
    """Print one JSON line for each number of busy processes and variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tiny", action="store_true", help="two steps beside no process")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tiny:
        options.busy, options.steps, options.batch = [0], 2, 2
    if options.variant:
        print(measure(options.variant, options.steps, options.batch))
        return
    quiet = 0.0
    for busy in options.busy:
        others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(busy)]
        try:
            words = [
                sys.executable,
                __file__,
                "--steps",
                str(options.steps),
                "--batch",
                str(options.batch),
                "--variant",
            ]
            seconds = {
                name: float(
                    subprocess.run(
                        [*words, name],
                        capture_output=True,
                        check=True,
                        text=True,
                        env=environment_of(name),
                    ).stdout
                )
                for name in VARIANTS
            }
        finally:
            for other in others:
                other.kill()
        for name, value in seconds.items():
            ratio = round(value / seconds["one"], 3)
            quiet = quiet or seconds["chosen"]
            against = round(value / quiet, 3)
            row = {"busy": busy, "threads": name, "seconds_a_step": round(value, 4), "ratio": ratio}
            print(json.dumps({**row, "against_quiet": against}), flush=True)


if __name__ == "__main__":
    main()
