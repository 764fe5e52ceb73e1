"""FBX: rigged people (RenderPeople, Mixamo) and scans."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from ...core.arrays import F64, I64, U8
from ...core.errors import InputError
from ...geometry.mesh import Material, Wrap
from ...motion.skinning import Channel, ChannelPath, Clip, Skeleton
from ..build_mesh import MAX_COORDINATE
from ..build_rig import Parts, ReadPerson, Slots, assemble, share_weights
from ..images import read_texture
from ..named_files import TEXTURE_FOLDERS, model_folder, resolve_inside
from ..polygons import triangulate
from .container import open_fbx
from .contents import FbxClip, FbxFile, FbxMaterial, FbxMesh

MAX_INFLUENCES = 16
PICTURES = (".png", ".jpg", ".jpeg", ".tga", ".tif", ".tiff", ".bmp", ".webp")


def read_fbx(path: Path, root: Path | None = None) -> ReadPerson:
    """Read all meshes of an .fbx in rest pose, with skin and clips where it has them; metres, y up.

    A material whose picture is neither embedded nor found shows the one `*_dif*` picture that lies beside the file
    or in `tex/` (RenderPeople), else the file is refused.

    Raises:
        InputError: damaged, hostile, or a picture is missing.
        FbxUnavailable: the package `ufbx` is not installed.
    """
    root = model_folder(path) if root is None else root
    file = open_fbx(path)
    notices: list[str] = []
    parts, slots = Parts(), Slots()
    pictures: dict[str, U8] = {}
    if file.hidden:
        notices.append(f"{file.hidden} hidden nodes are left out" if file.hidden > 1 else "a hidden node is left out")
    if any(mesh.shapes for mesh in file.meshes):
        notices.append("morph targets stay as the file gives them at rest")
    for mesh in file.meshes:
        _add_mesh(path, root, file, mesh, parts, slots, pictures, notices)
    if not parts.faces:
        hidden = " but of hidden nodes" if file.hidden else " (a clip without a body?)"
        raise InputError(path, f"holds no surface{hidden}")
    return assemble(path, file.skeleton, fbx_clips(file), parts, slots, notices)


def peek_fbx(path: Path, limit: int = 1 << 30) -> tuple[bool, bool]:
    """Whether an .fbx seems to hold a surface, and a skin, from words in its bytes; (True, False) when unreadable."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"PolygonVertexIndex", 0, limit) >= 0, content.find(b"Cluster", 0, limit) >= 0
    except (OSError, ValueError):
        return True, False


def read_fbx_motion(path: Path) -> tuple[Skeleton, tuple[Clip, ...]]:
    """Skeleton and clips alone."""
    file = open_fbx(path)
    return file.skeleton, fbx_clips(file)


def fbx_clips(file: FbxFile) -> tuple[Clip, ...]:
    """Clips sampled at the file's frame rate; a property that keeps its value has a single key."""
    return tuple(_clip(clip) for clip in file.clips)


def _clip(clip: FbxClip) -> Clip:
    frames = len(clip.translation)
    times = np.arange(frames) / clip.fps
    channels: list[Channel] = []
    for node in range(clip.translation.shape[1]):
        properties: tuple[tuple[ChannelPath, F64], ...] = (
            ("translation", clip.translation[:, node]),
            ("rotation", clip.rotation[:, node]),
            ("scale", clip.scale[:, node]),
        )
        for path, values in properties:
            still = bool((np.ptp(values, axis=0) < 1e-12).all())
            channels.append(Channel(node, path, times[:1] if still else times, values[:1] if still else values))
    # Blender writes "Armature|walk".
    return Clip(clip.name.rpartition("|")[2] or clip.name, tuple(channels), 0.0, 1.0 / clip.fps, frames)


def _add_mesh(
    path: Path,
    root: Path,
    file: FbxFile,
    mesh: FbxMesh,
    parts: Parts,
    slots: Slots,
    pictures: dict[str, U8],
    notices: list[str],
) -> None:
    if not len(mesh.corner):
        return
    if not (np.abs(mesh.vertices) <= MAX_COORDINATE).all():
        raise InputError(path, "positions that are not finite (NaN or infinite), or far too large for a person")
    if mesh.corner.min() < 0 or mesh.corner.max() >= len(mesh.vertices):
        raise InputError(path, f"a face refers to vertex {int(mesh.corner.max())} of {len(mesh.vertices)}")
    triangles, polygon = triangulate(mesh.vertices, mesh.corner, mesh.sizes)
    joints, weights = _influences(mesh, slots, notices)
    corners = triangles.ravel()
    face_material = np.clip(mesh.face_material[polygon], 0, max(len(mesh.materials) - 1, 0))
    for number in np.unique(face_material):
        chosen = np.flatnonzero(face_material == number)
        used = corners.reshape(-1, 3)[chosen].ravel()
        # A vertex for each pair of position and texture coordinate; `assemble` joins seams again.
        keys = [mesh.corner[used].astype(np.float64)[:, None]]
        keys += [values[used] for values in (mesh.uv, mesh.colours) if values is not None]
        _, first, inverse = np.unique(np.concatenate(keys, axis=1), axis=0, return_index=True, return_inverse=True)
        corner = used[first]
        vertex = mesh.corner[corner]
        parts.vertices.append(mesh.vertices[vertex])
        parts.faces.append(inverse.reshape(-1, 3))
        parts.materials.append(
            _material(path, root, mesh.materials[number], pictures) if mesh.materials else Material("grey")
        )
        parts.uv.append(None if mesh.uv is None else mesh.uv[corner])
        if mesh.uv is None and parts.materials[-1].texture is not None:
            notices.append("the faces have a texture, but no texture coordinates")
        parts.colours.append(None if mesh.colours is None else _bytes(mesh.colours[corner]))
        parts.joints.append(joints[vertex])
        parts.weights.append(weights[vertex])


def _influences(mesh: FbxMesh, slots: Slots, notices: list[str]) -> tuple[I64, F64]:
    """(V, K) slots and weights: the clusters', or the mesh's own node where it has no skin."""
    count = len(mesh.vertices)
    first = len(slots.nodes)
    if not mesh.clusters:
        slots.nodes.append(mesh.node)
        slots.inverse.append(mesh.geometry)
        return np.full((count, 1), first, np.int64), np.ones((count, 1))
    slots.skins[len(slots.skins)] = (first, len(mesh.clusters))
    slots.nodes.extend(cluster.node for cluster in mesh.clusters)
    slots.inverse.extend(cluster.inverse for cluster in mesh.clusters)
    vertex = np.concatenate([cluster.vertices for cluster in mesh.clusters])
    weight = np.concatenate([cluster.weights for cluster in mesh.clusters])
    slot = np.repeat(np.arange(len(mesh.clusters)), [len(cluster.vertices) for cluster in mesh.clusters])
    good = (vertex >= 0) & (vertex < count) & np.isfinite(weight) & (weight > 0)
    vertex, weight, slot = vertex[good], weight[good], slot[good]
    order = np.lexsort((-weight, vertex))
    vertex, weight, slot = vertex[order], weight[order], slot[order]
    starts = np.searchsorted(vertex, np.arange(count))
    rank = np.arange(len(vertex)) - starts[vertex]
    width = min(int(rank.max(initial=0)) + 1, MAX_INFLUENCES)
    joints, weights = np.zeros((count, width), np.int64), np.zeros((count, width))
    kept = rank < width
    joints[vertex[kept], rank[kept]], weights[vertex[kept], rank[kept]] = slot[kept], weight[kept]
    joints, weights = share_weights(joints, weights, notices)
    return joints + first, weights


def _material(path: Path, root: Path, material: FbxMaterial, pictures: dict[str, U8]) -> Material:
    texture = material.texture
    if texture is None:
        fallback = _only_diffuse(path)
        if fallback is None:
            red, green, blue = (float(np.clip(value, 0.0, 1.0)) for value in material.colour)
            return Material(material.name, None, (red, green, blue, 1.0))
        name, content = str(fallback), b""
    else:
        name, content = texture.name, texture.content
    if name not in pictures:
        pictures[name] = _picture(path, root, material.name, name, content)
    across, down = (False, False) if texture is None else texture.clamp
    wrap: tuple[Wrap, Wrap] = ("clamp" if across else "repeat", "clamp" if down else "repeat")
    return Material(material.name, pictures[name], wrap=wrap)


def _picture(path: Path, root: Path, material: str, name: str, content: bytes) -> U8:
    if content:
        return read_texture(content, path)
    try:
        found = resolve_inside(root, name, path, f'the texture of material "{material}"')
    except InputError as error:
        fallback = None if "outside" in error.reason else _only_diffuse(path)
        if fallback is None:
            raise
        found = resolve_inside(root, fallback.name, path, f'the texture of material "{material}"')
    return read_texture(found, found)


def _only_diffuse(path: Path) -> Path | None:
    """The one diffuse picture of a pack (rp_name_dif.jpg in tex/); None where there is none or a choice."""
    folders = [path.parent, *(path.parent / name for name in TEXTURE_FOLDERS)]
    found = [
        picture
        for folder in folders
        if folder.is_dir()
        for picture in sorted(folder.iterdir())
        if picture.suffix.lower() in PICTURES and "_dif" in picture.stem.lower()
    ]
    return found[0] if len(found) == 1 else None


def _bytes(colours: F64) -> U8:
    return np.rint(np.clip(colours, 0.0, 1.0) * 255.0).astype(np.uint8)
