"""A tetrahedron as the text of an OBJ file, and files of texts and of plain pictures."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

TETRAHEDRON = """v 0 0 0
v 1 0 0
v 0 2 0
v 0 0 1
vt 0 0
vt 1 0
vt 0 1
vt 1 1
"""
FACES = "f 1/1 3/3 2/2\nf 1/1 2/2 4/4\nf 1/1 4/4 3/3\nf 2/2 3/3 4/4\n"


def write(folder: Path, text: str, name: str = "mesh.obj") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def picture(path: Path, colour: tuple[int, ...] = (200, 100, 50), size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour).save(path)
