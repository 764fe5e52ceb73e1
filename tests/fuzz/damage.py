"""Ways to damage a file: bytes, words of a text, values of a JSON tree; and the damaged files of one subject."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from fuzz.files import (
    body,
    good_bvh,
    good_gltf,
    good_labels,
    good_mtl,
    good_obj,
    good_pickle,
    good_ply,
    pack_glb,
    pack_gltf,
    pack_npy,
    pack_npz,
    picture,
)

TOKENS = (
    b"-1", b"0", b"1", b"2147483647", b"4294967295", b"-2147483649", b"9223372036854775807", b"1e308", b"-1e39",
    b"1e-320", b"nan", b"inf", b"", b"0x10", b"\xff\xfe", b"/", b"//", b"..", b"\0", b"\n", b"99999999999999999999",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    -1, 0, 1, 3, 255, 65536, 2**31 - 1, 2**32, 2**63, -(2**63), 1e308, 1.5, "", "x", "../../etc/passwd", None, True, [],
    {}, [0], [1e39] * 4, {"extensions": {}}, 5120, 5121, 5125, 5126, "MAT4", "SCALAR", "VEC3",
)  # fmt: skip


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


# Heads of a .npy: lengths that no file holds, types of every other kind, and what is no head at all.
SHAPES = ("()", "(3,)", "(1152921504606846976,)", "(1073741824, 3)", "(-1, -3)", "(True, 3)", "(0, 3)", "3", "(3.5, 3)")
TYPES = ("<f4", "<f8", "<i8", "|u1", "|O", "<U0", "<U9", "|V0", "<M8[s]", "<c16", ">f4", "x", "(3,)<f4", "|b1")
NO_HEADS = ("", "{", "{'descr': (", "[" * 3000, "{'descr': '<f4'}", "1", "'\\xff", "{'descr': '<f8', 'shape': (1L,)}")
NUMBERS = (np.nan, np.inf, -1.0, 0.0, 1e308, -1e39, 2.0**31, 255.0, 256.0, 1e6)


class Pickled:
    """What no reader may load: its pickle calls a function."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('a pickle was run')",)


def npy_with_head(head: str, content: bytes) -> bytes:
    """A .npy whose head is any text."""
    text = head.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def damage_array(array: Any, rng: np.random.Generator) -> bytes:
    """An array with another type, shape, head or numbers, as a .npy."""
    action = int(rng.integers(8))
    if action == 0:
        objects = np.empty(array.shape[:1] or (1,), object)
        objects[:] = [Pickled()] * len(objects) if rng.random() < 0.5 else [None] * len(objects)
        return pack_npy(objects)
    if action == 1:
        kind, shape = TYPES[int(rng.integers(len(TYPES)))], SHAPES[int(rng.integers(len(SHAPES)))]
        order = "True" if rng.random() < 0.3 else "False"
        return npy_with_head(f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}}}", array.tobytes())
    if action == 2:
        return npy_with_head(NO_HEADS[int(rng.integers(len(NO_HEADS)))], array.tobytes())
    if action == 3:
        changed = (array.ravel(), array[None], array.T, array[:0], array[:-1], np.concatenate([array, array]))
        return pack_npy(changed[int(rng.integers(len(changed)))])
    if action == 4:
        types = ("f8", "f2", "i8", "u1", "c8", "U7", "bool")
        with np.errstate(invalid="ignore", over="ignore"):
            return pack_npy(np.nan_to_num(array).astype(types[int(rng.integers(len(types)))]))
    if action == 5:
        return damage_bytes(pack_npy(array), rng)
    values = array.astype(np.float64) if action == 6 else array.copy()
    if values.size:
        number = NUMBERS[int(rng.integers(len(NUMBERS)))]
        if values.dtype.kind != "f":
            number = int(np.clip(np.nan_to_num(number), np.iinfo(values.dtype).min, np.iinfo(values.dtype).max))
        with np.errstate(over="ignore"):
            values.ravel()[rng.integers(values.size, size=rng.integers(1, 4))] = number
    return pack_npy(values)


def damage_labels(*, rigged: bool, rng: np.random.Generator) -> bytes:
    """Labels whose text, whose arrays, or whose bytes are damaged; now and then the text is no tree, or a deep one."""
    about, arrays = good_labels(rigged=rigged)
    action = int(rng.integers(6))
    text = json.dumps(damage_json(about, rng) if action in (0, 1) else about)
    if action == 2:
        text = ("[" * 200_000, '{"a":' * 5000, "[1, 2]", "", "NaN", '{"format": 1')[int(rng.integers(6))]
    members = {"about": pack_npy(np.array(text))} | {name: pack_npy(array) for name, array in arrays.items()}
    if action in (3, 4):
        for name in rng.choice(sorted(arrays), size=rng.integers(1, 3), replace=False).tolist():
            members[name] = damage_array(arrays[name], rng)
        if rng.random() < 0.1:
            del members[str(rng.choice(sorted(members)))]
    content = pack_npz(members)
    return damage_bytes(content, rng) if action == 5 else content


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
    if kind == "labels":
        rigged = bool(rng.random() < 0.5)
        mesh = {"mesh.glb": pack_glb(*good_gltf())} if rigged else {"mesh.obj": good_obj(), "mesh.mtl": good_mtl()}
        return {**mesh, "mesh.labels.npz": damage_labels(rigged=rigged, rng=rng)}
    return {"mesh.pkl": damage_bytes(good_pickle(), rng)}
