"""Ways to damage a file: bytes, words of a text, values of a JSON tree; and the damaged files of one subject."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fuzz.files import (
    body,
    good_bvh,
    good_gltf,
    good_mtl,
    good_obj,
    good_pickle,
    good_ply,
    pack_glb,
    pack_gltf,
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
