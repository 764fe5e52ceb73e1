"""The package as users get it: a wheel, installed into an environment of its own, outside the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

import mpc

ROOT = Path(mpc.__file__).resolve().parent
ROOMS = tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mpc"]["rooms"])


@dataclass(frozen=True)
class Installed:
    """An environment that holds mpc from its wheel, and the libraries of this one.

    Attributes:
        wheel: the file.
        scripts: folder of `python` and `mpc`.
        site: folder that holds the package.
    """

    wheel: Path
    scripts: Path
    site: Path

    @classmethod
    def of(cls, folder: Path) -> "Installed":
        """What `install_wheel` left in a folder."""
        (wheel,) = (folder / "dist").glob("mpc-*.whl")
        (site,) = (folder / "environment" / "lib").glob("python*/site-packages")
        return cls(wheel, folder / "environment" / "bin", site)

    def run(self, *words: object, cwd: Path, code: int = 0, **variables: str) -> str:
        """Run a command with the environment's programs first on the path; returns what it wrote to stdout."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PATH": f"{self.scripts}{os.pathsep}{environment['PATH']}", **variables}
        command = [str(word) for word in words]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def install_wheel(folder: Path) -> None:
    """Build the wheel from a copy of the sources and install it, without an index and without downloads."""
    sources = folder / "sources"
    for name in ("__init__.py", "__main__.py", "py.typed", "pyproject.toml", "README.md", "LICENSE", *ROOMS):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        sources.mkdir(exist_ok=True)
        copy(ROOT / name, sources / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder / "dist")]
    subprocess.run([*pip, *build, str(sources)], check=True)
    (wheel,) = (folder / "dist").glob("mpc-*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    site = Installed.of(folder).site
    # The libraries come from this environment; its own .pth files, such as that of an editable mpc, are not followed.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
