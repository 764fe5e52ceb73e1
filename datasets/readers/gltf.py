"""glTF 2.0 and GLB: static scans and rigged, animated people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...geometry.mesh import PosedMesh
from ...geometry.skinning import Clip, Rig, Skeleton, pose_rig, world_matrices
from .gltf_clips import read_clips
from .gltf_file import GltfFile, open_gltf
from .gltf_materials import MaterialReader
from .gltf_primitives import Parts, Slots, read_primitive
from .record import build_mesh
from .weld import weld_vertices

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ReadGltf:
    """A glTF file's person.

    Attributes:
        mesh: the rest pose in the file's world space.
        rig: None where the file has no skin; its vertices are those of `mesh`, in the same order.
        joints: nodes that are joints of a skin, in order.
        notices: what was repaired or left out.
    """

    mesh: PosedMesh
    rig: Rig | None
    joints: tuple[int, ...]
    notices: tuple[str, ...]


def read_gltf(path: Path, root: Path | None = None) -> ReadGltf:
    """Read the default scene of a .gltf or .glb.

    Vertices split at texture seams are joined where position, joints and weights agree. As the specification says,
    the transform of a skinned mesh's own node is ignored. Morph targets, cameras, lights, points and lines are left
    out. Alpha blending becomes a cut-out at one half.

    Raises:
        InputError: damaged, hostile or compressed with what is not read; names file and reason.
    """
    gltf = open_gltf(path, root)
    skeleton = read_skeleton(gltf)
    clips = read_clips(gltf, len(skeleton.names))
    parts, slots = Parts(), Slots()
    materials = MaterialReader(gltf)
    rest = world_matrices(skeleton, None)
    for node in _scene_nodes(gltf, skeleton):
        entry = gltf.items("nodes")[node]
        if "mesh" in entry:
            mesh = gltf.entry("meshes", entry["mesh"])
            for primitive in gltf.items("primitives", mesh):
                read_primitive(gltf, primitive, node, entry, rest[node], materials, parts, slots)
    if not parts.faces:
        raise gltf.fail("the scene has no triangles")
    return _assemble(gltf, skeleton, clips, parts, slots)


def read_skeleton(gltf: GltfFile) -> Skeleton:
    """The nodes as a forest in rest pose; InputError for cycles and shared children."""
    nodes = gltf.items("nodes")
    count = len(nodes)
    parents = np.full(count, -1, np.int32)
    for index, node in enumerate(nodes):
        children = node.get("children", [])
        for child in children if isinstance(children, list) else []:
            target = gltf.index(child, count, "nodes")
            if parents[target] >= 0:
                raise gltf.fail(f"node {target} has two parents")
            parents[target] = index
    order = _parents_first(parents)
    if len(order) != count:
        raise gltf.fail("the nodes form a cycle")
    matrix = {
        index: gltf.numbers(node, "matrix", [0.0] * 16).reshape(4, 4).T
        for index, node in enumerate(nodes)
        if "matrix" in node
    }
    return Skeleton(
        names=tuple(str(node.get("name") or f"node_{index}") for index, node in enumerate(nodes)),
        parents=parents,
        order=np.array(order, np.int32),
        translation=np.array([gltf.numbers(n, "translation", [0.0] * 3) for n in nodes]).reshape(-1, 3),
        rotation=np.array([gltf.numbers(n, "rotation", [0.0, 0.0, 0.0, 1.0]) for n in nodes]).reshape(-1, 4),
        scale=np.array([gltf.numbers(n, "scale", [1.0] * 3) for n in nodes]).reshape(-1, 3),
        matrix=matrix,
    )


def _parents_first(parents: npt.NDArray[np.int32]) -> list[int]:
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(parents.tolist()):
        children.setdefault(parent, []).append(node)
    order = list(children.get(-1, []))
    for node in order:  # grows while it is walked
        order.extend(children.get(node, []))
    return order


def _scene_nodes(gltf: GltfFile, skeleton: Skeleton) -> list[int]:
    """Nodes of the default scene, parents first; all nodes where the file has no scenes."""
    scenes = gltf.items("scenes")
    if not scenes:
        return [int(node) for node in skeleton.order]
    scene = scenes[gltf.index(gltf.json.get("scene", 0), len(scenes), "scenes")]
    roots = scene.get("nodes", [])
    shown = {gltf.index(node, len(skeleton.names), "nodes") for node in (roots if isinstance(roots, list) else [])}
    listed: list[int] = []
    for node in skeleton.order.tolist():
        if node in shown or skeleton.parents[node] in shown:
            shown.add(node)
            listed.append(node)
    return listed


def _assemble(gltf: GltfFile, skeleton: Skeleton, clips: tuple[Clip, ...], parts: Parts, slots: Slots) -> ReadGltf:
    vertices = np.concatenate(parts.vertices)
    sizes = np.array([len(part) for part in parts.vertices])
    base = np.cumsum(sizes) - sizes
    faces = np.concatenate([part + start for part, start in zip(parts.faces, base, strict=True)])
    face_part = np.repeat(np.arange(len(sizes)), [len(part) for part in parts.faces])
    materials = tuple(dict.fromkeys(parts.materials))
    face_material = np.array([materials.index(material) for material in parts.materials])[face_part]
    width = max(part.shape[1] for part in parts.joints)
    joints = np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), "edge") for part in parts.joints])
    weights = np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts.weights])
    uv = face_uv = None
    if any(part is not None for part in parts.uv):
        uv = np.concatenate([np.zeros((size, 2)) if u is None else u for u, size in zip(parts.uv, sizes, strict=True)])
        without = np.array([part is None for part in parts.uv])[face_part]
        face_uv = np.where(without[:, None], -1, faces)
    colours = None
    if any(part is not None for part in parts.colours):
        white = [np.full((size, 4), 255, np.uint8) for size in sizes]
        colours = np.concatenate([w if c is None else c for c, w in zip(parts.colours, white, strict=True)])

    extra = np.concatenate([joints.astype(np.float64), weights], axis=1)
    if colours is not None:
        extra = np.concatenate([extra, colours.astype(np.float64)], axis=1)
    keep, index = weld_vertices(vertices, faces, extra)
    rig = Rig(
        skeleton=skeleton,
        vertices=vertices[keep],
        slot_node=np.array(slots.nodes, np.int32),
        slot_inverse=np.stack(slots.inverse),
        joints=joints[keep].astype(np.int32),
        weights=weights[keep],
        clips=clips,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        posed, _ = pose_rig(rig, None)
    faces = index[faces]
    mesh = build_mesh(
        gltf.path,
        posed,
        faces,
        materials=materials,
        face_material=face_material,
        uv=uv,
        face_uv=face_uv,
        vertex_colours=None if colours is None else colours[keep],
        notices=gltf.notices,
    )
    notices = tuple(dict.fromkeys(gltf.notices))
    if not slots.skins:
        return ReadGltf(mesh, None, (), notices)
    kept = _used_rows(faces)
    rig = replace(rig, vertices=rig.vertices[kept], joints=rig.joints[kept], weights=rig.weights[kept])
    joint_nodes = sorted({node for first, count in slots.skins.values() for node in slots.nodes[first : first + count]})
    return ReadGltf(mesh, rig, tuple(joint_nodes), notices)


def _used_rows(faces: I64) -> I64:
    """The vertices `build_mesh` keeps: those of faces that have three distinct corners."""
    good = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return np.unique(faces[good])
