"""glTF: each feature in a file built here from plain numbers (damage: test_readers_gltf_damage.py)."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc.formats.gltf.materials import texture_transform, to_display
from mpc.formats.gltf.read import read_gltf
from mpc.formats.gltf.write import write_glb
from mpc.motion.skinning import pose_rig
from support.gltf_files import CORNERS, INDICES, Builder, Json, material_of, png, rigged, static, textured, uv_of

# --- wrap modes ---


@pytest.mark.parametrize(
    ("sampler", "wrap"),
    [
        (None, ("repeat", "repeat")),
        ({}, ("repeat", "repeat")),
        ({"wrapS": 33071, "wrapT": 33648}, ("clamp", "mirror")),
        ({"wrapS": 33648, "wrapT": 10497}, ("mirror", "repeat")),
        ({"wrapT": 10496}, ("repeat", "clamp")),
    ],
)
def test_a_sampler_says_what_lies_beyond_the_texture(tmp_path: Path, sampler: Json | None, wrap: object) -> None:
    build = textured()
    number = build.picture(png())
    build.doc["materials"][0]["pbrMetallicRoughness"] = {"baseColorTexture": {"index": number}}
    if sampler is not None:
        build.doc["textures"][number]["sampler"] = build.add("samplers", sampler)
    read = read_gltf(build.glb(tmp_path))
    assert material_of(read).wrap == wrap
    assert not any("wrap" in notice for notice in read.notices)
    copy = tmp_path / "copy.glb"
    tiled = replace(read.mesh, uv=read.mesh.uv * np.float32(3))
    write_glb(copy, tiled)
    assert read_gltf(copy).mesh.materials[0].wrap == wrap


def test_an_unknown_wrap_mode_repeats_and_is_told(tmp_path: Path) -> None:
    build = textured()
    number = build.picture(png())
    build.doc["materials"][0]["pbrMetallicRoughness"] = {"baseColorTexture": {"index": number}}
    build.doc["textures"][number]["sampler"] = build.add("samplers", {"wrapS": 7, "wrapT": "x"})
    read = read_gltf(build.glb(tmp_path))
    assert material_of(read).wrap == ("repeat", "repeat")
    assert sum("wrap mode" in notice for notice in read.notices) == 2


# --- geometry ---


def test_glb_data_uri_and_external_buffer_are_the_same(tmp_path: Path) -> None:
    expected = CORNERS[INDICES].reshape(2, 3, 3)
    assert read_gltf(static().glb(tmp_path)).mesh.corners == pytest.approx(expected)
    assert read_gltf(static().gltf(tmp_path)).mesh.corners == pytest.approx(expected)
    build = static()
    (tmp_path / "the data.bin").write_bytes(build.data)
    assert read_gltf(build.gltf(tmp_path, "the%20data.bin")).mesh.corners == pytest.approx(expected)


def test_node_transforms_nest_and_mirrors_turn_faces_over(tmp_path: Path) -> None:
    build = static(scale=[-1, 2, 1])
    build.add("nodes", {"children": [0], "matrix": np.diag([3, 1, 1, 1]).T.ravel().tolist()})
    build.add("nodes", {"children": [1], "translation": [0, 0, 5], "rotation": [0, 1, 0, 0]})
    build.doc["scenes"] = [{"nodes": [2]}]
    mesh = read_gltf(build.glb(tmp_path)).mesh
    assert mesh.bounds.tolist() == pytest.approx(np.array([[0, 0, 5], [3, 4, 5]]))
    assert mesh.face_normals[:, 2].tolist() == pytest.approx([-1, -1]), "mirrored and turned: the back faces +z away"


@pytest.mark.parametrize(("mode", "indices"), [(5, [0, 1, 3, 2]), (6, [0, 1, 2, 3])])
def test_strips_and_fans(tmp_path: Path, mode: int, indices: list[int]) -> None:
    build = static()
    primitive = build.doc["meshes"][0]["primitives"][0]
    primitive.update(mode=mode, indices=build.accessor(indices, "u1"))
    mesh = read_gltf(build.glb(tmp_path)).mesh
    assert mesh.face_areas.sum() == pytest.approx(2)
    assert mesh.face_normals[:, 2].tolist() == [1, 1]


def test_without_indices_lines_and_points_are_skipped(tmp_path: Path) -> None:
    build = static()
    primitives = build.doc["meshes"][0]["primitives"]
    primitives[0]["attributes"]["POSITION"] = build.accessor(CORNERS[INDICES])
    del primitives[0]["indices"]
    primitives.append({"attributes": {"POSITION": 0}, "mode": 1})
    read = read_gltf(build.glb(tmp_path))
    assert len(read.mesh.faces) == 2
    assert len(read.mesh.vertices) == 4, "six corners are four points"
    assert any("lines" in notice for notice in read.notices)


def test_only_the_default_scene_is_read(tmp_path: Path) -> None:
    build = static()
    build.add("nodes", {"mesh": 0, "translation": [50, 0, 0]})
    assert read_gltf(build.glb(tmp_path)).mesh.bounds[1, 0] == 1


def test_sparse_strided_and_quantised_positions(tmp_path: Path) -> None:
    build = static()
    moved = build.accessor([[0, 0, 7]])
    index = build.accessor([2], "u1")
    views = build.doc["accessors"]
    sparse = {
        "count": 1,
        "indices": {"bufferView": views[index]["bufferView"], "componentType": 5121},
        "values": {"bufferView": views[moved]["bufferView"]},
    }
    build.doc["accessors"][0]["sparse"] = sparse
    assert 7 in read_gltf(build.glb(tmp_path)).mesh.vertices[:, 2]

    build = static()
    rows = np.zeros(4, [("p", "<f4", 3), ("junk", "<f4", 2)])
    rows["p"] = CORNERS
    entry = build.doc["accessors"][0]
    entry["bufferView"] = build.view(rows.tobytes(), byteStride=20)
    assert read_gltf(build.glb(tmp_path)).mesh.bounds[1].tolist() == [1, 2, 0]

    build = static(scale=[2, 2, 2])
    build.doc["extensionsRequired"] = ["KHR_mesh_quantization"]
    entry = build.doc["accessors"][0]
    quantised = np.zeros((4, 4), np.int16)
    quantised[:, :3] = CORNERS * 32767 / 2
    entry.update(bufferView=build.view(quantised.tobytes(), byteStride=8), componentType=5122, normalized=True)
    assert read_gltf(build.glb(tmp_path)).mesh.bounds[1] == pytest.approx([1, 2, 0], abs=1e-4)


def test_seams_are_joined_and_texture_coordinates_stay_apart(tmp_path: Path) -> None:
    build = static()
    primitive = build.doc["meshes"][0]["primitives"][0]
    primitive["attributes"]["POSITION"] = build.accessor(CORNERS[INDICES])
    primitive["attributes"]["TEXCOORD_0"] = build.accessor(np.arange(12).reshape(6, 2) / 12)
    primitive["indices"] = build.accessor(np.arange(6), "u4")
    mesh = read_gltf(build.glb(tmp_path)).mesh
    assert len(mesh.vertices) == 4
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    expected = np.arange(12).reshape(2, 3, 2) / 12
    expected[..., 1] = 1 - expected[..., 1]
    assert uv_of(mesh) == pytest.approx(expected)


@pytest.mark.parametrize(("repeated", "slivers"), [(0, 0), (0, 3), (2, 0), (2, 3)])
def test_faces_that_joining_collapses_are_no_fault_of_the_file(tmp_path: Path, repeated: int, slivers: int) -> None:
    """A sliver has two vertices at one place, as seams have; a face that names a vertex twice is a fault."""
    build = static()
    primitive = build.doc["meshes"][0]["primitives"][0]
    primitive["attributes"]["POSITION"] = build.accessor(np.concatenate([CORNERS[INDICES], CORNERS[:1]]))
    extra = [[0, 0, 1]] * repeated + [[0, 6, 1]] * slivers
    primitive["indices"] = build.accessor(np.concatenate([np.arange(6), *map(np.array, extra)]), "u4")
    read = read_gltf(build.glb(tmp_path))
    assert len(read.mesh.faces) == 2
    expected = [f"{repeated} faces with a repeated corner are left out"] if repeated else []
    assert [notice for notice in read.notices if "corner" in notice] == expected


# --- materials ---


def test_base_colour_is_linear_and_texture_sits_upright(tmp_path: Path) -> None:
    build = textured(pbrMetallicRoughness={"baseColorFactor": [0.5, 0.0, 1.0, 0.25], "baseColorTexture": {"index": 0}})
    build.picture(png())
    read = read_gltf(build.glb(tmp_path))
    assert material_of(read).colour == pytest.approx((0.7354, 0.0, 1.0, 0.25), abs=1e-4)
    assert material_of(read).texture[0, 0].tolist() == [200, 100, 50, 255]
    top = read.mesh.corners[..., 1] == 2
    assert (uv_of(read.mesh)[top][:, 1] == 1).all(), "the upper edge shows the picture's first row"
    assert (uv_of(read.mesh)[~top][:, 1] == 0).all()


def test_display_values_round_trip() -> None:
    display = np.linspace(0, 1, 11)
    linear = np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
    assert to_display(linear) == pytest.approx(display, abs=1e-6)


@pytest.mark.parametrize(
    ("entry", "mode", "cutoff"),
    [
        ({}, "opaque", 0.5),
        ({"alphaMode": "MASK", "alphaCutoff": 0.3}, "mask", 0.3),
        ({"alphaMode": "BLEND"}, "mask", 0.5),
    ],
)
def test_alpha_modes(tmp_path: Path, entry: Json, mode: str, cutoff: float) -> None:
    material = material_of(read_gltf(textured(**entry).glb(tmp_path)))
    assert (material.alpha_mode, material.alpha_cutoff) == (mode, cutoff)


def test_specular_glossiness_external_and_data_uri_images(tmp_path: Path) -> None:
    info = {"diffuseFactor": [1, 1, 1, 1], "diffuseTexture": {"index": 0}}
    build = textured(extensions={"KHR_materials_pbrSpecularGlossiness": info})
    build.doc["extensionsRequired"] = ["KHR_materials_pbrSpecularGlossiness"]
    build.add("images", {"uri": "data:image/png;base64," + base64.b64encode(png((1, 2, 3))).decode()})
    build.add("textures", {"source": 0})
    assert material_of(read_gltf(build.glb(tmp_path))).texture[0, 0, :3].tolist() == [1, 2, 3]
    (tmp_path / "skin 1.png").write_bytes(png((4, 5, 6)))
    build.doc["images"] = [{"uri": "skin%201.png"}]
    assert material_of(read_gltf(build.glb(tmp_path))).texture[0, 0, :3].tolist() == [4, 5, 6]


def test_texture_transform(tmp_path: Path) -> None:
    """Turned by a quarter, (1, 0) goes to (0, -1): counter-clockwise on the picture, whose v runs down."""
    matrix = texture_transform(np.array([0.0, 0.0]), np.pi / 2, np.array([1.0, 1.0]))
    assert (matrix @ [1, 0, 1])[:2] == pytest.approx([0, -1])
    transform = {"KHR_texture_transform": {"offset": [0.5, 0.25], "scale": [0.5, 0.25], "texCoord": 1}}
    info = {"index": 0, "texCoord": 0, "extensions": transform}
    build = textured(pbrMetallicRoughness={"baseColorTexture": info})
    build.picture(png())
    attributes = build.doc["meshes"][0]["primitives"][0]["attributes"]
    attributes["TEXCOORD_1"] = build.accessor([[0, 1], [1, 1], [1, 0], [0, 0]])
    attributes["TEXCOORD_0"] = build.accessor(np.full((4, 2), 0.77))
    uv = uv_of(read_gltf(build.glb(tmp_path)).mesh)
    assert uv[0].tolist() == pytest.approx(np.array([[0.5, 0.5], [1.0, 0.5], [1.0, 0.75]]))


def test_vertex_colours_are_linear_in_the_file(tmp_path: Path) -> None:
    build = static()
    attributes = build.doc["meshes"][0]["primitives"][0]["attributes"]
    attributes["COLOR_0"] = build.accessor([[0.5, 0, 1, 1]] * 4)
    colours = read_gltf(build.glb(tmp_path)).mesh.vertex_colours
    assert colours is not None
    assert colours[0].tolist() == [188, 0, 255, 255]
    attributes["COLOR_0"] = build.accessor([[65535, 0, 65535]] * 4, "u2", normalized=True)
    colours = read_gltf(build.glb(tmp_path)).mesh.vertex_colours
    assert colours is not None
    assert colours[3].tolist() == [255, 0, 255, 255]


def test_several_primitives_keep_their_materials(tmp_path: Path) -> None:
    build = Builder()
    primitives = [{**build.primitive(), "material": 1}, {**build.primitive(), "material": 0}, build.primitive()]
    build.add("materials", {"name": "a"})
    build.add("materials", {"name": "b"})
    build.add("meshes", {"primitives": primitives})
    build.add("nodes", {"mesh": 0})
    mesh = read_gltf(build.glb(tmp_path)).mesh
    assert [mesh.materials[i].name for i in mesh.face_material] == [
        "b",
        "b",
        "a",
        "a",
        "material_None",
        "material_None",
    ]


# --- rigs ---


@pytest.mark.parametrize(("kind", "top"), [("f4", 1), ("u1", 255), ("u2", 65535)])
def test_skinned_mesh_ignores_its_own_node_and_bends(tmp_path: Path, kind: str, top: int) -> None:
    read = read_gltf(rigged(kind=kind, weights=np.array([[top, 0, 0, 0]] * 4)).glb(tmp_path))
    assert read.rig is not None
    assert read.mesh.bounds.tolist() == [[0, 0, 0], [1, 2, 0]]
    clip = read.rig.clips[0]
    assert (clip.name, clip.frames, clip.step_s) == ("animation_0", 5, pytest.approx(0.05))
    posed, nodes = pose_rig(read.rig, clip, clip.time_of(4))
    assert posed[:2].tolist() == [[0, 0, 0], [1, 0, 0]]
    assert posed[2:] == pytest.approx(np.array([[-1, 2, 0], [-1, 1, 0]]), abs=1e-6)
    assert nodes[2, :3, 3].tolist() == [0, 1, 0]


def test_missing_bind_matrices_are_the_identity(tmp_path: Path) -> None:
    read = read_gltf(rigged(inverse=False).glb(tmp_path))
    assert read.mesh.bounds[1, 1] == 3, "the upper corners are given in the chest's space"


def test_weights_are_repaired_with_a_notice(tmp_path: Path) -> None:
    weights = np.float32([[0.7, 0, 0, 0], [0.7, 0, 0, 0], [0.7, 0, 0, 0], [0, 0, 0, 0]])
    read = read_gltf(rigged(weights=weights).glb(tmp_path))
    assert read.rig is not None
    assert read.rig.weights.sum(axis=1) == pytest.approx(1)
    assert any("normalised" in notice for notice in read.notices)
    assert any("no skin weight" in notice for notice in read.notices)


def test_a_second_set_of_joints_counts(tmp_path: Path) -> None:
    build = rigged(weights=np.float32([[0.25, 0, 0, 0]] * 4), joints=[[0, 0, 0, 0]] * 4)
    attributes = build.doc["meshes"][0]["primitives"][0]["attributes"]
    attributes["JOINTS_1"] = build.accessor([[1, 0, 0, 0]] * 4, "u2")
    attributes["WEIGHTS_1"] = build.accessor([[0.75, 0, 0, 0]] * 4)
    read = read_gltf(build.glb(tmp_path))
    assert read.rig is not None
    posed, _ = pose_rig(read.rig, read.rig.clips[0], 9.0)
    assert posed[2] == pytest.approx(0.25 * np.array([1, 2, 0]) + 0.75 * np.array([-1, 2, 0]), abs=1e-6)
    assert not read.notices


def test_a_hat_that_hangs_on_a_bone_moves_with_it(tmp_path: Path) -> None:
    build = rigged()
    build.add("meshes", {"primitives": [build.primitive()]})
    build.doc["nodes"][2]["mesh"] = 1
    read = read_gltf(build.glb(tmp_path))
    assert read.rig is not None
    posed, _ = pose_rig(read.rig, read.rig.clips[0], 9.0)
    assert posed[:, 0].min() == pytest.approx(-2), "the hat's top, two above the chest, has turned to the side"


def test_step_and_cubic_animations_and_ignored_paths(tmp_path: Path) -> None:
    build = rigged()
    clip = build.doc["animations"][0]
    clip["name"] = "walk"
    clip["samplers"].append({"input": build.accessor([0.0, 1.0]), "interpolation": "STEP"})
    clip["samplers"][1]["output"] = build.accessor([[0, 1, 0], [0, 5, 0]])
    clip["channels"].append({"sampler": 1, "target": {"node": 1, "path": "translation"}})
    cubic = build.accessor([[0, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0], [2, 2, 2], [0, 0, 0]])
    clip["samplers"].append({"input": build.accessor([0.0, 1.0]), "output": cubic, "interpolation": "CUBICSPLINE"})
    clip["channels"].append({"sampler": 2, "target": {"node": 1, "path": "scale"}})
    clip["channels"].append({"sampler": 0, "target": {"path": "translation"}})
    clip["channels"].append({"sampler": 0, "target": {"node": 1, "path": "weights"}})
    read = read_gltf(build.glb(tmp_path))
    assert read.rig is not None
    found = read.rig.clips[0]
    assert (found.name, len(found.channels), found.start_s) == ("walk", 3, 0.0)
    _, nodes = pose_rig(read.rig, found, 0.5)
    assert nodes[1, :3, 3].tolist() == [0, 1, 0]
    assert nodes[1, 0, 0] == pytest.approx(1.5)
    assert any("morph" in notice for notice in read.notices)
