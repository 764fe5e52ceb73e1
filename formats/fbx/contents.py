"""What is read of an FBX file, as plain arrays in metres, y up: meshes, materials, skins and clips."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.arrays import F64, I64
from ...motion.skinning import Skeleton


@dataclass(frozen=True, eq=False)
class FbxTexture:
    """A picture.

    Attributes:
        name: of its file, as written.
        content: bytes embedded in the .fbx; empty where there are none.
        clamp: whether the colour of its edge is shown beyond [0, 1] along u and v; else it repeats.
    """

    name: str
    content: bytes
    clamp: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, eq=False)
class FbxMaterial:
    """The part of a material that is read.

    Attributes:
        name: as in the file.
        colour: diffuse RGB in [0, 1], display values.
        texture: diffuse picture, None for a plain colour.
    """

    name: str
    colour: tuple[float, float, float]
    texture: FbxTexture | None


@dataclass(frozen=True, eq=False)
class FbxCluster:
    """The vertices of a mesh that one bone moves.

    Attributes:
        node: the bone.
        inverse: (4, 4) from the space of the mesh's vertices to the bone's.
        bind: (4, 4) from the bone's space to the world, in the pose in which the mesh was bound.
        vertices: (K,) into the mesh's vertices.
        weights: (K,) how much each follows the bone.
    """

    node: int
    inverse: F64
    bind: F64
    vertices: I64
    weights: F64


@dataclass(frozen=True, eq=False)
class FbxMesh:
    """A mesh on a node, of P polygons with C corners in all.

    Attributes:
        node: on which it hangs.
        vertices: (V, 3) in the mesh's own space.
        corner: (C,) into `vertices`, one polygon after the other.
        sizes: (P,) corners of each polygon.
        face_material: (P,) into `materials`.
        materials: as in the file.
        uv: (C, 2) texture coordinates of the corners, v up; None without.
        colours: (C, 4) colours of the corners; None without.
        geometry: (4, 4) from the vertices' space to the node's.
        clusters: empty without a skin.
        shapes: number of shapes (morph targets), which `vertices` hold at their weights at rest.
    """

    node: int
    vertices: F64
    corner: I64
    sizes: I64
    face_material: I64
    materials: tuple[FbxMaterial, ...]
    uv: F64 | None
    colours: F64 | None
    geometry: F64
    clusters: tuple[FbxCluster, ...]
    shapes: int = 0


@dataclass(frozen=True, eq=False)
class FbxClip:
    """Local transforms of all N nodes, sampled at F frames.

    Attributes:
        name: as in the file.
        fps: frames a second.
        translation: (F, N, 3) metres.
        rotation: (F, N, 4) quaternions x y z w.
        scale: (F, N, 3).
    """

    name: str
    fps: float
    translation: F64
    rotation: F64
    scale: F64


@dataclass(frozen=True, eq=False)
class FbxFile:
    """The parts of a file that are used.

    Attributes:
        skeleton: all nodes in rest pose.
        meshes: in the file's order, without those of hidden nodes.
        clips: in the file's order.
        hidden: number of meshes of hidden nodes.
    """

    skeleton: Skeleton
    meshes: tuple[FbxMesh, ...]
    clips: tuple[FbxClip, ...]
    hidden: int = 0
