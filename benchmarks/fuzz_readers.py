"""Damaged files against every reader: how many were read, refused with a reason, crashed, hung; time and memory.

    python benchmarks/fuzz_readers.py [--inputs N] [--seed S] [--jobs J] [--formats obj ply ...] [--keep FOLDER]

Small good files of each format are made here and damaged: bytes and blocks changed, cut, doubled and swapped, numbers
replaced by awkward ones, and in glTF values of the JSON with the container put together again. Each goes the whole
way: found, loaded, placed, and scenes of it posed. Whatever is not an MpcError counts as a crash; a process that dies,
or a batch that does not end, is counted by the same guard that protects `mpc render`.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import pickle
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from mpc.datasets.bvh import read_bvh
from mpc.datasets.guard import Limits, Lost, run_guarded
from mpc.datasets.readers.array_pickle import read_arrays
from mpc.datasets.scenes import list_scenes, load_subject, pose_scene
from mpc.datasets.subjects import find_subjects
from mpc.geometry.errors import MpcError

BATCH = 250
BATCH_TIMEOUT_S = 300.0
SLOW_S = 5.0  # an input of a few kilobytes that takes longer hangs
MEMORY = 2 << 30

TOKENS = (
    b"-1", b"0", b"1", b"2147483647", b"4294967295", b"-2147483649", b"9223372036854775807", b"1e308", b"-1e39",
    b"1e-320", b"nan", b"inf", b"", b"0x10", b"\xff\xfe", b"/", b"//", b"..", b"\0", b"\n", b"99999999999999999999",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    -1, 0, 1, 3, 255, 65536, 2**31 - 1, 2**32, 2**63, -(2**63), 1e308, 1.5, "", "x", "../../etc/passwd", None, True, [],
    {}, [0], [1e39] * 4, {"extensions": {}}, 5120, 5121, 5125, 5126, "MAT4", "SCALAR", "VEC3",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """One unit: `count` inputs of a format, from a seed."""

    kind: str
    number: int
    count: int
    seed: int
    keep: Path | None


@dataclass
class Tally:
    """What became of a batch."""

    kind: str
    inputs: int = 0
    read: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mib: float = 0.0


def body() -> trimesh.Trimesh:
    """A capsule as tall as a person, y up."""
    mesh = trimesh.creation.capsule(height=1.4, radius=0.2, count=[6, 8])
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return mesh


def picture() -> bytes:
    """A small PNG."""
    stream = io.BytesIO()
    Image.fromarray((np.arange(8 * 8 * 3) % 251).reshape(8, 8, 3).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def good_obj() -> bytes:
    """Materials, quads, negative indices, vertex colours."""
    mesh = body()
    lines = ["# units: m", "mtllib mesh.mtl", "o body"]
    lines += [f"v {x:.5f} {y:.5f} {z:.5f} 0.5 0.25 1" for x, y, z in mesh.vertices]
    lines += [f"vt {(x + 1) / 2:.4f} {(y + 1) / 2:.4f}" for x, y, _ in mesh.vertices]
    lines += ["usemtl skin"] + [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in mesh.faces + 1]
    lines += ["usemtl other", "f -1 -2 -3 -4", "f 1//1 2//1 3//1", "l 1 2"]
    return "\n".join(lines).encode()


def good_mtl() -> bytes:
    """A texture with options, and a plain material."""
    return b"newmtl skin\nKd 1 1 1\nmap_Kd -s 2 2 2 -o 0.1 0 0 texture.png\nd 0.9\nnewmtl other\nKd 0.2 0.3 0.4\n"


def good_ply(form: str) -> bytes:
    """Vertex colours and lists, in one of the three encodings."""
    mesh = body()
    mesh.visual.vertex_colors = (np.arange(len(mesh.vertices) * 4) % 256).reshape(-1, 4).astype(np.uint8)
    content = mesh.export(file_type="ply", encoding="ascii" if form == "ascii" else "binary")
    if form == "big":
        return _swap_ply(content)
    return bytes(content)


def _swap_ply(content: bytes) -> bytes:
    head, _, tail = content.partition(b"end_header\n")
    count = len(body().vertices)
    row = np.dtype([("p", "<f4", 3), ("c", "u1", 4)])
    vertices = np.frombuffer(tail, row, count).astype(row.newbyteorder(">"))
    face = np.dtype([("n", "u1"), ("i", "<i4", 3)])
    faces = np.frombuffer(tail[count * row.itemsize :], face).astype(face.newbyteorder(">"))
    return head.replace(b"little", b"big") + b"end_header\n" + vertices.tobytes() + faces.tobytes()


def good_gltf() -> tuple[dict[str, Any], bytes]:
    """A skinned, animated, textured body of two joints: the document and its buffer."""
    mesh = body()
    points = mesh.vertices.astype("<f4")
    upper = (points[:, 1] > 0).astype("<f4")
    weights = np.stack([1 - upper, upper, 0 * upper, 0 * upper], axis=1).astype("<f4")
    joints = np.tile(np.array([0, 1, 0, 0], "u1"), (len(points), 1))
    turns = np.array([[0, 0, 0, 1], [0, 0, 0.38, 0.92]], "<f4")
    inverse = np.stack([np.eye(4), np.eye(4)]).astype("<f4")
    inverse[1, 3, 1] = -0.2
    arrays: list[tuple[Any, int, str]] = [
        (points, 5126, "VEC3"), (mesh.faces.astype("<u2").ravel(), 5123, "SCALAR"), (points[:, :2], 5126, "VEC2"),
        (joints, 5121, "VEC4"), (weights, 5126, "VEC4"), (inverse, 5126, "MAT4"),
        (np.array([0, 0.5], "<f4"), 5126, "SCALAR"), (turns, 5126, "VEC4"),
    ]  # fmt: skip
    blob, views, accessors = b"", [], []
    for array, component, shape in arrays:
        content = np.ascontiguousarray(array).tobytes()
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(content)})
        accessors.append({"bufferView": len(views) - 1, "componentType": component, "count": len(array), "type": shape})
        blob += content + b"\0" * (-len(content) % 4)
    png = picture()
    views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(png)})
    blob += png + b"\0" * (-len(png) % 4)
    accessors[4]["sparse"] = {
        "count": 1, "indices": {"bufferView": 1, "componentType": 5123}, "values": {"bufferView": 4},
    }  # fmt: skip
    attributes = {"POSITION": 0, "TEXCOORD_0": 2, "JOINTS_0": 3, "WEIGHTS_0": 4}
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 2]}],
        "nodes": [
            {"name": "hips", "children": [1]},
            {"name": "spine", "translation": [0, 0.2, 0], "rotation": [0, 0, 0, 1]},
            {"name": "skin", "mesh": 0, "skin": 0},
        ],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 1, "material": 0, "mode": 4}]}],
        "skins": [{"joints": [0, 1], "inverseBindMatrices": 5}],
        "animations": [
            {
                "name": "bend",
                "channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
                "samplers": [{"input": 6, "output": 7, "interpolation": "LINEAR"}],
            }
        ],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}, "alphaMode": "MASK"}],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{}],
        "images": [{"bufferView": len(views) - 1, "mimeType": "image/png"}],
        "buffers": [{"byteLength": len(blob)}],
        "bufferViews": views,
        "accessors": accessors,
    }, blob


def pack_glb(document: dict[str, Any], blob: bytes) -> bytes:
    """The container, its lengths right."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    return struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts


def pack_gltf(document: dict[str, Any], blob: bytes) -> bytes:
    """JSON with the buffer inside."""
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    return json.dumps(document).encode()


def good_bvh() -> bytes:
    """Three joints, two frames."""
    head = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT chest
  {
    OFFSET 0 5.2 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 2 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.033333
"""
    rows = [" ".join(f"{value / 7:.2f}" for value in range(first, first + 9)) for first in (0, 9)]
    return (head + "\n".join(rows) + "\n").encode()


def good_pickle() -> bytes:
    """Arrays as X-Humans has them."""
    mesh = body()
    return pickle.dumps(
        {
            "vertices": np.array(mesh.vertices, np.float32),
            "faces": np.array(mesh.faces),
            "uvs": np.zeros((len(mesh.vertices), 2), np.float32),
            "scale": np.float64(0.5),
        },
        4,
    )


def damage_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """A few changes anywhere, mostly one, mostly such that lengths stay."""
    data = bytearray(content)
    for _ in range(int(rng.geometric(0.6))):
        size = len(data)
        if not size:
            break
        place = int(rng.integers(size))
        length = int(min(rng.integers(1, 64), size - place))
        action = int(rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 5, 5, 5, 6, 7, 7]))
        if action == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif action == 1:
            data[place : place + length] = rng.bytes(length)
        elif action == 2:
            del data[place : place + length]
        elif action == 3:
            data[place:place] = data[place : place + length] * int(rng.integers(1, 20))
        elif action == 4:
            del data[place:]
        elif action == 5:
            data[place : place + 4] = rng.choice([b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"])
        elif action == 6:
            data[place : place + length] = TOKENS[int(rng.integers(len(TOKENS)))]
        else:
            other = int(rng.integers(size))
            data[place : place + length], data[other : other + length] = (
                data[other : other + length],
                data[place : place + length],
            )
    return bytes(data)


def damage_words(content: bytes, rng: np.random.Generator) -> bytes:
    """Words of a text swapped for awkward ones; lines dropped, doubled, moved."""
    lines = content.split(b"\n")
    for _ in range(int(rng.geometric(0.5))):
        place = int(rng.integers(len(lines)))
        action = int(rng.integers(5))
        if action == 0:
            lines.insert(place, lines[int(rng.integers(len(lines)))])
        elif action == 1 and len(lines) > 1:
            del lines[place]
        else:
            words = lines[place].split(b" ")
            words[int(rng.integers(len(words)))] = TOKENS[int(rng.integers(len(TOKENS)))]
            lines[place] = b" ".join(words)
    return b"\n".join(lines)


def damage_json(document: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Values anywhere in the tree replaced, dropped, or taken from elsewhere."""
    document = json.loads(json.dumps(document))
    for _ in range(int(rng.integers(1, 4))):
        places: list[tuple[Any, Any]] = []

        def collect(node: Any, places: list[tuple[Any, Any]] = places) -> None:
            for key, value in node.items() if isinstance(node, dict) else enumerate(node):
                places.append((node, key))
                if isinstance(value, dict | list):
                    collect(value)

        collect(document)
        if not places:
            break
        owner, key = places[int(rng.integers(len(places)))]
        action = int(rng.integers(4))
        if action == 0 and isinstance(owner, dict):
            del owner[key]
        elif action == 1:
            other, name = places[int(rng.integers(len(places)))]
            owner[key] = json.loads(json.dumps(other[name]))
        else:
            owner[key] = VALUES[int(rng.integers(len(VALUES)))]
    return document


def check_good(folder: Path) -> None:
    """The undamaged files are read: damage to what is refused anyway would prove nothing."""
    files = {
        "obj/mesh.obj": good_obj(), "obj/mesh.mtl": good_mtl(), "obj/texture.png": picture(),
        "a/a.ply": good_ply("ascii"),
        "b/b.ply": good_ply("little"), "c/c.ply": good_ply("big"), "d/d.stl": bytes(body().export(file_type="stl")),
        "e/e.stl": body().export(file_type="stl_ascii").encode(), "f/f.glb": pack_glb(*good_gltf()),
        "g/g.gltf": pack_gltf(*good_gltf()), "h.bvh": good_bvh(), "i.pkl": good_pickle(),
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    use(folder)


def make_input(kind: str, rng: np.random.Generator) -> dict[str, bytes]:
    """The files of one damaged subject by name."""
    text = damage_words if rng.random() < 0.5 else damage_bytes
    if kind == "obj":
        files = {"mesh.obj": good_obj(), "mesh.mtl": good_mtl(), "texture.png": picture()}
        name = ("mesh.obj", "mesh.obj", "mesh.mtl", "texture.png")[int(rng.integers(4))]
        files[name] = (damage_bytes if name.endswith("png") else text)(files[name], rng)
        return files
    if kind == "ply":
        form = ("ascii", "little", "big")[int(rng.integers(3))]
        return {"mesh.ply": (text if form == "ascii" else damage_bytes)(good_ply(form), rng)}
    if kind == "stl":
        form = "stl_ascii" if rng.random() < 0.5 else "stl"
        content = body().export(file_type=form)
        content = content.encode() if isinstance(content, str) else bytes(content)
        return {"mesh.stl": (text if form == "stl_ascii" else damage_bytes)(content, rng)}
    if kind == "gltf":
        document, blob = good_gltf()
        pack, name = (pack_glb, "mesh.glb") if rng.random() < 0.5 else (pack_gltf, "mesh.gltf")
        if rng.random() < 0.6:
            document = damage_json(document, rng)
            try:
                return {name: pack(document, blob)}
            except (KeyError, IndexError, TypeError):  # no buffer left to put the data into
                return {name: json.dumps(document).encode()}
        return {name: damage_bytes(pack(document, blob), rng)}
    if kind == "bvh":
        return {"clip.bvh": text(good_bvh(), rng)}
    return {"mesh.pkl": damage_bytes(good_pickle(), rng)}


def use(folder: Path) -> None:
    """The whole way from a folder to posed scenes."""
    for clip in folder.glob("*.bvh"):
        read_bvh(clip)
    for arrays in folder.glob("*.pkl"):
        read_arrays(arrays)
    for subject in find_subjects(folder):
        loaded = load_subject(subject)
        for spec in list_scenes(subject, seed=0)[:3]:
            pose_scene(loaded, spec)


def run_batch(batch: Batch) -> Tally:
    """One unit of work."""
    tally = Tally(batch.kind)
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(batch.count):
            rng = np.random.default_rng([batch.seed, batch.number, index])
            files = make_input(batch.kind, rng)
            folder = Path(scratch) / "models"
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
            label = f"{batch.kind} {batch.number}/{index}"
            started, bad = time.perf_counter(), False
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", RuntimeWarning)  # unguarded arithmetic is a fault, too
                    use(folder)
                tally.read += 1
            except MpcError:
                tally.refused += 1
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                tally.crashes.append(
                    f"{label}: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
                )
                bad = True
            seconds = time.perf_counter() - started
            if seconds > SLOW_S:
                tally.hangs.append(f"{label}: {seconds:.1f} s")
                bad = True
            tally.inputs += 1
            tally.slowest_s = max(tally.slowest_s, seconds)
            if bad and batch.keep is not None:
                folder.rename(_new_folder(batch.keep, label))
            else:
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
    tally.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return tally


def _new_folder(keep: Path, label: str) -> Path:
    keep.mkdir(parents=True, exist_ok=True)
    return keep / label.replace(" ", "_").replace("/", "_")


FORMATS: tuple[str, ...] = ("obj", "ply", "stl", "gltf", "bvh", "pickle")


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that crash or hang")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        check_good(Path(scratch))
    batches = [
        Batch(kind, number, min(BATCH, options.inputs - number * BATCH), options.seed, options.keep)
        for kind in options.formats
        for number in range(-(-options.inputs // BATCH))
    ]
    total = {kind: Tally(kind) for kind in options.formats}
    limits = Limits(timeout_s=BATCH_TIMEOUT_S, memory_bytes=MEMORY)
    add: Callable[[Tally, Tally], None] = _add
    for result in run_guarded(run_batch, batches, limits=limits, jobs=options.jobs):
        if isinstance(result, Lost):
            unit = result.unit
            where = total[unit.kind].hangs if "stopped" in result.reason else total[unit.kind].crashes
            where.append(f"{unit.kind} batch {unit.number}: {result.reason}")
        else:
            add(total[result.kind], result)
    print(
        f"{'format':8}{'inputs':>8}{'read':>8}{'refused':>9}{'crashes':>9}{'hangs':>7}{'slowest':>10}{'peak MiB':>10}"
    )
    for tally in total.values():
        print(
            f"{tally.kind:8}{tally.inputs:8}{tally.read:8}{tally.refused:9}{len(tally.crashes):9}{len(tally.hangs):7}"
            f"{tally.slowest_s * 1000:8.0f}ms{tally.peak_mib:10.0f}"
        )
    bad = [line for tally in total.values() for line in (*tally.crashes, *tally.hangs)]
    for line in bad[:50]:
        print(line)
    sys.exit(1 if bad else 0)


def _add(total: Tally, part: Tally) -> None:
    total.inputs += part.inputs
    total.read += part.read
    total.refused += part.refused
    total.crashes += part.crashes
    total.hangs += part.hangs
    total.slowest_s = max(total.slowest_s, part.slowest_s)
    total.peak_mib = max(total.peak_mib, part.peak_mib)


if __name__ == "__main__":
    main()
