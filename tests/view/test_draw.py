"""Surfaces as the page gets them."""

import json
import struct

import numpy as np

from mpc.geometry.mesh import Material, PosedMesh
from mpc.view.content import Body
from mpc.view.draw import encode_body


def read_glb(content):
    """The description and the data of a .glb (glTF 2.0, section 4.4)."""
    (length,) = struct.unpack("<I", content[12:16])
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def test_each_material_has_normals_of_its_own():
    """The page computes normals in place, for the faces of one material after the other (seen with viser 1.1.1)."""
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    materials = (Material(name="skin"), Material(name="cloth"), Material(name="hair"))
    mesh = PosedMesh(corners, faces, materials=materials, face_material=np.array([0, 1, 1, 2], np.int32))
    table, data = read_glb(encode_body(Body("person", mesh)))
    used = [primitive["attributes"] for primitive in table["meshes"][0]["primitives"]]
    assert len({attributes["NORMAL"] for attributes in used}) == 3
    assert len({attributes["POSITION"] for attributes in used}) == 1
    for attributes in used:
        accessor = table["accessors"][attributes["NORMAL"]]
        start = table["bufferViews"][accessor["bufferView"]].get("byteOffset", 0) + accessor.get("byteOffset", 0)
        normals = np.frombuffer(data, "<f4", 12, start).reshape(4, 3)
        assert np.allclose(normals, mesh.vertex_normals, atol=1e-6)
    unlit, _ = read_glb(encode_body(Body("person", mesh, lit=False)))
    assert not any("NORMAL" in primitive["attributes"] for primitive in unlit["meshes"][0]["primitives"])
