"""What a file is by its first bytes, for the error about one whose name promises something else."""

from __future__ import annotations

import re
from pathlib import Path

SNIFFED = 4096  # bytes

# What stands at the beginning, what the file is, and what to do. The first that fits is taken.
_MARKS: tuple[tuple[re.Pattern[bytes], str, str, tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), what, advice, suffixes)
    for pattern, what, advice, suffixes in (
        (rb"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself with `git lfs pull`", ()),
        (rb"\s*(<!doctype html|<html)", "a web page", "download the file itself again", ()),
        (rb"kaydara fbx binary|; fbx ", "an FBX", "rename it to .fbx", (".fbx",)),
        (rb"gltf", "a GLB", "rename it to .glb", (".glb", ".gltf")),
        (rb'\s*\{\s*"(asset|accessors|scene|buffers)', "a glTF", "rename it to .gltf", (".glb", ".gltf")),
        (rb"ply[\r\n]", "a PLY", "rename it to .ply", (".ply",)),
        (rb"hierarchy\s", "a BVH motion", "rename it to .bvh", (".bvh",)),
        (rb"pxr-usdc|#usda", "a USD", "convert it to GLB", ()),
        (rb"blender", "a Blender file", "export it as GLB", ()),
        (rb"\s*<\?xml[^>]*>\s*(<!--.*?-->\s*)*<collada", "a Collada file", "convert it to GLB", ()),
        (rb"solid\s[^\n]*\n\s*facet", "an STL", "rename it to .stl", (".stl",)),
        (rb"(#[^\n]*\n|\s|(mtllib|o|g) [^\n]*\n)*v +[-0-9.]", "an OBJ", "rename it to .obj", (".obj",)),
        (rb"off\s", "an OFF mesh", "convert it to PLY", ()),
        (rb"# \.pcd", "a point cloud (PCD)", "make a surface of it first", ()),
        (rb"pk\x03\x04", "a ZIP archive (also USDZ, 3MF)", "unpack it, or convert it to GLB", ()),
        (rb"\x1f\x8b", "compressed (gzip)", "unpack it", ()),
        (rb"\x28\xb5\x2f\xfd|\xfd7zxz|7z\xbc\xaf", "compressed", "unpack it", ()),
        (rb"\x89png|\xff\xd8\xff", "a picture", "look for the model beside it", ()),
        (rb"%pdf", "a PDF", "look for the model itself", ()),
        (rb"\x93numpy", "a NumPy array", "write its surface as PLY", ()),
        (rb"\x89hdf", "an HDF5 file", "write its surface as PLY", ()),
    )
)


def find_other_kind(path: Path) -> str | None:
    """What a file is, and what to do, where that is not what its suffix says; None where there is nothing to say."""
    try:
        with path.open("rb") as stream:
            head = stream.read(SNIFFED).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return None
    for pattern, what, advice, suffixes in _MARKS:
        if pattern.match(head):
            suffix = path.suffix.lower()
            return None if suffix in suffixes else f"is {what}, not what {suffix or 'its name'} promises; {advice}"
    return None
