"""Input that tests make themselves: small textured figures on disk, and what the four lines make of them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpc.core.logs import log_to
from support.figures import write_figure
from support.wheel import ROOT, Installed, install_wheel

# One thread for arithmetic, also in the programs that tests start: the runs are so small that threads cost more than
# they gain, above all where several tests share the cores. It counts as long as torch has not been imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Options that bring the four lines down to seconds.
TOY = {
    "RENDER": "--views 4 --step 90 --size 64 --rays 32 --renderer embree --jobs 1",
    "SAMPLE": "--near 12000 --uniform 2000 --colours 2000 --split 0.6,0.2,0.2 --jobs 1",
    "TRAIN": "--preset tiny --name toy --set surface.steps=8 texture.steps=4 image_size=64",
    "EVAL": "--views 1 --resolution 33 --points 500 --jobs 1",
}


@pytest.fixture(autouse=True)
def no_log_file() -> Iterator[None]:
    """A command that a test runs in this process logs to a file, the tests after it do not."""
    yield
    log_to(None)


@pytest.fixture(scope="session")
def figures(tmp_path_factory) -> Path:
    """A model directory of five textured scans, `one` to `five`."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("one", "two", "three", "four", "five")):
        write_figure(root / name, seed)
    return root


def make_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], None]) -> Path:
    """A folder of the whole test run, filled by the first of pytest's processes that needs it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held until the file is closed; the others wait
        if not folder.with_suffix(".made").exists():
            folder.mkdir()
            fill(folder)
            folder.with_suffix(".made").touch()
    return folder


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Installed:
    """The wheel, installed outside the checkout."""
    return Installed.of(make_once(tmp_path_factory, "wheel", install_wheel))


@pytest.fixture(scope="session")
def toy_work(figures, installed, tmp_path_factory) -> Path:
    """What examples/quickstart.sh writes with the installed wheel: renders/, shards/ and runs/toy/."""

    def fill(folder: Path) -> None:
        shutil.copy(ROOT / "examples" / "quickstart.sh", folder)
        output = installed.run("bash", "quickstart.sh", figures, "work", cwd=folder, **TOY)
        assert "chamfer" in output
        assert "p2s" in output

    return make_once(tmp_path_factory, "quickstart", fill) / "work"
