"""glTF 2.0 and GLB: static scans and rigged, animated people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64, I32
from ...motion.skinning import Skeleton, world_matrices
from ..build_rig import Parts, ReadPerson, Slots, assemble
from .animations import read_clips
from .container import GltfFile, open_gltf
from .materials import MaterialReader
from .primitives import MeshPlace, morph_weights, read_primitive


def read_gltf(path: Path, root: Path | None = None) -> ReadPerson:
    """Read the default scene of a .gltf or .glb.

    Vertices split at texture seams are joined where position, joints and weights agree. As the specification says,
    the transform of a skinned mesh's own node is ignored. Morph targets have the weights that the file gives them at
    rest; animations of these weights, cameras, lights, points, lines and hidden nodes are left out. Alpha blending
    becomes a cut-out at one half.

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
        if "mesh" in entry and not _has_vanished(entry, rest[node]):
            mesh = gltf.entry("meshes", entry["mesh"])
            for primitive in gltf.items("primitives", mesh):
                place = MeshPlace(node, entry, rest[node], morph_weights(gltf, entry, mesh))
                read_primitive(gltf, primitive, place, materials, parts, slots)
    if not parts.faces:
        raise gltf.fail("; ".join(["the scene has no triangles", *dict.fromkeys(gltf.notices)]))
    return assemble(gltf.path, skeleton, clips, parts, slots, gltf.notices)


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


def _parents_first(parents: I32) -> list[int]:
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
        roots: Any = [int(node) for node in np.flatnonzero(skeleton.parents < 0)]
    else:
        scene = scenes[gltf.index(gltf.json.get("scene", 0), len(scenes), "scenes")]
        roots = scene.get("nodes", [])
    shown = {gltf.index(node, len(skeleton.names), "nodes") for node in (roots if isinstance(roots, list) else [])}
    listed: list[int] = []
    hidden = 0
    for node in skeleton.order.tolist():
        if node in shown or skeleton.parents[node] in shown:
            if _is_hidden(gltf, node):  # and with it all nodes below
                shown.discard(node)
                hidden += 1
                continue
            shown.add(node)
            listed.append(node)
    if hidden:
        gltf.notices.append(f"{hidden} hidden nodes are left out" if hidden > 1 else "a hidden node is left out")
    return listed


def _has_vanished(entry: dict[str, Any], rest: F64) -> bool:
    """Whether a mesh without a skin is shrunk to a point at rest (4, 4)."""
    return "skin" not in entry and not rest[:3, :3].any()


def _is_hidden(gltf: GltfFile, node: int) -> bool:
    """Whether KHR_node_visibility hides a node."""
    visibility = gltf.extension(gltf.items("nodes")[node], "KHR_node_visibility")
    return visibility is not None and visibility.get("visible") is False
