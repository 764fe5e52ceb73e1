"""The networks that come with mpc, under the name "base": a run folder in the package, in half precision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import read_json, replacing_folder, write_json, write_text
from .runs import find_run
from .storage import load_network, save_network

BASE = "base"
"""What the user types for the networks of the package."""
FOLDER = Path(__file__).parent / "weights" / BASE
LICENCE = """The weights in this folder were trained by mpc on people that `mpc people` made, and on nothing else.
They are dedicated to the public domain: CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/
"""
# Entries of run.json that say what the networks are; the others tell of one machine's training.
_KEPT = ("format", "version", "settings", "data", "versions")


def shipped_run() -> Path:
    """The run folder of the networks that come with the package.

    Raises:
        InputError: this copy of the package has none.
    """
    if not (FOLDER / "run.json").is_file():
        raise InputError(FOLDER, "this copy of mpc holds no weights; train a network with `mpc train`")
    return FOLDER


def choose_run(folder: Path, default: Path | None = None) -> tuple[Path, str]:
    """The run that a user means.

    Args:
        folder: a run, a folder of runs, or "base" (where no folder of that name is there).
        default: the folder that is meant where the user named none; without a run in it, "base" is taken.

    Returns:
        A run folder, and one line for the user about a choice that the user did not make, "" if there is none.

    Raises:
        InputError: there is no such run.
    """
    if folder == Path(BASE) and not folder.exists():
        return shipped_run(), ""
    if folder != default or _holds_run(folder):
        return find_run(folder), ""
    return shipped_run(), f"no run in {folder}/, so the networks of the package are used (--run {BASE})"


def results_folder(run: Path) -> Path:
    """Where results about a run are written: the run itself; of the networks of the package runs/base/."""
    return Path("runs") / BASE if run == FOLDER else run


def write_weights(run: Path, out: Path = FOLDER) -> dict[str, int]:
    """Write the best networks of a run as a run folder with weights in half precision.

    Args:
        run: a run, or a folder of runs, of which the newest is taken.
        out: the folder to write, which is replaced.

    Returns:
        Bytes of each file of weights, by stage.

    Raises:
        InputError: the run has no surface network.
    """
    run = find_run(run)
    record = read_json(run / "run.json")
    sizes: dict[str, int] = {}
    with replacing_folder(out) as temporary:
        for stage in ("surface", "texture"):
            path = run / stage / "best.safetensors"
            if not path.is_file():
                if stage == "surface":
                    raise InputError(path, "no such file; train the surface to its end first")
                continue
            network, header = load_network(path)
            notes = {name: header[name] for name in ("step", "iou", "colour_error", "versions") if name in header}
            (temporary / stage).mkdir(parents=True)
            place = temporary / stage / "best.safetensors"
            # Batch statistics stay as they are: they are few, and variances of 100,000 have been seen.
            for weight in network.parameters():
                weight.data = weight.data.half()
            if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
                raise InputError(path, "has weights beyond 65,504, which half precision cannot hold")
            save_network(place, network, network.config, trained_sha256=header["sha256"], **notes)
            sizes[stage] = place.stat().st_size
        kept: dict[str, Any] = {name: record[name] for name in _KEPT if name in record}
        write_json(temporary / "run.json", {**kept, "status": "complete"}, sort_keys=False)
        write_text(temporary / "LICENSE.txt", LICENCE)
    return sizes


def _holds_run(folder: Path) -> bool:
    return (folder / "run.json").is_file() or any(folder.glob("*/run.json"))


if __name__ == "__main__":
    for name, size in write_weights(Path(sys.argv[1])).items():
        print(f"{name}: {size / 1e6:.2f} MB -> {FOLDER}/")  # noqa: T201
