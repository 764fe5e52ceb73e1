"""glTF primitives: triangles, coordinates, colours and the joints each vertex follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F64, I64, U8
from ...geometry.mesh import Material
from ..build_mesh import MAX_COORDINATE
from ..build_rig import Parts, Slots, share_weights
from ..limits import MAX_VERTICES
from .container import GltfFile, Json
from .materials import MaterialReader, to_display

MAX_INFLUENCE_SETS = 4  # sixteen joints a vertex


@dataclass(frozen=True, eq=False)
class MeshPlace:
    """Where a mesh hangs.

    Attributes:
        node: number of its node.
        entry: the node.
        rest: (4, 4) matrix of the node at rest.
        morph: weights of the morph targets at rest.
    """

    node: int
    entry: Json
    rest: F64
    morph: tuple[float, ...] = ()


def morph_weights(gltf: GltfFile, node: Json, mesh: Json) -> tuple[float, ...]:
    """The weights of a mesh's morph targets at rest: the node's, else the mesh's, else none."""
    values = node.get("weights", mesh.get("weights", []))
    weights: list[Any] = values if isinstance(values, list) else [""]
    if not all(type(value) in (int, float) and math.isfinite(value) for value in weights):
        raise gltf.fail('"weights" of morph targets are not numbers')
    return tuple(float(value) for value in weights)


def read_primitive(
    gltf: GltfFile, primitive: Json, place: MeshPlace, materials: MaterialReader, parts: Parts, slots: Slots
) -> None:
    """Append one primitive of a mesh that hangs on a node to `parts`."""
    node_entry = place.entry
    attributes = primitive.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    mode = gltf.whole(primitive, "mode", 4)
    if mode not in (4, 5, 6) or "POSITION" not in attributes:
        gltf.notices.append("points, lines and primitives without positions are left out")
        return
    accessors = gltf.items("accessors")
    position = accessors[gltf.index(attributes["POSITION"], len(accessors), "accessors")]
    if gltf.extension(primitive, "KHR_draco_mesh_compression") is not None and "bufferView" not in position:
        raise gltf.fail("compressed with Draco (KHR_draco_mesh_compression), which is not read; export without it")
    vertices = gltf.accessor(attributes["POSITION"], (3,), "POSITION").astype(np.float64)
    if not (np.abs(vertices) <= MAX_COORDINATE).all():
        raise gltf.fail("positions that are not finite (NaN or infinite), or far too large for a person")
    parts.count += len(vertices)
    if parts.count > MAX_VERTICES:
        raise gltf.fail(f"more than {MAX_VERTICES} vertices in all its instances")
    faces = _triangles(gltf, primitive, len(vertices), mode)
    if not len(faces):
        return
    vertices = _morphed(gltf, primitive, vertices, place.morph)
    skinned = "skin" in node_entry and "JOINTS_0" in attributes
    if "skin" in node_entry and not skinned:
        gltf.notices.append("a part of a skinned mesh has no JOINTS_0 and moves with its node")
    if not skinned and np.linalg.det(place.rest[:3, :3]) < 0:
        faces = faces[:, ::-1]
    found = materials.read(primitive.get("material"))
    faces, colours = _opaque_faces(gltf, found.material, faces, _colours(gltf, attributes, len(vertices)))
    if not len(faces):
        return
    parts.vertices.append(vertices)
    parts.faces.append(faces)
    parts.materials.append(found.material)
    parts.uv.append(_uv(gltf, attributes, found.texcoord, found.uv_matrix, len(vertices)))
    if found.material.texture is not None and parts.uv[-1] is None:
        gltf.notices.append(f'material "{found.material.name}" has a texture, its surface no coordinates')
    parts.colours.append(colours)
    joints, weights = (
        _influences(gltf, attributes, node_entry["skin"], len(vertices), slots)
        if skinned
        else (np.full((len(vertices), 1), _rigid_slot(slots, place.node)), np.ones((len(vertices), 1)))
    )
    parts.joints.append(joints)
    parts.weights.append(weights)


def _morphed(gltf: GltfFile, primitive: Json, vertices: F64, weights: tuple[float, ...]) -> F64:
    """Vertices (N, 3) with the morph targets of a primitive at their weights."""
    accessors = gltf.items("accessors")
    if primitive.get("targets"):
        gltf.notices.append("morph targets stay as the file gives them at rest")
    for target, weight in zip(gltf.items("targets", primitive), weights, strict=False):
        if weight == 0.0 or "POSITION" not in target:
            continue
        gltf.index(target["POSITION"], len(accessors), "accessors")
        offsets = gltf.accessor(target["POSITION"], (3,), "a morph target").astype(np.float64)
        _same_count(gltf, "a morph target", len(offsets), len(vertices))
        vertices = vertices + weight * offsets
    if not (np.abs(vertices) <= MAX_COORDINATE).all():
        raise gltf.fail("morph targets move positions to places that are not finite, or far too large for a person")
    return vertices


def _triangles(gltf: GltfFile, primitive: Json, count: int, mode: int) -> I64:
    if "indices" in primitive:
        raw = gltf.accessor(primitive["indices"], (1,), "indices")[:, 0]
        if raw.dtype.kind not in "iu":
            raise gltf.fail("indices are not integers")
        index = raw.astype(np.int64)
    else:
        index = np.arange(count)
    if len(index) and (index.min() < 0 or index.max() >= count):
        raise gltf.fail(f"a face refers to vertex {int(index.max())} of {count}")
    if mode == 4:
        if len(index) % 3:
            raise gltf.fail(f"{len(index)} indices are not a whole number of triangles")
        return index.reshape(-1, 3)
    if len(index) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == 6:
        return np.stack([np.full(len(index) - 2, index[0]), index[1:-1], index[2:]], axis=1)
    strip = np.stack([index[:-2], index[1:-1], index[2:]], axis=1)
    strip[1::2] = strip[1::2, [1, 0, 2]]
    return strip


def _uv(gltf: GltfFile, attributes: Json, texcoord: int, matrix: F64, count: int) -> F64 | None:
    """(N, 2) with v up, the material's transform applied."""
    name = f"TEXCOORD_{texcoord}"
    if name not in attributes:
        return None
    uv = gltf.accessor(attributes[name], (2,), name).astype(np.float64)
    _same_count(gltf, name, len(uv), count)
    uv = uv @ matrix[:2, :2].T + matrix[:2, 2]
    return np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=1)


def _colours(gltf: GltfFile, attributes: Json, count: int) -> U8 | None:
    """(N, 4) COLOR_0 in display values (the file's are linear)."""
    if "COLOR_0" not in attributes:
        return None
    values = gltf.accessor(attributes["COLOR_0"], (3, 4), "COLOR_0")
    _same_count(gltf, "COLOR_0", len(values), count)
    linear = np.ones((count, 4))
    scale = float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1.0
    linear[:, : values.shape[1]] = np.nan_to_num(values.astype(np.float64) / scale)
    linear[:, :3] = to_display(linear[:, :3])
    return np.rint(np.clip(linear, 0.0, 1.0) * 255.0).astype(np.uint8)


def _opaque_faces(gltf: GltfFile, material: Material, faces: I64, colours: U8 | None) -> tuple[I64, U8 | None]:
    """The faces that are drawn of a material that is cut out, by its own alpha and the vertices', and opaque colours.

    What a picture cuts out is left to the renderers.
    """
    alpha = np.full(len(faces), material.colour[3])
    if colours is not None:
        alpha *= colours[faces, 3].mean(axis=1) / 255.0
        colours[:, 3] = 255
    if material.alpha_mode == "opaque" or not (alpha < 1).any():
        return faces, colours
    drawn = alpha >= material.alpha_cutoff
    if drawn.all():
        gltf.notices.append(f'material "{material.name}" lets light through; it is drawn opaque')
    else:
        lost = int((~drawn).sum())
        gltf.notices.append(f'{lost} faces of material "{material.name}" are more transparent than not, and left out')
    return faces[drawn], colours


def _influences(gltf: GltfFile, attributes: Json, skin: Any, count: int, slots: Slots) -> tuple[I64, F64]:
    """(N, K) slots and (N, K) weights that sum to 1."""
    first, joints = _skin_slots(gltf, gltf.index(skin, len(gltf.items("skins")), "skins"), slots)
    index_parts: list[I64] = []
    weight_parts: list[F64] = []
    for number in range(MAX_INFLUENCE_SETS):
        names = (f"JOINTS_{number}", f"WEIGHTS_{number}")
        if names[0] not in attributes or names[1] not in attributes:
            break
        raw = gltf.accessor(attributes[names[0]], (4,), names[0])
        if raw.dtype.kind not in "iu":
            raise gltf.fail(f"{names[0]} are not integers")
        index_parts.append(raw.astype(np.int64))
        weight_parts.append(gltf.accessor(attributes[names[1]], (4,), names[1]).astype(np.float64))
        _same_count(gltf, names[0], len(index_parts[-1]), count)
        _same_count(gltf, names[1], len(weight_parts[-1]), count)
    if not index_parts:
        raise gltf.fail("a skinned surface has JOINTS_0 and no WEIGHTS_0")
    index, weights = np.concatenate(index_parts, axis=1), np.concatenate(weight_parts, axis=1)
    if not np.isfinite(weights).all():
        raise gltf.fail("skin weights that are not finite")
    weights = np.maximum(weights, 0.0)
    used = weights > 0
    if (index[used] >= joints).any():
        raise gltf.fail(f"JOINTS_0 refers to joint {int(index[used].max())} of {joints}")
    index = np.where(used, index, 0)
    index, weights = share_weights(index, weights, gltf.notices)
    return index + first, weights


def _skin_slots(gltf: GltfFile, skin: int, slots: Slots) -> tuple[int, int]:
    """First slot and number of joints of a skin."""
    if skin not in slots.skins:
        entry = gltf.items("skins")[skin]
        joints = entry.get("joints")
        if not isinstance(joints, list) or not joints:
            raise gltf.fail(f"skin {skin} has no joints")
        count = len(gltf.items("nodes"))
        nodes = [gltf.index(joint, count, "nodes") for joint in joints]
        inverse = np.tile(np.eye(4), (len(nodes), 1, 1))
        if "inverseBindMatrices" in entry:
            raw = gltf.accessor(entry["inverseBindMatrices"], (16,), "inverse bind matrices").astype(np.float64)
            if len(raw) < len(nodes):
                raise gltf.fail(f"skin {skin} has {len(raw)} inverse bind matrices for {len(nodes)} joints")
            inverse = raw[: len(nodes)].reshape(-1, 4, 4).transpose(0, 2, 1)
            if not np.isfinite(inverse).all():
                raise gltf.fail(f"skin {skin} has inverse bind matrices that are not finite")
        slots.skins[skin] = (len(slots.nodes), len(nodes))
        slots.nodes.extend(nodes)
        slots.inverse.extend(inverse)
    return slots.skins[skin]


def _rigid_slot(slots: Slots, node: int) -> int:
    if node not in slots.rigid:
        slots.rigid[node] = len(slots.nodes)
        slots.nodes.append(node)
        slots.inverse.append(np.eye(4))
    return slots.rigid[node]


def _same_count(gltf: GltfFile, name: str, got: int, expected: int) -> None:
    if got != expected:
        raise gltf.fail(f"{name} has {got} entries for {expected} vertices")
