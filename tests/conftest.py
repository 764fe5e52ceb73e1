"""Input that tests make themselves: small textured figures on disk, and what the four lines make of them."""

import shutil
from pathlib import Path

import pytest

from support.figures import write_figure
from support.wheel import ROOT, Installed, install_wheel

# Options that bring the four lines down to seconds.
TOY = {
    "RENDER": "--views 4 --step 90 --size 64 --rays 32 --renderer embree --jobs 1",
    "SAMPLE": "--near 12000 --uniform 2000 --colours 2000 --split 0.6,0.2,0.2 --jobs 1",
    "TRAIN": "--preset tiny --name toy --set surface.steps=8 --set texture.steps=4",
    "EVAL": "--views 1 --resolution 33 --points 500 --jobs 1",
}


@pytest.fixture(scope="session")
def figures(tmp_path_factory) -> Path:
    """A model directory of five textured scans, `one` to `five`."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("one", "two", "three", "four", "five")):
        write_figure(root / name, seed)
    return root


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Installed:
    """The wheel, installed outside the checkout."""
    return install_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def toy_work(figures, installed, tmp_path_factory) -> Path:
    """What examples/quickstart.sh writes with the installed wheel: renders/, shards/ and runs/toy/."""
    folder = tmp_path_factory.mktemp("quickstart")
    shutil.copy(ROOT / "examples" / "quickstart.sh", folder)
    output = installed.run("bash", "quickstart.sh", figures, "work", cwd=folder, **TOY)
    assert "chamfer" in output
    assert "p2s" in output
    return folder / "work"
