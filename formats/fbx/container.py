"""The FBX container through `ufbx`, as plain arrays in metres, y up; the one module that touches the binding.

The binding (0.0.5) has a flaw that must be known here: a list that hands out an object a second time does not count
the reference, and the object dies while it is in use. `_Items` counts it in its place, after finding out whether the
installed version needs that. Nothing of the binding leaves this module.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64, I64
from ...core.errors import InputError, MpcError
from ...motion.skinning import Skeleton, compose, world_matrices
from ..limits import MAX_FACES, MAX_VERTICES, file_size
from .contents import FbxClip, FbxCluster, FbxFile, FbxMaterial, FbxMesh, FbxTexture
from .text import find_cut

MAX_FBX_BYTES = 1 << 30
CLAMP = 1  # ufbx's WrapMode; it knows no mirror images
MAX_NODES = 20_000
MAX_SAMPLES = 20_000_000  # nodes times frames of all clips together
MAX_SECONDS = 7200.0  # of a clip; a damaged key may lie days behind the others
FPS_RANGE = (14.0, 125.0)
DEFAULT_FPS = 30.0


class FbxUnavailable(MpcError):
    """The optional package `ufbx` is not installed."""


def open_fbx(path: Path) -> FbxFile:
    """Read an .fbx, binary or ASCII, of any unit and axes.

    Raises:
        FbxUnavailable: without the package `ufbx`.
        InputError: damaged, too large or not an FBX.
    """
    ufbx: Any = _binding(path)
    size = file_size(path)
    if size == 0:
        raise InputError(path, "the file is empty")
    if size > MAX_FBX_BYTES:
        raise InputError(path, f"the file has {size} bytes, more than the {MAX_FBX_BYTES} that are read")
    cut = find_cut(path)
    if cut is not None:
        raise InputError(path, cut)
    try:
        scene = ufbx.load_file(
            str(path),
            target_axes=ufbx.axes_right_handed_y_up,
            target_unit_meters=1.0,
            space_conversion=ufbx.SpaceConversion.ADJUST_TRANSFORMS,
            inherit_mode_handling=ufbx.InheritModeHandling.HELPER_NODES,
            load_external_files=False,
            file_format=ufbx.FileFormat.FBX,
        )
    except (ufbx.UfbxError, OSError, ValueError) as error:
        advice = "export it anew as binary FBX 2011 or later, or as GLB"
        raise InputError(path, f"cannot be read as FBX ({str(error)[:120]}); {advice}") from error
    # All that is made of the scene must be gone before the scene is: hence a call of its own.
    return _read_scene(path, ufbx, scene)


def _binding(path: Path) -> Any:
    try:
        import ufbx
    except ImportError as error:
        raise FbxUnavailable(f'{path}: FBX needs the package ufbx (pip install "mpc[fbx]")') from error
    return ufbx


class _Items:
    """Lists of the binding as tuples, each reference counted once."""

    def __init__(self, sample: Any) -> None:
        first = sample[0]
        before = sys.getrefcount(first)
        again = sample[0]
        self._forgets = again is first and sys.getrefcount(first) == before
        if self._forgets:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(first))
        self._held: dict[int, Any] = {id(first): first}

    def __call__(self, items: Any) -> tuple[Any, ...]:
        return tuple(self._take(items))

    def _take(self, items: Any) -> Iterator[Any]:
        for position in range(len(items)):
            item = items[position]
            if id(item) in self._held:
                if self._forgets:
                    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
            else:
                self._held[id(item)] = item
            yield item


def _read_scene(path: Path, ufbx: Any, scene: Any) -> FbxFile:
    items = _Items(scene.nodes)
    nodes = items(scene.nodes)
    if len(nodes) > MAX_NODES:
        raise InputError(path, f"{len(nodes)} nodes are more than are read")
    skeleton = _skeleton(nodes)
    meshes = []
    hidden: set[int] = set()
    left_out = 0
    for number in skeleton.order.tolist():
        if not nodes[number].visible or int(skeleton.parents[number]) in hidden:
            hidden.add(number)
    for number, node in enumerate(nodes):
        mesh = node.mesh
        if mesh is not None and mesh.num_faces:
            if number in hidden:
                left_out += 1
            else:
                meshes.append(_mesh(path, items, number, node, mesh))
    bind = {**_bind_pose(ufbx, nodes), **{cluster.node: cluster.bind for mesh in meshes for cluster in mesh.clusters}}
    return FbxFile(_bound(skeleton, bind), tuple(meshes), _clips(path, ufbx, scene, items, nodes), left_out)


def _bind_pose(ufbx: Any, nodes: tuple[Any, ...]) -> dict[int, F64]:
    """World matrices of bones in what the file calls its bind pose: all there is to a clip without a body."""
    bind = {}
    for number, node in enumerate(nodes):
        pose = None if node.bone is None else node.bind_pose
        if pose is not None:
            place = ufbx.get_bone_pose(pose, node)
            if place is not None:
                bind[number] = _matrix(place.bone_to_world)
    return bind


def _bound(skeleton: Skeleton, bind: dict[int, F64]) -> Skeleton:
    """The skeleton at rest in the pose its meshes were bound in: the nodes' own values are those of whatever frame was
    shown when the file was written."""
    world = world_matrices(skeleton, None)
    local = dict(skeleton.matrix)
    for node in skeleton.order.tolist():
        parent = int(skeleton.parents[node])
        above = np.eye(4) if parent < 0 else world[parent]
        if node in bind and abs(np.linalg.det(above[:3, :3])) > 1e-18:
            local[node] = np.linalg.solve(above, bind[node])
            world[node] = bind[node]
        elif parent >= 0:
            world[node] = (
                above
                @ compose(skeleton.translation[node][None], skeleton.rotation[node][None], skeleton.scale[node][None])[
                    0
                ]
            )
    return replace(skeleton, matrix=local)


def _skeleton(nodes: tuple[Any, ...]) -> Skeleton:
    parents = np.array([-1 if node.parent is None else node.parent.typed_id for node in nodes], np.int32)
    rest = [node.local_transform for node in nodes]
    return Skeleton(
        names=tuple(node.name or f"node_{number}" for number, node in enumerate(nodes)),
        parents=parents,
        order=np.argsort([node.node_depth for node in nodes], kind="stable").astype(np.int32),
        translation=np.array([transform.translation for transform in rest], np.float64).reshape(-1, 3),
        rotation=np.array([transform.rotation for transform in rest], np.float64).reshape(-1, 4),
        scale=np.array([transform.scale for transform in rest], np.float64).reshape(-1, 3),
        matrix={},
    )


def _mesh(path: Path, items: _Items, number: int, node: Any, mesh: Any) -> FbxMesh:
    if mesh.num_vertices > MAX_VERTICES or mesh.num_faces > MAX_FACES:
        raise InputError(path, f"{mesh.num_vertices} vertices and {mesh.num_faces} faces are more than can be read")
    faces = np.array(memoryview(mesh.faces), np.int64).reshape(-1, 2)
    count = mesh.num_indices
    face_material = np.fromiter(mesh.face_material, np.int64)
    if len(face_material) != len(faces):
        face_material = np.zeros(len(faces), np.int64)
    good = faces[:, 1] >= 3
    faces, face_material = faces[good], face_material[good]
    total = int(faces[:, 1].sum())
    local = np.arange(total) - np.repeat(np.cumsum(faces[:, 1]) - faces[:, 1], faces[:, 1])
    order = np.repeat(faces[:, 0], faces[:, 1]) + local
    clusters = tuple(
        FbxCluster(
            node=cluster.bone_node.typed_id,
            inverse=_matrix(cluster.geometry_to_bone),
            bind=_matrix(cluster.bind_to_world),
            vertices=np.fromiter(cluster.vertices, np.int64),
            weights=np.fromiter(cluster.weights, np.float64),
        )
        for skin in items(mesh.skin_deformers)
        for cluster in items(skin.clusters)
        if cluster.bone_node is not None and cluster.num_weights
    )
    materials = items(node.materials) or items(mesh.materials)
    vertices, shapes = _morphed(items, mesh)
    return FbxMesh(
        node=number,
        vertices=vertices,
        corner=np.fromiter(mesh.vertex_indices, np.int64, count)[order],
        sizes=faces[:, 1],
        face_material=face_material,
        materials=tuple(_material(material, items) for material in materials),
        uv=_corner_values(mesh.vertex_uv, order, 2),
        colours=_corner_values(mesh.vertex_color, order, 4),
        geometry=_matrix(node.geometry_to_node),
        clusters=clusters,
        shapes=shapes,
    )


def _morphed(items: _Items, mesh: Any) -> tuple[F64, int]:
    """A mesh's vertices (V, 3) with its shapes (morph targets) at the weights they rest at, and how many it has."""
    vertices = np.array(memoryview(mesh.vertices), np.float64).reshape(-1, 3)
    shapes = 0
    for deformer in items(mesh.blend_deformers):
        for channel in items(deformer.channels):
            for key in items(channel.keyframes):
                shapes += 1
                where = np.fromiter(key.shape.offset_vertices, np.int64)
                good = (where >= 0) & (where < len(vertices))
                if key.effective_weight and good.any():
                    offsets = np.array(memoryview(key.shape.position_offsets), np.float64).reshape(-1, 3)
                    np.add.at(vertices, where[good], key.effective_weight * offsets[good])
    return vertices, shapes


def _corner_values(attribute: Any, order: I64, width: int) -> F64 | None:
    if not attribute.exists or not len(attribute.values):
        return None
    values = np.array(memoryview(attribute.values), np.float64).reshape(-1, width)
    index = np.fromiter(attribute.indices, np.int64)[order]
    result: F64 = values[np.clip(index, 0, len(values) - 1)]
    return result


def _material(material: Any, items: _Items) -> FbxMaterial:
    diffuse = material.fbx.diffuse_color
    picture = diffuse.texture
    if picture is None:
        picture = material.pbr.base_color.texture
    red, green, blue, _ = diffuse.value_vec4
    texture = None
    if picture is not None:
        layers = items(picture.file_textures)  # a layered texture shows its first picture
        picture = layers[0] if layers else picture
        name = picture.relative_filename or picture.filename or picture.name
        clamp = int(picture.wrap_u) == CLAMP, int(picture.wrap_v) == CLAMP
        texture = FbxTexture(name, bytes(picture.content), clamp)
    return FbxMaterial(material.name or "material", (red, green, blue), texture)


def _clips(path: Path, ufbx: Any, scene: Any, items: _Items, nodes: tuple[Any, ...]) -> tuple[FbxClip, ...]:
    fps = float(scene.settings.frames_per_second)
    if not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
        fps = DEFAULT_FPS
    clips: list[FbxClip] = []
    samples = 0
    for stack in items(scene.anim_stacks):
        anim = stack.anim
        start, end = float(stack.time_begin), float(stack.time_end)
        if not end > start:  # the file does not say; then from the first key to the last
            baked = ufbx.bake_anim(scene, anim)
            start, end = float(baked.key_time_min), float(baked.key_time_max)
            del baked
        if end - start > MAX_SECONDS:
            raise InputError(path, f'animation "{stack.name}": {end - start:.0f} s are too long (is a key damaged?)')
        frames = round((end - start) * fps) + 1 if np.isfinite(end - start) and end > start else 1
        samples += frames * len(nodes)
        if samples > MAX_SAMPLES:
            raise InputError(path, f'animation "{stack.name}": {frames} frames of {len(nodes)} nodes are too many')
        values = np.empty((frames, len(nodes), 10))
        for frame in range(frames):
            for number, node in enumerate(nodes):
                translation, rotation, scale = node.evaluate_transform(anim, start + frame / fps)
                values[frame, number] = (*translation, *rotation, *scale)
        if frames > 1:
            clips.append(FbxClip(stack.name, fps, values[..., :3], values[..., 3:7], values[..., 7:]))
    return tuple(clips)


def _matrix(columns: Any) -> F64:
    result = np.eye(4)
    result[:3] = np.array(columns, np.float64).T
    return result
