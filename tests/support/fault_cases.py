"""Small model folders with faults that people reported in public about tools of this trade, one builder for each kind.

Every builder starts from one person of boxes and writes one subject.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from skimage.measure import marching_cubes

from support.box_person import POSES, boxes
from support.gltf_files import Builder, png

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

UPPER, LOWER = (220, 60, 40), (40, 80, 220)  # colours of the texture's halves, and so of the person's


@dataclass(frozen=True)
class Scan:
    """A textured surface that is about to be written.

    Attributes:
        vertices: (V, 3).
        faces: (F, 3).
        uv: (V, 2), one a vertex.
    """

    vertices: F64
    faces: I64
    uv: F64

    def plus(self, vertices: F64, faces: I64) -> Scan:
        """The scan and another surface, which has the texture's lower colour."""
        uv = np.full((len(vertices), 2), 0.1)
        more = faces + len(self.vertices)
        return Scan(
            np.concatenate([self.vertices, vertices]),
            np.concatenate([self.faces, more]),
            np.concatenate([self.uv, uv]),
        )

    @property
    def upper(self) -> npt.NDArray[np.bool_]:
        """(F,) faces above the middle."""
        y = self.vertices[:, 1]
        middle = 0.5 * (y.min() + y.max())
        return np.asarray(y[self.faces].mean(axis=1) > middle)


def person(pose: str = "arms down", cells: int = 3) -> Scan:
    """The person of boxes; v runs from the soles to the crown."""
    mesh = boxes(POSES[pose], cells)
    vertices, index = np.unique(mesh.vertices.round(9), axis=0, return_inverse=True)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    share = (vertices - low) / (high - low)
    return Scan(vertices, index.ravel()[mesh.faces].astype(np.int64), share[:, :2] * 0.9 + 0.05)


def quad(corner: tuple[float, float, float], one: tuple[float, float, float], two: tuple[float, float, float]):
    """A rectangle of two triangles from a corner and its two sides."""
    a, b, c = np.array(corner, float), np.array(one, float), np.array(two, float)
    return np.stack([a, a + b, a + b + c, a + c]), np.array([[0, 1, 2], [0, 2, 3]])


def disc(radius: float, height: float = 0.0, corners: int = 32) -> tuple[F64, I64]:
    """A level disc about the y axis."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ring = np.stack([radius * np.cos(angle), np.full(corners, height), radius * np.sin(angle)], axis=1)
    fan = np.arange(corners)
    return np.concatenate([[[0.0, height, 0.0]], ring]), np.stack(
        [np.zeros(corners, np.int64), 1 + (fan + 1) % corners, 1 + fan], axis=1
    )


def one_surface(pose: str | None = "arms down", ground: str | None = None, step: float = 0.02) -> Scan:
    """A person as a single surface, as photogrammetry makes it, which goes over into the ground.

    Args:
        pose: of the person; None for somebody in a dress to the floor, which is closed below.
        ground: "floor" for a sheet of 2 x 2 m at the soles, "slab" for one 4 cm thick, "wall" for a sheet that touches
            the back; None for none.
        step: of the grid, metres.
    """
    reach = np.arange(-1.0, 1.0 + step / 2, step)
    grid = np.stack(np.meshgrid(reach, np.arange(-0.09, 1.9, step), reach, indexing="ij"), axis=-1)
    parts = [] if pose is None else [np.asarray(part, float) for part in POSES[pose]]
    distances = [np.max(np.abs(grid - part.mean(axis=0)) - np.ptp(part, axis=0) / 2, axis=-1) for part in parts]
    if pose is None:
        around = np.linalg.norm(grid[..., [0, 2]], axis=-1)
        distances = [np.maximum(around - 0.35 + 0.15 * grid[..., 1], np.abs(grid[..., 1] - 0.85) - 0.85)]
    y, z = grid[..., 1], grid[..., 2]
    if ground == "slab":
        distances.append(np.maximum(np.maximum(y, -0.04 - y), np.abs(grid[..., [0, 2]]).max(axis=-1) - 0.95))
    elif ground is not None:
        distances.append(y if ground == "floor" else z + 0.11)
    field = np.min(distances, axis=0)
    vertices, faces, *_ = marching_cubes(field, 0.0, spacing=(step,) * 3, gradient_direction="descent")
    vertices = vertices.astype(np.float64) + grid[0, 0, 0]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    share = (vertices - low) / (high - low)
    return Scan(vertices, faces.astype(np.int64), share[:, :2] * 0.9 + 0.05)


def picture() -> npt.NDArray[np.uint8]:
    """The upper half of one colour, the lower of another."""
    rows = np.zeros((32, 32, 3), np.uint8)
    rows[:16], rows[16:] = UPPER, LOWER
    return rows


@dataclass(frozen=True)
class Obj:
    """How an OBJ and its library are written.

    Attributes:
        folder: where to.
        library: lines of mesh.mtl; None for no library.
        head: lines before the vertices.
        usemtl: the material that all faces name.
        texture: name of the picture, from the folder; None for none.
        form: format of a coordinate.
    """

    folder: Path
    library: tuple[str, ...] | None = ("newmtl skin", "map_Kd texture.png")
    head: tuple[str, ...] = ("mtllib mesh.mtl",)
    usemtl: str = "skin"
    texture: str | None = "texture.png"
    form: str = "%.6f"


def write_obj(scan: Scan, style: Obj, lower: str | None = None) -> Path:
    """Write an OBJ; faces of the lower half name the material `lower` where it is given."""
    style.folder.mkdir(parents=True, exist_ok=True)
    form = " ".join([style.form] * 3)
    lines = [*style.head]
    lines += ["v " + form % tuple(row) for row in scan.vertices.tolist()]
    lines += [f"vt {u:.5f} {v:.5f}" for u, v in scan.uv.tolist()]
    groups = [(style.usemtl, np.ones(len(scan.faces), bool))]
    if lower is not None:
        groups = [(style.usemtl, scan.upper), (lower, ~scan.upper)]
    for name, chosen in groups:
        lines += [f"usemtl {name}", *(f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in (scan.faces[chosen] + 1).tolist())]
    (style.folder / "mesh.obj").write_text("\n".join(lines) + "\n")
    if style.library is not None:
        (style.folder / "mesh.mtl").write_text("\n".join(style.library) + "\n")
    if style.texture is not None:
        iio.imwrite(style.folder / style.texture, picture())
    return style.folder / "mesh.obj"


def doubled(scan: Scan, *, own: bool = False, upper: bool = False) -> Scan:
    """Every face (or those of the upper half) twice, once each way, the copies on vertices of their own or not."""
    chosen = scan.faces[scan.upper] if upper else scan.faces
    copies = chosen[:, ::-1]
    if own:
        return Scan(
            np.concatenate([scan.vertices, scan.vertices]),
            np.concatenate([scan.faces, copies + len(scan.vertices)]),
            np.concatenate([scan.uv, scan.uv]),
        )
    return replace(scan, faces=np.concatenate([scan.faces, copies]))


def write_ply(
    path: Path, scan: Scan, *, face_colours: bool = False, st: bool = False, comment: str | None = None
) -> None:
    """A binary PLY, with a colour a face or texture coordinates a vertex."""
    columns = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")] + ([("s", "<f4"), ("t", "<f4")] if st else [])
    vertex = np.zeros(len(scan.vertices), columns)
    for number, axis in enumerate("xyz"):
        vertex[axis] = scan.vertices[:, number]
    if st:
        vertex["s"], vertex["t"] = scan.uv.T
    row: list[tuple[str, str] | tuple[str, str, int]] = [("n", "u1"), ("corner", "<i4", 3)]
    face = np.zeros(len(scan.faces), row + ([("rgb", "u1", 3)] if face_colours else []))
    face["n"], face["corner"] = 3, scan.faces
    if face_colours:
        face["rgb"] = np.where(scan.upper[:, None], UPPER, LOWER)
    head = ["ply", "format binary_little_endian 1.0", *([] if comment is None else [f"comment {comment}"])]
    head += [f"element vertex {len(vertex)}", *(f"property float {name}" for name, _ in columns)]
    head += [f"element face {len(face)}", "property list uchar int vertex_indices"]
    head += [f"property uchar {name}" for name in ("red", "green", "blue") if face_colours]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join([*head, "end_header"]) + "\n").encode() + vertex.tobytes() + face.tobytes())


def glb(scan: Scan, **mesh: object) -> Builder:
    """The scan as glTF, one node."""
    build = Builder()
    attributes = {"POSITION": build.accessor(scan.vertices), "TEXCOORD_0": build.accessor(scan.uv * [1, -1] + [0, 1])}
    primitive = {"attributes": attributes, "indices": build.accessor(scan.faces.ravel(), "u4"), "material": 0}
    texture = build.picture(png())
    build.add("materials", {"pbrMetallicRoughness": {"baseColorTexture": {"index": texture}}})
    build.add("meshes", {"primitives": [primitive], **mesh})
    build.add("nodes", {"mesh": 0})
    return build


def into_store(folder: Path, store: Path, kind: str = "hash") -> None:
    """Replace every file of a folder by a link to a file named by its content.

    Args:
        folder: whose files move.
        store: where to.
        kind: "hash" as download caches name it, "dvc" (two digits are a folder), or "annex" (git-annex's keys).
    """
    for path in sorted(folder.iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        key = f"SHA256E-s{path.stat().st_size}--{digest}{path.suffix}"
        places = {"hash": [digest], "dvc": [digest[:2], digest[2:32]], "annex": ["Xq", key, key]}
        blob = store.joinpath(*places[kind])
        blob.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blob)
        path.symlink_to(os.path.relpath(blob, folder))
