"""The house (docs/architecture.md): import arrows, the package list, and how light `mpc --help` is."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mpc

ROOT = Path(mpc.__file__).resolve().parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = PROJECT["tool"]["mpc"]["rooms"]
ALLOWED = {name: set(room["imports"]) for name, room in ROOMS.items()}
SOURCES = sorted(path for room in ALLOWED for path in (ROOT / room).rglob("*.py"))


def imported_modules(path: Path, source: str) -> list[tuple[int, str]]:
    """(line, dotted name below mpc) of every import of the package in one source file."""
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
        found += [(node.lineno, name.removeprefix("mpc.")) for name in names if name.startswith("mpc.")]
    return found


def imported_rooms(path: Path, source: str) -> list[tuple[int, str]]:
    """(line, room) of every import of another top-level folder in one source file."""
    own = path.relative_to(ROOT).parts[0]
    rooms = [(line, name.split(".")[0]) for line, name in imported_modules(path, source)]
    return [(line, room) for line, room in rooms if room in ALLOWED and room != own]


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


def test_the_table_has_no_circle():
    """A room may import only rooms above it in the table, so no circle of rooms can be written down."""
    names = list(ALLOWED)
    for place, name in enumerate(names):
        assert ALLOWED[name] <= set(names[:place]), name


def find_circle(arrows: dict[str, set[str]]) -> list[str]:
    """Names along one circle of a graph; empty where there is none."""
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        path.append(name)
        for target in sorted(arrows.get(name, ())):
            if circle := visit(target):
                return circle
        path.pop()
        done.add(name)
        return []

    for name in sorted(arrows):
        if circle := visit(name):
            return circle
    return []


def test_no_file_imports_itself_by_a_detour():
    arrows = {}
    for path in SOURCES:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        arrows[name] = {target for _, target in imported_modules(path, path.read_text())}
    assert find_circle(arrows) == []


def test_a_circle_is_seen():
    assert find_circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]


def test_package_list_matches_the_tree():
    listed = PROJECT["tool"]["setuptools"]["packages"]
    tree = {"mpc"} | {"mpc." + ".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES}
    assert sorted(listed) == sorted(tree)


def test_every_list_of_rooms_is_that_of_the_table():
    banned = PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert {name for name in banned if "." not in name} == set(ROOMS)
    checked = re.search(r"addprefix -p mpc\.,([^)]*)\)", (ROOT / "Makefile").read_text())
    assert checked is not None
    assert set(checked.group(1).split()) == set(ROOMS)


def test_the_page_shows_the_table():
    rows = {}
    for line in (ROOT / "docs" / "architecture.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 3 and re.fullmatch(r"`\w+/`", cells[0]):
            rows[cells[0].strip("`/")] = cells[1], cells[2].split(" (")[0]
    expected = {
        name: (room["holds"], " ".join(room["imports"]) or "nothing" if name != "cli" else "every other room")
        for name, room in ROOMS.items()
    }
    assert rows == expected


def test_every_package_has_an_init():
    assert all((path.parent / "__init__.py").is_file() for path in SOURCES)


def test_folders_of_users_are_searched_by_find_files_alone():
    """`Path.rglob` and `os.walk` pass over a folder that cannot be listed without a word; `find_files` refuses."""
    own = {ROOT / "core" / "files.py", ROOT / "datasets" / "exchange" / "done.py"}  # the second lists what it wrote
    silent = re.compile(r"\.rglob\(|os\.walk\(|\.glob\(\"\*\*")
    found = [str(path.relative_to(ROOT)) for path in SOURCES if path not in own and silent.search(path.read_text())]
    assert not found


def test_help_needs_no_heavy_library():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom mpc.cli.main import main\n"
        "for words in (['--help'], ['render', '--help'], ['sample', '--help'], ['train', '--help'], ['eval', '--help'],"
        " ['demo', '--help'], ['people', '--help'], ['reconstruct', '--help'], ['check', '--help'],"
        " ['segment', '--help'], ['fetch', '--help'], ['view', '--help']):\n"
        "    result = CliRunner().invoke(main, words)\n    assert result.exit_code == 0, result.output\n"
        "print(sorted({'torch', 'pyrender', 'OpenGL', 'warp', 'anny', 'igl', 'trimesh', 'viser'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
