"""Small sequences: boxes of one colour each as frames, and an evaluation of glTF animations written apart from mpc."""

import json
import struct

import numpy as np
import trimesh

from mpc.formats.gltf.sequence import GlbFrame
from mpc.formats.gltf.write import write_glb
from mpc.geometry.mesh import PosedMesh

COLOURS = ((230, 30, 30), (30, 200, 40), (40, 60, 220))
TIMES = (0.0, 0.5, 2.0)
DURATION = 2.5


def box_frames(folder):
    """Three GLB files, red, green and blue boxes of 1, 1.5 and 2 m, and when they begin."""
    frames = []
    for number, (colour, seconds) in enumerate(zip(COLOURS, TIMES, strict=True)):
        box = trimesh.creation.box(extents=np.full(3, 1.0 + number / 2))
        colours = np.tile(np.array([*colour, 255], np.uint8), (len(box.vertices), 1))
        path = folder / f"box_{number}.glb"
        mesh = PosedMesh(np.asarray(box.vertices), np.asarray(box.faces, np.int32), vertex_colours=colours)
        write_glb(path, mesh, lit=False)
        frames.append(GlbFrame(path, seconds))
    return frames


def split_glb(path):
    """The document and the binary part of a GLB."""
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    assert struct.unpack("<4sII", content[:12]) == (b"glTF", 2, len(content))
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def numbers(document, binary, index):
    """An accessor of float32 or uint16 numbers, one row an element."""
    accessor = document["accessors"][index]
    kind = {5126: "<f4", 5123: "<u2"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    view = document["bufferViews"][accessor["bufferView"]]
    return np.frombuffer(binary, kind, width * accessor["count"], view["byteOffset"]).reshape(-1, width)


def scales_at(path, seconds):
    """The scale of each node of a GLB when its one animation has come to `seconds` (glTF 2.0, appendix C.2: STEP)."""
    document, binary = split_glb(path)
    scales = {number: node["scale"] for number, node in enumerate(document["nodes"])}
    (animation,) = document["animations"]
    for channel in animation["channels"]:
        assert channel["target"]["path"] == "scale"
        sampler = animation["samplers"][channel["sampler"]]
        assert sampler["interpolation"] == "STEP"
        keys, values = (numbers(document, binary, sampler[name]) for name in ("input", "output"))
        assert len(keys) == len(values)
        assert (np.diff(keys[:, 0]) > 0).all()
        at = max(np.searchsorted(keys[:, 0], seconds, side="right") - 1, 0)
        scales[channel["target"]["node"]] = values[at].tolist()
    return [scales[number] for number in range(len(document["nodes"]))]
