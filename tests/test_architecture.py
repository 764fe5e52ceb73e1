"""The house (docs/architecture.md): import arrows, the package list, and how light `mpc --help` is."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mpc

ROOT = Path(mpc.__file__).resolve().parent
ALLOWED = {
    "evaluate": {"reconstruct", "models", "datasets", "render", "geometry", "sampling"},
    "train": {"models", "datasets", "reconstruct", "geometry"},
    "reconstruct": {"models", "geometry"},
    "models": {"geometry"},
    "datasets": {"sampling", "render", "geometry"},
    "sampling": {"geometry"},
    "render": {"geometry"},
    "geometry": set(),
}
ALLOWED["cli"] = set(ALLOWED)
SOURCES = sorted(path for room in ALLOWED for path in (ROOT / room).rglob("*.py"))


def imported_rooms(path: Path, source: str) -> list[tuple[int, str]]:
    """(line, room) of every import of another top-level folder in one source file."""
    package = ["mpc", *path.relative_to(ROOT).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [".".join([*base, node.module])] if node.module else [".".join([*base, a.name]) for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "mpc" and len(parts) > 1 and parts[1] in ALLOWED and parts[1] != package[1]:
                found.append((node.lineno, parts[1]))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path):
    room = path.relative_to(ROOT).parts[0]
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {room} imports {target}"
        for line, target in imported_rooms(path, path.read_text())
        if target not in ALLOWED[room]
    ]
    assert not wrong


def test_an_import_against_the_arrows_is_seen():
    planted = imported_rooms(ROOT / "geometry" / "x.py", "from ..train.run import train\nimport mpc.cli.main\n")
    assert planted == [(1, "train"), (2, "cli")]


def test_package_list_matches_the_tree():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tree = {"mpc"} | {"mpc." + ".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES}
    assert sorted(listed) == sorted(tree)


def test_every_package_has_an_init():
    assert all((path.parent / "__init__.py").is_file() for path in SOURCES)


def test_help_needs_no_heavy_library():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom mpc.cli.main import main\n"
        "for words in (['--help'], ['render', '--help'], ['sample', '--help'], ['train', '--help'], ['eval', '--help'],"
        " ['demo', '--help'], ['people', '--help'], ['reconstruct', '--help'], ['check', '--help']):\n"
        "    result = CliRunner().invoke(main, words)\n    assert result.exit_code == 0, result.output\n"
        "print(sorted({'torch', 'pyrender', 'OpenGL', 'warp', 'anny', 'igl', 'trimesh'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
