"""Inputs modelled on further public bug reports about tools of this trade; docs/LOG.md lists where each comes from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from mpc.core.errors import InputError
from mpc.formats.bvh import read_bvh
from mpc.formats.gltf.read import read_gltf
from mpc.formats.motions import motion_from_bvh
from mpc.motion.motion import Motion
from mpc.motion.skinning import pose_rig
from mpc.sampling.inside import InsideOracle
from mpc.sampling.winding.winding import winding_number
from mpc.subjects.find import find_subjects
from mpc.subjects.load import LoadedSubject, load_subject
from support.fault_cases import LOWER, UPPER, Obj, Scan, glb, person, picture, write_obj
from support.gltf_files import Builder, png, rigged, textured

TEXTURE = ("newmtl skin", "map_Kd texture.png")


def load(folder: Path) -> LoadedSubject:
    return load_subject(find_subjects(folder)[0])


def written(folder: Path, text: str, library: str | None = None) -> LoadedSubject:
    folder.mkdir(exist_ok=True)
    (folder / "mesh.obj").write_text(text)
    if library is not None:
        (folder / "mesh.mtl").write_text(library)
    return load(folder)


def plain_text(scan: Scan, form: str = "%.6f %.6f %.6f") -> list[str]:
    lines = ["v " + form % tuple(row) for row in scan.vertices.tolist()]
    return lines + [f"f {a} {b} {c}" for a, b, c in (scan.faces + 1).tolist()]


def same_shape(loaded: LoadedSubject, scan: Scan | None = None) -> None:
    scan = scan or person()
    assert len(loaded.mesh.faces) == len(scan.faces)
    np.testing.assert_allclose(loaded.mesh.bounds, [scan.vertices.min(axis=0), scan.vertices.max(axis=0)], atol=1e-5)
    found, wanted = np.linalg.det(loaded.mesh.corners).sum(), np.linalg.det(scan.vertices[scan.faces]).sum()
    assert found == pytest.approx(wanted, rel=1e-3)


def test_blocks_of_vertices_and_faces_that_count_back(tmp_path: Path) -> None:
    """trimesh#2364: "f -3 -2 -1" behind each block of vertices, and not at the end of the file."""
    scan, lines = person(), []
    for corners in scan.vertices[scan.faces]:
        lines += ["v {:.6f} {:.6f} {:.6f}".format(*corner) for corner in corners] + ["f -3 -2 -1"]
    same_shape(written(tmp_path, "\n".join(lines)))


def test_groups_that_are_called_like_faces(tmp_path: Path) -> None:
    """trimesh#1829: the name of a group, an object or a material is no face."""
    lines = plain_text(person())
    lines[500:500] = ["g f 1 2 3", "o f 4/4 5/5 6/6", "s f 1 2 3", "# f 1 2 3"]
    same_shape(written(tmp_path, "g f 1 1 1\n" + "\n".join(lines)))


@pytest.mark.parametrize("text", ["v 0,5 1,25 -0,125\nf 1 1 1\n", "v 0.5, 1.25, -0.125\nf 1 1 1\n"])
def test_decimal_commas_are_refused_with_the_line(tmp_path: Path, text: str) -> None:
    """AssetStudio#73, osrscachereader!16: an exporter that follows the system's language, or puts commas between."""
    with pytest.raises(InputError, match=r"\(line 1\); numbers need a decimal point, and spaces between them"):
        written(tmp_path, text)


def test_exponents_of_either_case(tmp_path: Path) -> None:
    """wavefront-obj-intellij-plugin#53: 1.0E-6 as Rhino writes it."""
    same_shape(written(tmp_path, "\n".join(plain_text(person(), "%.7E %.7e %.7E"))))


def colours_of(loaded: LoadedSubject) -> dict[str, tuple[int, ...]]:
    """The mean colour of each material in use, by its name."""
    found = {}
    for number in np.unique(loaded.mesh.face_material).tolist():
        material = loaded.mesh.materials[number]
        flat = np.full((1, 1, 3), 255.0) if material.texture is None else material.texture[..., :3]
        found[material.name] = tuple(np.rint(flat.mean(axis=(0, 1)) * material.colour[:3]).astype(int).tolist())
    return found


def test_one_material_without_a_picture_and_one_with(tmp_path: Path) -> None:
    """Open3D#3917: the first of two materials has a colour alone."""
    library = ("newmtl plain", "Kd 1 0 0", "newmtl skin", "map_Kd texture.png")
    write_obj(person(), Obj(tmp_path, library=library, usemtl="plain"), lower="skin")
    mean = tuple(np.rint(picture().mean(axis=(0, 1))).astype(int).tolist())
    assert colours_of(load(tmp_path)) == {"plain": (255, 0, 0), "skin": mean}


def test_several_pictures(tmp_path: Path) -> None:
    """Open3D#1484, PIFu#101: a picture for each of MeshLab's material_0, material_1."""
    library = ("newmtl material_0", "map_Kd a.png", "newmtl material_1", "map_Kd b.png")
    write_obj(person(), Obj(tmp_path, library=library, usemtl="material_0", texture=None), lower="material_1")
    for name, colour in (("a.png", UPPER), ("b.png", LOWER)):
        iio.imwrite(tmp_path / name, np.full((8, 8, 3), colour, np.uint8))
    assert colours_of(load(tmp_path)) == {"material_0": UPPER, "material_1": LOWER}


def test_vertices_that_are_not_numbers(tmp_path: Path) -> None:
    """pytorch3d#566: an optimisation that diverged wrote "v nan nan nan"."""
    with pytest.raises(InputError, match=r"8\d* vertices are not finite .* \(line 1\)|vertices are not finite"):
        written(tmp_path, "\n".join(plain_text(person(), "nan %.0snan %.0snan %.0s")))


def test_faces_without_texture_coordinates(tmp_path: Path) -> None:
    """ICON#249: a fitted body, whose faces have none, with the scan's library."""
    iio.imwrite(tmp_path / "texture.png", picture())
    loaded = written(tmp_path, "mtllib mesh.mtl\nusemtl skin\n" + "\n".join(plain_text(person())), "\n".join(TEXTURE))
    same_shape(loaded)
    assert "the faces have a texture, but no texture coordinates" in loaded.notices


def two_sets(kind: str = "f4", top: int = 1) -> Builder:
    """The bending rectangle whose upper corners follow joint 1 by the second set of influences alone."""
    build = rigged(weights=np.float32([[1, 0, 0, 0]] * 2 + [[0, 0, 0, 0]] * 2))
    attributes = build.doc["meshes"][0]["primitives"][0]["attributes"]
    attributes["JOINTS_1"] = build.accessor([[0, 0, 0, 0]] * 2 + [[1, 0, 0, 0]] * 2, "u1")
    weights = np.array([[0, 0, 0, 0]] * 2 + [[top, 0, 0, 0]] * 2)
    attributes["WEIGHTS_1"] = build.accessor(weights, kind, normalized=kind != "f4")
    return build


@pytest.mark.parametrize(
    "build",
    [two_sets(), two_sets("u1", 255), two_sets("u2", 65535), rigged(inverse=True)],
    ids=["assimp#4178 second set", "assimp#6130 bytes", "assimp#6130 shorts", "as usual"],
)
def test_influences_in_any_set_and_of_any_kind(tmp_path: Path, build: Builder) -> None:
    rig = read_gltf(build.glb(tmp_path)).rig
    assert rig is not None
    (clip,) = rig.clips
    posed, _ = pose_rig(rig, clip, clip.time_of(clip.frames - 1))  # the upper joint has turned by 90 degrees
    wanted = [[0, 0, 0], [1, 0, 0], [-1, 2, 0], [-1, 1, 0]]  # about (0, 1, 0)
    found = posed[np.lexsort(np.rint(posed.T))]
    np.testing.assert_allclose(found, np.array(wanted, float)[np.lexsort(np.array(wanted).T)], atol=1e-6)


def test_a_skin_without_inverse_bind_matrices(tmp_path: Path) -> None:
    """assimp#3465: they are the identity then, so at rest the upper corners move with their joint, at (0, 1, 0)."""
    read = read_gltf(rigged(inverse=False).glb(tmp_path))
    np.testing.assert_allclose(read.mesh.bounds, [[0, 0, 0], [1, 3, 0]], atol=1e-6)


def test_a_still_skin_is_posed_by_its_joints(tmp_path: Path) -> None:
    """godot#31774: no animation, and a joint that stands elsewhere than where the skin was bound."""
    build = rigged()
    del build.doc["animations"]
    build.doc["nodes"][2]["translation"] = [0, 1.5, 0]
    read = read_gltf(build.glb(tmp_path))
    np.testing.assert_allclose(read.mesh.bounds, [[0, 0, 0], [1, 2.5, 0]], atol=1e-6)


BLEND = {"alphaMode": "BLEND", "name": "glass"}


@pytest.mark.parametrize(
    ("factor", "alpha", "drawn"), [(1.0, 1.0, True), (0.8, 1.0, True), (0.3, 1.0, False), (1.0, 0.3, False)]
)
def test_transparency_in_a_factor_or_in_vertex_colours(
    tmp_path: Path, factor: float, alpha: float, drawn: bool
) -> None:
    """glTF-Blender-IO#355, three.js#21466: what is less than half opaque is left out, and told."""
    build = textured(**BLEND, pbrMetallicRoughness={"baseColorFactor": [1, 0, 0, factor]})
    if alpha < 1:
        attributes = build.doc["meshes"][0]["primitives"][0]["attributes"]
        attributes["COLOR_0"] = build.accessor([[1, 1, 1, alpha]] * 4)
    path = build.glb(tmp_path)
    if not drawn:
        with pytest.raises(InputError, match='no triangles; 2 faces of material "glass" are more transparent than not'):
            read_gltf(path)
        build.doc["materials"].append({"name": "skin"})
        shown = {**build.primitive(), "material": 1}
        build.doc["meshes"][0]["primitives"].append(shown)
        path = build.glb(tmp_path)
    read = read_gltf(path)
    assert len(read.mesh.faces) == 2
    assert [material.name for material in read.mesh.materials] == ["glass" if drawn else "skin"]
    assert read.mesh.vertex_colours is None or (read.mesh.vertex_colours[:, 3] == 255).all()
    assert any("glass" in notice for notice in read.notices) == (factor < 1 or alpha < 1)


@pytest.mark.parametrize(
    ("mode", "pixel", "seen"),
    [
        ("I;16", 51400, (200, 200, 200)),  # f3d#586
        ("L", 77, (77, 77, 77)),  # BabylonNative#556
        ("LA", (77, 255), (77, 77, 77)),  # OpenUSD#1796
        ("1", 1, (255, 255, 255)),
        ("P", 3, None),
        ("CMYK", (0, 255, 255, 0), None),
    ],
)
def test_pictures_of_any_depth(tmp_path: Path, mode: str, pixel: Any, seen: tuple[int, ...] | None) -> None:
    image = Image.new(mode, (4, 4), pixel)
    if mode == "P":
        image.putpalette([value for n in range(256) for value in (n, 2 * n % 256, 50)])
        seen = (3, 6, 50)
    stream = io.BytesIO()
    image.save(stream, "TIFF" if mode == "CMYK" else "PNG")
    build = textured(pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
    build.picture(stream.getvalue())
    found = read_gltf(build.glb(tmp_path)).mesh.materials[0].texture
    assert found is not None
    wanted = seen or np.asarray(image.convert("RGB"))[0, 0]
    assert found[0, 0].tolist() == [*wanted, 255]


SPINE = """HIERARCHY
ROOT {hips}
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT {spine}
  {{
    OFFSET {up}
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT {chest}
    {{
      OFFSET {up}
      CHANNELS 3 Zrotation Xrotation Yrotation
{limbs}    }}
  }}
{legs}}}
MOTION
Frames: 2
Frame Time: 0.0333333
"""
ARM, LEG = ("Shoulder", "Arm", "ForeArm", "Hand"), ("UpLeg", "Leg", "Foot")


def chain(names: list[str], offsets: list[tuple[float, float, float]], turn: np.ndarray, deep: int = 6) -> str:
    """Joints below one another; the last has an End Site."""
    pad = " " * deep
    if not names:
        return f"{pad}End Site\n{pad}{{\n{pad}  OFFSET 0 0 0\n{pad}}}\n"
    x, y, z = (turn @ np.array(offsets[0])).tolist()
    inner = chain(names[1:], offsets[1:], turn, deep + 2)
    head = f"{pad}JOINT {names[0]}\n{pad}{{\n{pad}  OFFSET {x:.6f} {y:.6f} {z:.6f}\n"
    return head + f"{pad}  CHANNELS 3 Zrotation Xrotation Yrotation\n{inner}{pad}}}\n"


def walk(folder: Path, prefix: str = "", chest: str = "Spine1", turn: np.ndarray | None = None) -> Motion:
    """A person who bends the chest by 30 degrees to the left in frame 1; `turn` are the file's axes."""
    turn = np.eye(3) if turn is None else turn
    limbs, legs = "", ""
    limbs += chain([f"{prefix}Neck", f"{prefix}Head"], [(0, 20, 0), (0, 10, 0)], turn)
    for side, sign in (("Left", 1), ("Right", -1)):
        arm = [(2 * sign, 15, 0), (15 * sign, 0, 0), (28 * sign, 0, 0), (25 * sign, 0, 0)]
        limbs += chain([f"{prefix}{side}{part}" for part in ARM], arm, turn)
        leg = [(9 * sign, 0, 0), (0, -42, 0), (0, -42, 0)]
        legs += chain([f"{prefix}{side}{part}" for part in LEG], leg, turn, 2)
    up = " ".join(f"{value:.6f}" for value in (turn @ [0, 15, 0]).tolist())
    names = {"hips": f"{prefix}Hips", "spine": f"{prefix}Spine", "chest": f"{prefix}{chest}"}
    text = SPINE.format(**names, up=up, limbs=limbs, legs=legs)
    channels = text.count("CHANNELS 3") * 3
    bend = Rotation.from_matrix(turn @ Rotation.from_euler("z", 30, degrees=True).as_matrix() @ turn.T)
    place = " ".join(f"{value:.4f}" for value in (turn @ [0, 90, 0]).tolist())
    angles = " ".join(f"{value:.6f}" for value in bend.as_euler("ZXY", degrees=True).tolist())
    rows = [" ".join([place, *["0"] * (channels + 3)])]
    rows.append(" ".join([place, *["0"] * 6, angles, *["0"] * (channels - 6)]))
    path = folder / "walk.bvh"
    path.write_text(text + "\n".join(rows) + "\n")
    return motion_from_bvh(read_bvh(path), "walk")


@pytest.mark.parametrize(
    ("prefix", "chest"),
    [
        ("Model:", "Spine1"),  # bvh_anim#3: the part behind the colon counts
        ("Kenny_", "Spine1"),  # storyboarder!2044
        ("", "Spine"),  # SlimeVR-Server!798: two joints of one name
    ],
)
def test_odd_names_move_as_plain_ones(tmp_path: Path, prefix: str, chest: str) -> None:
    plain, odd = walk(tmp_path), walk(tmp_path, prefix, chest)
    assert not odd.matched.missing
    assert odd.matched.roles == plain.matched.roles
    assert odd.matched.chains == plain.matched.chains
    np.testing.assert_allclose(odd.rotations, plain.rotations)


def test_a_motion_with_z_up(tmp_path: Path) -> None:
    """GMR#114: offsets along z, and the root's first channel order another."""
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    plain, odd = walk(tmp_path), walk(tmp_path, turn=turn)
    assert odd.matched.roles == plain.matched.roles
    np.testing.assert_allclose(odd.places, plain.places @ turn.T, atol=1e-3)


def test_an_open_scan_has_an_inside(tmp_path: Path) -> None:
    """FOF#2: a scan with holes, for which ray parity labels nothing as inside."""
    scan = person()
    keep = np.random.default_rng(0).random(len(scan.faces)) > 0.02
    write_obj(Scan(scan.vertices, scan.faces[keep], scan.uv), Obj(tmp_path))
    points = np.random.default_rng(1).uniform([-0.4, 0.01, -0.2], [0.4, 1.7, 0.25], (400, 3))
    truth = winding_number(scan.vertices[scan.faces], points) > 0.5
    found = InsideOracle(load(tmp_path).mesh).inside(points)
    assert truth.mean() > 0.1
    assert (found != truth).mean() < 0.02  # beside the holes


def test_a_picture_that_is_no_png_in_a_glb(tmp_path: Path) -> None:
    """The MIME type of an embedded picture may lie; its bytes decide."""
    build = glb(person())
    stream = io.BytesIO()
    Image.open(io.BytesIO(png())).save(stream, "JPEG")
    build.doc["images"][0]["bufferView"] = build.view(stream.getvalue())
    build.glb(tmp_path)
    assert load(tmp_path).mesh.materials[0].texture is not None
