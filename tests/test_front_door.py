"""What a newcomer meets first: the Python interface, the README's lines, the guides, and the files of the root."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest

import mpc
from support.wheel import ROOMS, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = {"torch", "warp", "trimesh", "numpy", "scipy", "h5py", "pyrender", "click"}
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# What the README's ten lines do at full size, and the same in seconds.
TOY = {
    "views=36, step_deg=10, size=512": "views=4, step_deg=90, size=64, rays=32",
    "near_points=200_000": "near_points=12_000, uniform_points=2_000, colour_points=2_000, ratios=(0.6, 0.2, 0.2)",
    "max_minutes=30": 'assignments=["surface.steps=8", "texture.steps=4", "image_size=64"]',
    '"person.png"': '"person.png", settings=mpc.CaptureSettings(resolution=33)',
}


@pytest.mark.parametrize("name", mpc.__all__)
def test_public_names_are_there_and_documented(name):
    value = getattr(mpc, name)
    assert value.__module__.startswith("mpc.")
    assert len(value.__doc__.split()) > 3
    assert name in dir(mpc)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'read_mash'"):
        mpc.read_mash  # noqa: B018


def test_type_checkers_and_readers_see_the_same_names():
    """The imports for type checkers, the table of homes, `__all__` and the docstring say the same."""
    (block,) = (node for node in ast.parse((ROOT / "__init__.py").read_text()).body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: (f".{node.module}", alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == mpc._HOMES
    assert sorted(seen) == mpc.__all__
    listed = {
        name for line in mpc.__doc__.splitlines() if line.startswith("| ") for name in re.findall(r"`(\w+)`", line)
    }
    assert listed == set(mpc.__all__)


def test_importing_mpc_loads_nothing_heavy():
    code = "import sys, mpc; dir(mpc); print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_lines_of_the_readme_run(figures, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert len(code.split("\n\n", 2)[2].strip().splitlines()) <= 10
    for full, toy in TOY.items():
        assert code.count(full) == 1, full
        code = code.replace(full, toy)
    (tmp_path / "models").symlink_to(figures)
    monkeypatch.chdir(tmp_path)
    steps = code.split("settings, _")  # in between, a picture and a truth come from what was rendered
    exec(compile(steps[0], "README.md", "exec"), scope := {})
    (tmp_path / "person.png").write_bytes((tmp_path / "renders" / "one" / "scan_0000" / "000.png").read_bytes())
    (tmp_path / "truth.obj").write_bytes((figures / "one" / "mesh.obj").read_bytes())
    exec(compile("settings, _" + steps[1], "README.md", "exec"), scope)
    assert scope["item"]["points"].shape == (5000, 3)
    assert "chamfer" in capsys.readouterr().out
    assert len(mpc.read_mesh(tmp_path / "person.glb").faces) == len(scope["mesh"].faces)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_of_pages_are_short(page):
    """At most 120 characters, but rows of tables, which cannot be broken."""
    lines = enumerate(page.read_text().splitlines(), 1)
    assert [f"{page.name}:{number}" for number, line in lines if len(line) > 120 and line[0] != "|"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_pages_name_exist(page):
    """`folder/file.py` of any room, benchmarks, examples or tests."""
    named = re.findall(r"`((?:\w+/)+\w+\.(?:py|sh|toml|yml|csv))", page.read_text())
    tops = {*ROOMS, "benchmarks", "docs", "examples", "tests"}
    assert [path for path in named if path.split("/")[0] in tops and not (ROOT / path).is_file()] == []


def load_site_pages():
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("room", ROOMS)
def test_the_page_of_a_room_begins_with_its_sentence(room):
    pages = load_site_pages()
    title, sentence, *_ = pages.room_page(room).split("\n\n")
    assert title == f"# mpc.{room}"
    assert sentence.rstrip(".").lower() == PROJECT["tool"]["mpc"]["rooms"][room]["holds"].lower()
    assert all(
        (ROOT / name.removeprefix("mpc.").replace(".", "/")).with_suffix(".py").is_file()
        for name in pages.room_modules(room)
    )


def test_links_of_root_pages_hold_inside_the_site():
    pages = load_site_pages()
    names = {path.name for path in (ROOT / "docs").glob("*.md")} | set(pages.ROOT_PAGES) | {"index.md"}
    for name in pages.ROOT_PAGES:
        targets = re.findall(r"\]\(([\w/.-]+\.md)[#)]", pages.root_page(name))
        assert set(targets) <= names, name


def test_the_tour_has_twelve_files():
    tour = (ROOT / "CONTRIBUTING.md").read_text().split("## A reading tour")[1].split("##")[0]
    files = re.findall(r"^\| `([\w/.]+)`", tour, flags=re.M)
    assert len(files) == 12
    assert all((ROOT / path).is_file() for path in files)


def test_the_citation_and_the_changelog_have_this_version():
    assert f"\nversion: {mpc.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert headings[:2] == ["[Unreleased]", f"[{mpc.__version__}]"]


def test_help_of_make_lists_the_targets():
    done = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.M)
    assert set(re.findall(r"^ +make ([a-z-]+)", done.stdout, flags=re.M)) == set(phony.group(1).split())


@pytest.mark.parametrize("target", ["demo", "test"])
@pytest.mark.parametrize("there", [True, False], ids=["with a network", "without a network"])
def test_make_fetches_the_networks_at_set_up_and_goes_on_without(tmp_path, target, there):
    """With stand-ins for pip and mpc: without a network the reason is shown, and the set-up ends all the same."""
    scripts, log = tmp_path / "bin", tmp_path / "log"
    scripts.mkdir()
    fetch = "true" if there else 'echo "Error: cannot download" >&2; false'
    for name, then in (("pip", "true"), ("mpc", fetch)):
        (scripts / name).write_text(f'#!/bin/sh\necho "{name} $1" >> {log}\n{then}\n')
        (scripts / name).chmod(0o755)
    ready = tmp_path / f".{target}-ready"
    done = subprocess.run(
        ["make", "-s", "-C", ROOT, f"VENV={tmp_path}", ready], capture_output=True, text=True, check=True
    )
    assert log.read_text() == "pip install\nmpc fetch\n"
    assert ready.is_file()
    said = (
        [] if there else ["Error: cannot download", "continuing without the networks that find people in photographs"]
    )
    assert done.stderr.splitlines() + done.stdout.splitlines() == said
