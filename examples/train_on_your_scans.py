"""Train on a folder of your own scans and rigs: the first three of the four lines, from Python.

    python examples/train_on_your_scans.py models/ --out work/ --preset small

Each step keeps what is finished, so the same command goes on after a stop (but training begins a new run).
"""

import argparse
from pathlib import Path

import mpc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", type=Path, help="searched for OBJ, PLY, STL, GLB, glTF and FBX, however deep they lie"
    )
    parser.add_argument("--out", type=Path, default=Path("work"))
    parser.add_argument("--views", type=int, default=36, help="pictures of each scene, evenly spaced around it")
    parser.add_argument("--size", type=int, default=512, help="edge of the pictures, pixels")
    parser.add_argument("--near", type=int, default=200_000, help="labelled points near the surface of each scene")
    parser.add_argument("--preset", default="auto", help="tiny, small, paper; auto looks at the machine")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of docs/training.md")
    chosen = parser.parse_args()

    # 1. Pose, light and draw everybody.
    rendering = mpc.RenderSettings(views=chosen.views, step_deg=360 / chosen.views, size=chosen.size, seed=0)
    rendered = mpc.render_models(chosen.models, chosen.out / "renders", rendering)
    report("rendered", rendered.rendered + rendered.kept, rendered.failures)

    # 2. Label points inside and outside, sample colours, split by person, and pack all of it into HDF5 shards.
    sampling = mpc.SampleSettings(near_points=chosen.near, uniform_points=chosen.near // 5, seed=0)
    sampled = mpc.sample_renders(chosen.out / "renders", chosen.out / "shards", sampling)
    report("sampled", sampled.scenes, sampled.failures)

    # 3. Train the surface network, then the texture network.
    settings, remark = mpc.choose_settings(chosen.preset, assignments=chosen.set, shards=chosen.out / "shards")
    print(remark)
    run = mpc.train_networks(chosen.out / "shards", chosen.out / "runs", settings)
    print(f"trained -> {run}; measure it with: mpc eval --run {run} --shards {chosen.out / 'shards'}")


def report(done: str, scenes: int, failures: tuple[tuple[str, str], ...]) -> None:
    """Print what was done, and whom it could not be done for: one bad scan does not stop the others."""
    print(f"{scenes} scenes {done}")
    for name, reason in failures:
        print(f"failed: {name}: {reason}")


if __name__ == "__main__":
    main()
