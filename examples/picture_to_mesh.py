"""Rebuild the person in one picture and write a coloured mesh.

    python examples/picture_to_mesh.py person.png --run runs --out person.glb
    python examples/picture_to_mesh.py photo.jpg --mask photo_mask.png --height 1.82

The picture shows one person from head to toe. Its alpha channel, or the mask, says which pixels are the person.
"""

import argparse
from pathlib import Path

import mpc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--mask", type=Path, help="white where the person is, where the picture has no alpha channel")
    parser.add_argument("--run", type=Path, default=Path("runs"), help="a run of `mpc train`, or a folder of runs")
    parser.add_argument("--out", type=Path, default=Path("person.glb"), help="ends in .glb, .ply or .obj")
    parser.add_argument(
        "--height", type=float, default=1.7, help="of the person as posed, metres: a picture has no scale"
    )
    parser.add_argument("--resolution", type=int, default=257, help="nodes along an edge of the view cube")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda where there is a GPU")
    chosen = parser.parse_args()

    run = mpc.load_run(chosen.run, chosen.device)
    settings = mpc.CaptureSettings(resolution=chosen.resolution, height_m=chosen.height)
    mesh = mpc.reconstruct_picture(run, chosen.picture, mask=chosen.mask, settings=settings)

    # The colours hold the light of the picture already, so the file tells viewers to add none: lit=False.
    mpc.write_mesh(chosen.out, mesh, lit=False)
    low, high = mesh.bounds
    print(f"{len(mesh.faces)} faces, {high[1] - low[1]:.2f} m tall -> {chosen.out}")


if __name__ == "__main__":
    main()
