"""Hook of mkdocs: the front page, the project's root pages, and one page for each room of [tool.mpc.rooms].

A page of a room holds the room's sentence and, from the docstrings, every public name of every module. The pages are
generated, so that they cannot disagree with the table or with the code.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Where mkdocstrings reads the package: given the checkout, it would walk the virtual environment in it, too.
SOURCE = ROOT / ".site" / "source" / "mpc"
ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def read_rooms() -> dict[str, dict[str, Any]]:
    """The table of rooms: name to {"imports", "holds"}, in its order."""
    rooms: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mpc"]["rooms"]
    return rooms


def room_modules(room: str) -> list[str]:
    """Dotted names of a room's modules, without packages' `__init__` and modules of device kernels."""
    paths = sorted((ROOT / room).rglob("*.py"))
    return [
        ".".join(["mpc", *path.relative_to(ROOT).with_suffix("").parts])
        for path in paths
        if path.stem != "__init__" and not path.stem.endswith("kernels")
    ]


def room_page(room: str) -> str:
    """The page of one room, in Markdown."""
    table = read_rooms()[room]
    sentence = table["holds"][0].upper() + table["holds"][1:]
    imports = ", ".join(f"[{name}]({name}.md)" for name in table["imports"]) or "no other room"
    modules = [f"::: {name}" for name in room_modules(room)]
    return "\n\n".join([f"# mpc.{room}", f"{sentence}.", f"It may import from {imports}.", *modules]) + "\n"


def root_page(name: str) -> str:
    """A Markdown file of the root with links that hold inside the site; links to other files become their names."""
    text = re.sub(r"(\]\()docs/", r"\1", (ROOT / name).read_text()).replace("](README.md", "](index.md")
    return re.sub(r"\[([^\]]+)\]\((?!https?:|images/|[\w/-]+\.md)[^)]*\)", r"`\1`", text)


def on_startup(command: str, dirty: bool) -> None:
    """Copy the package to where mkdocstrings reads it, which wants the folder to be there before it is configured."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in [ROOT / "__init__.py", *(path for room in read_rooms() for path in (ROOT / room).rglob("*.py"))]:
        target = SOURCE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def on_config(config: Any) -> Any:
    """Add the rooms to the navigation."""
    pages: list[Any] = [{"mpc": "api/mpc.md"}]
    pages += [{f"mpc.{room}": f"api/{room}.md"} for room in read_rooms()]
    config.nav = [*(entry for entry in config.nav if "Python" not in entry), {"Python": pages}]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    contents = {("index.md" if name == "README.md" else name): root_page(name) for name in ROOT_PAGES}
    contents["api/mpc.md"] = "# mpc\n\n::: mpc\n    options:\n      show_root_heading: false\n"
    contents |= {f"api/{room}.md": room_page(room) for room in read_rooms()}
    for uri, content in contents.items():
        files.append(File.generated(config, uri, content=content))
    return files
