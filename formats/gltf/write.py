"""Binary glTF 2.0 (GLB): static meshes, and rigged ones with their skin and animations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...core.arrays import F64, I32, I64, U8
from ...core.files import write_bytes
from ...geometry.mesh import Material, PosedMesh
from ...motion.skinning import Clip, Rig, Skeleton
from ..obj.write import texture_pixels
from ..png import encode_png
from .binary import ARRAY_BUFFER, ELEMENT_BUFFER, GlbBuffer
from .materials import CLAMP, MIRROR, REPEAT, to_linear

Json = dict[str, object]
NAME = "person"
UNLIT = "KHR_materials_unlit"
# Of cloth and skin; also what viewers that do not know UNLIT show.
ROUGHNESS = 0.9
LINEAR, LINEAR_MIPMAP_LINEAR = 9729, 9987
WRAP_MODES = {"repeat": REPEAT, "clamp": CLAMP, "mirror": MIRROR}


def write_glb(
    path: Path,
    mesh: PosedMesh,
    rig: Rig | None = None,
    *,
    lit: bool = True,
    normals: F64 | None = None,
    generator: str = "mpc",
) -> None:
    """Write one .glb, whole or not at all, with its textures inside; see `encode_glb`.

    Args:
        path: of the .glb; its folder is made.
        mesh: metres, y up; one primitive a material.
        rig: moves the mesh; its vertices, which are written instead of the mesh's, are in the same order.
        lit: False where the colours hold the light already: the materials become unlit, and no normals are written.
        normals: (V, 3) unit normals to store; None: those of the surface. Unused where `lit` is False.
        generator: which program the file says made it.

    Raises:
        ValueError: the rig has another number of vertices, or two inverse bind matrices for one node.
        OSError: of the disk; names the file.
    """
    write_bytes(path, encode_glb(mesh, rig, lit=lit, normals=normals, generator=generator))


def encode_glb(
    mesh: PosedMesh,
    rig: Rig | None = None,
    *,
    lit: bool = True,
    normals: F64 | None = None,
    generator: str = "mpc",
    encode: Callable[[U8], bytes] = encode_png,
    apart: bool = False,
) -> bytes:
    """The bytes of one .glb.

    Vertices on texture seams are written repeatedly. Vertex colours are stored as linear light, as the format wants.
    A material's colour is multiplied into its texture, where it has one.

    Args:
        mesh: see `write_glb`, as for the next four.
        rig: moves the mesh.
        lit: whether viewers are to add light.
        normals: of the vertices.
        generator: the program's name.
        encode: makes a PNG of a texture.
        apart: the faces of each material have normals of their own, for viewers that compute them anew in place.

    Raises:
        ValueError: as `write_glb`.
    """
    stored = mesh if rig is None else mesh.with_vertices(rig.vertices)
    buffer = GlbBuffer()
    vertex, uv, corners = _split_at_seams(stored)
    if normals is None:
        normals = stored.vertex_normals
    attributes = _surface(buffer, stored, vertex, uv, normals if lit else None)
    if rig is not None:
        attributes |= _influences(buffer, rig, vertex)
    primitives: list[Json] = []
    for number in range(len(mesh.materials)):
        chosen = corners[mesh.face_material == number]
        if len(chosen):
            if apart and lit and primitives:
                attributes = {**attributes, "NORMAL": _add_normals(buffer, normals[vertex])}
            index = buffer.add_array(chosen.reshape(-1).astype(np.uint32), "SCALAR", ELEMENT_BUFFER)
            primitives.append({"attributes": attributes, "indices": index, "material": number, "mode": 4})
    document: Json = {
        "asset": {"version": "2.0", "generator": generator},
        "scene": 0,
        **_nodes(buffer, rig, {"name": NAME, "primitives": primitives}),
        **_materials(buffer, stored, lit=lit, encode=encode),
    }
    if rig is not None and rig.clips:
        document["animations"] = [_animation(buffer, clip) for clip in rig.clips]
    if not lit:
        document["extensionsUsed"] = [UNLIT]
    return buffer.pack(document)


def _split_at_seams(mesh: PosedMesh) -> tuple[I64, I64 | None, I64]:
    """glTF's vertices, each with one texture coordinate.

    Returns:
        (N,) into the mesh's vertices; (N,) into its uv, or None; (F, 3) corners into these N.
    """
    if mesh.face_uv is None:
        return np.arange(len(mesh.vertices)), None, mesh.faces.astype(np.int64)
    corners = np.stack([mesh.faces.ravel(), mesh.face_uv.ravel()], axis=1)
    pairs, inverse = np.unique(corners, axis=0, return_inverse=True)
    return pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64), inverse.reshape(-1, 3).astype(np.int64)


def _surface(buffer: GlbBuffer, mesh: PosedMesh, vertex: I64, uv: I64 | None, normals: F64 | None) -> dict[str, int]:
    """Positions, normals, texture coordinates and colours; attribute name to accessor."""
    positions = mesh.vertices[vertex].astype(np.float32)
    attributes = {"POSITION": buffer.add_array(positions, "VEC3", ARRAY_BUFFER, bounds=True)}
    if normals is not None:
        attributes["NORMAL"] = _add_normals(buffer, normals[vertex])
    if uv is not None and mesh.uv is not None:
        u, v = mesh.uv[uv].astype(np.float64).T
        # glTF counts v from above. Seven decimals are what float32 holds of v; rounding keeps a difference of such a
        # number and 1 from showing its rounding error.
        turned = np.stack([u, np.round(1.0 - v, 7)], axis=1)
        attributes["TEXCOORD_0"] = buffer.add_array(turned.astype(np.float32), "VEC2", ARRAY_BUFFER)
    if mesh.vertex_colours is not None:
        values = mesh.vertex_colours[vertex] / 255.0
        values[:, :3] = to_linear(values[:, :3])
        linear = np.rint(values * 65535).astype(np.uint16)
        attributes["COLOR_0"] = buffer.add_array(linear, "VEC4", ARRAY_BUFFER, normalized=True)
    return attributes


def _add_normals(buffer: GlbBuffer, unit: F64) -> int:
    """The accessor of normals (N, 3), which are changed where they are of no face: glTF wants unit vectors."""
    unit[np.linalg.norm(unit, axis=1) < 0.5] = (0.0, 1.0, 0.0)
    return buffer.add_array(unit.astype(np.float32), "VEC3", ARRAY_BUFFER)


def _influences(buffer: GlbBuffer, rig: Rig, vertex: I64) -> dict[str, int]:
    """Joints and weights in sets of four; attribute name to accessor."""
    short = -rig.joints.shape[1] % 4
    joints = np.pad(rig.joints[vertex], ((0, 0), (0, short)))
    weights = np.pad(rig.weights[vertex], ((0, 0), (0, short))).astype(np.float32)
    kind = np.uint8 if len(rig.slot_node) <= 256 else np.uint16
    attributes: dict[str, int] = {}
    for number in range(joints.shape[1] // 4):
        four = slice(4 * number, 4 * number + 4)
        attributes[f"JOINTS_{number}"] = buffer.add_array(joints[:, four].astype(kind), "VEC4", ARRAY_BUFFER)
        attributes[f"WEIGHTS_{number}"] = buffer.add_array(weights[:, four], "VEC4", ARRAY_BUFFER)
    return attributes


def _nodes(buffer: GlbBuffer, rig: Rig | None, mesh: Json) -> Json:
    """The scene's nodes, the mesh and the skin."""
    if rig is None:
        return {"scenes": [{"nodes": [0]}], "nodes": [{"name": NAME, "mesh": 0}], "meshes": [mesh]}
    joints = rig.slot_node.tolist()
    if len(set(joints)) != len(joints):
        raise ValueError("a rig with two inverse bind matrices for one node cannot be written as one skin")
    columns = rig.slot_inverse.transpose(0, 2, 1).reshape(-1, 16)  # glTF stores matrices column by column
    skin: Json = {"name": "skeleton", "joints": joints}
    roots = np.flatnonzero(rig.skeleton.parents < 0).tolist()
    if len(roots) == 1:
        skin = {"name": "skeleton", "skeleton": roots[0], "joints": joints}
    skin["inverseBindMatrices"] = buffer.add_array(columns.astype(np.float32), "MAT4")
    nodes = _skeleton_nodes(rig.skeleton)
    count = len(nodes)
    nodes += [{"name": NAME, "mesh": 0, "skin": 0}, {"name": "Armature", "children": [*roots, count]}]
    return {"scenes": [{"nodes": [count + 1]}], "nodes": nodes, "meshes": [mesh], "skins": [skin]}


def _skeleton_nodes(skeleton: Skeleton) -> list[Json]:
    nodes: list[Json] = []
    for number, name in enumerate(skeleton.names):
        node: Json = {"name": name}
        if number in skeleton.matrix:
            node["matrix"] = skeleton.matrix[number].T.ravel().tolist()
        else:
            node["translation"] = skeleton.translation[number].astype(np.float32).tolist()
            if not np.array_equal(skeleton.rotation[number], [0, 0, 0, 1]):
                node["rotation"] = skeleton.rotation[number].tolist()
            if not np.array_equal(skeleton.scale[number], [1, 1, 1]):
                node["scale"] = skeleton.scale[number].tolist()
        children: I32 = np.flatnonzero(skeleton.parents == number).astype(np.int32)
        if len(children):
            node["children"] = children.tolist()
        nodes.append(node)
    return nodes


def _materials(buffer: GlbBuffer, mesh: PosedMesh, *, lit: bool, encode: Callable[[U8], bytes]) -> Json:
    """Materials and, where there are some, textures, their sampler and images."""
    materials: list[Json] = []
    images: list[Json] = []
    textures: list[Json] = []
    samplers: list[Json] = []
    tiled = mesh.uv is not None and bool((mesh.uv < 0).any() or (mesh.uv > 1).any())
    for material in mesh.materials:
        pixels = texture_pixels(material) if mesh.uv is not None else None
        materials.append(_material(material, None if pixels is None else len(images), lit=lit))
        if pixels is not None:
            view = buffer.add_view(encode(pixels))
            # Repeated, the texture's opposite edge would show at its rim.
            across, down = (WRAP_MODES["clamp" if side == "repeat" and not tiled else side] for side in material.wrap)
            sampler: Json = {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": across, "wrapT": down}
            if sampler not in samplers:
                samplers.append(sampler)
            textures.append({"sampler": samplers.index(sampler), "source": len(images)})
            images.append({"name": material.name, "mimeType": "image/png", "bufferView": view})
    if not images:
        return {"materials": materials}
    return {"materials": materials, "textures": textures, "samplers": samplers, "images": images}


def _material(material: Material, texture: int | None, *, lit: bool) -> Json:
    surface: Json = {}
    if texture is not None:
        surface["baseColorTexture"] = {"index": texture}
    elif material.colour != (1.0, 1.0, 1.0, 1.0):
        surface["baseColorFactor"] = [*to_linear(np.array(material.colour[:3])).tolist(), material.colour[3]]
    surface |= {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    entry: Json = {"name": material.name, "doubleSided": False, "pbrMetallicRoughness": surface}
    if material.alpha_mode == "mask":
        entry |= {"alphaMode": "MASK", "alphaCutoff": material.alpha_cutoff}
    if not lit:
        entry["extensions"] = {UNLIT: {}}
    return entry


def _animation(buffer: GlbBuffer, clip: Clip) -> Json:
    """A clip; channels of equal key times share them."""
    samplers: list[Json] = []
    channels: list[Json] = []
    times: dict[bytes, int] = {}
    for channel in clip.channels:
        keys = channel.times.astype(np.float32)
        if keys.tobytes() not in times:
            times[keys.tobytes()] = buffer.add_array(keys, "SCALAR", bounds=True)
        values: F64 = channel.values.reshape(-1, channel.values.shape[-1])
        output = buffer.add_array(values.astype(np.float32), f"VEC{values.shape[1]}")
        samplers.append({"input": times[keys.tobytes()], "output": output, "interpolation": channel.interpolation})
        target = {"node": channel.node, "path": channel.path}
        channels.append({"sampler": len(samplers) - 1, "target": target})
    return {"name": clip.name, "samplers": samplers, "channels": channels}
