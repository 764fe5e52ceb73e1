"""`mpc doctor`."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np


@click.command()
def doctor() -> None:
    """Report what works on this machine; where something does not, say why and what to install.

    Exit status 3 when a part is missing that mpc cannot do without.
    """
    checks = examine_machine()
    width = max(len(check.name) for check in checks)
    for check in checks:
        click.echo(
            f"{'ok  ' if check.works else 'MISS' if check.needed else 'no  '} {check.name:<{width}}  {check.detail}"
        )
        if check.advice:
            click.echo(f"     {'':<{width}}  -> {check.advice}")
    if any(check.needed and not check.works for check in checks):
        raise click.exceptions.Exit(3)


# The packages mpc needs, and those of its extras with what they are for; a test compares both with pyproject.toml.
REQUIRED = (
    "click", "cloudpickle", "embreex", "h5py", "imageio", "joblib", "numpy", "pillow", "psutil", "pyrender", "rich",
    "safetensors", "scikit-image", "scipy", "tensorboard", "torch", "trimesh", "warp-lang",
)  # fmt: skip
EXTRAS = {
    "people": (("anny",), "makes free people (mpc people, mpc demo)"),
    "fbx": (("ufbx",), "reads FBX files"),
    "films": (("av",), "reads films in mpc reconstruct and writes MP4 turntables"),
    "mask": (("ai-edge-litert",), "finds people in pictures in half the time (mpc segment, mpc reconstruct)"),
    "heic": (("pillow-heif",), "reads HEIC photographs of telephones"),
    "exr": (("OpenEXR",), "reads .exr panoramas (mpc render --lights)"),
    "view": (("viser", "websockets"), "looks at data and results in the browser (mpc view, mpc live)"),
    "cluster": (("distributed", "ray"), "spreads work over Dask and Ray clusters (--backend dask, --backend ray)"),
    "dev": (
        ("codespell", "hypothesis", "libigl", "mypy", "pytest", "pytest-xdist", "ruff"),
        "runs the tests and the linters of mpc itself",
    ),
    "docs": (("mkdocs-material", "mkdocstrings"), "builds the documentation site"),
}


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: the part that was tried.
        works: whether it works.
        needed: whether mpc cannot do its main job without it.
        detail: what was found, or why it does not work.
        advice: what to install or set; "" where nothing has to be done.
    """

    name: str
    works: bool
    needed: bool
    detail: str
    advice: str = ""


def examine_machine() -> list[Check]:
    """Try every part that mpc depends on. It takes a few seconds; a child process creates an OpenGL context."""
    return [
        _check_system(),
        *_try("embree", True, _try_embree, "pip install embreex"),
        *_try("opengl", False, _try_opengl, "apt-get install libegl1 libgl1 (without, Embree draws the same pictures)"),
        *_try("cuda", False, _try_cuda, "a CUDA build of torch and an NVIDIA driver (without, the CPU is used)"),
        *_try("warp", True, _try_warp, "pip install warp-lang"),
        *_try("hdf5", True, _try_hdf5, "pip install h5py"),
        *_try("person", False, _try_person, "mpc fetch (finds people in photographs: mpc reconstruct, mpc segment)"),
        _check_required(),
        *(_check_extra(extra) for extra in EXTRAS),
    ]


def _try(name: str, needed: bool, attempt: Callable[[], str], advice: str) -> list[Check]:
    try:
        return [Check(name, True, needed, attempt())]
    except Exception as error:  # whatever a library throws here is the finding
        return [Check(name, False, needed, f"{type(error).__name__}: {error}".splitlines()[0], advice)]


def _check_system() -> Check:
    import psutil

    from ..core.machine import usable_cores

    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(Path.cwd())
    return Check(
        "machine",
        True,
        True,
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {usable_cores()} cores, "
        f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB memory free, "
        f"{disk.free / 2**30:.0f} GiB disk free",
    )


def _versions(packages: Sequence[str]) -> tuple[list[str], list[str]]:
    """The installed packages with their versions, and the names of the missing ones."""
    found, missing = [], []
    for package in packages:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    return found, missing


def _check_required() -> Check:
    found, missing = _versions(REQUIRED)
    return Check("versions", not missing, True, ", ".join(found), f"pip install {' '.join(missing)}" if missing else "")


def _check_extra(extra: str) -> Check:
    packages, purpose = EXTRAS[extra]
    found, missing = _versions(packages)
    state = f"{', '.join(missing)} not installed" if missing else ", ".join(found)
    advice = f"pip install 'mpc[{extra}]'" if missing else ""
    return Check(f"extra {extra}", not missing, False, f"{purpose}; {state}", advice)


def _try_embree() -> str:
    from ..geometry.mesh import PosedMesh
    from ..geometry.rays import RayScene

    triangle = PosedMesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], np.int32))
    hit = RayScene(triangle).occluded(np.array([[0.2, 0.2, 1.0]]), np.array([[0.0, 0.0, -1.0]]))
    if not hit[0]:
        raise RuntimeError("a ray through a triangle was not stopped")
    return "rays are traced"


def _try_opengl() -> str:
    from ..render.gl_probe import find_gl

    support = find_gl()
    if not support.platform:
        raise RuntimeError(support.reason)
    return support.reason


def _try_cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError(f"torch {torch.__version__} sees no CUDA device")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{', '.join(names)} (CUDA {torch.version.cuda})"


def _try_warp() -> str:
    from ..geometry.closest import closest_points

    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    closest = closest_points(vertices, np.array([[0, 1, 2]], np.int32), np.array([[0.25, 0.25, 2.0]]))
    if abs(float(closest.distances[0]) - 2.0) > 1e-5:
        raise RuntimeError(f"distance to a triangle came out as {closest.distances[0]}, expected 2")
    return "closest points are found"


def _try_hdf5() -> str:
    import h5py

    with h5py.File("mpc-doctor", "w", driver="core", backing_store=False) as file:
        file["x"] = np.arange(10)
        if int(file["x"][3]) != 3:
            raise RuntimeError("a value is not read back as it was written")
    return f"HDF5 {h5py.version.hdf5_version}"


def _try_person() -> str:
    from ..models.person.store import PACKAGE, PACKAGE_VERSION, missing_networks, person_folder

    folder = person_folder()
    missing = missing_networks(folder)
    if missing:
        raise RuntimeError(f"{', '.join(missing)} not in {folder}")
    return f"BlazePose and selfie segmentation of {PACKAGE} {PACKAGE_VERSION} (Apache-2.0) in {folder}"
