"""The model folder of each kind of fault; a case begins with the number of its kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from support.fault_cases import (
    Obj,
    Scan,
    disc,
    doubled,
    glb,
    into_store,
    one_surface,
    person,
    quad,
    write_obj,
    write_ply,
)

GEO = np.array([432100.5, 5412345.25, 310.0])
Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # rows: file axes of the world's x, y, z


def moved(scan: Scan, offset: object) -> Scan:
    return Scan(scan.vertices + np.asarray(offset, float), scan.faces, scan.uv)


def turned(scan: Scan, matrix: object) -> Scan:
    return Scan(scan.vertices @ np.asarray(matrix, float).T, scan.faces, scan.uv)


def _doubled(folder: Path) -> None:
    write_obj(doubled(person()), Obj(folder))


def _doubled_own(folder: Path) -> None:
    write_obj(doubled(person(), own=True), Obj(folder))


def _doubled_half(folder: Path) -> None:
    write_obj(doubled(person(), upper=True), Obj(folder))


def _far(offset: object) -> Callable[[Path], None]:
    return lambda folder: _far_away(folder, offset)


def _far_away(folder: Path, offset: object) -> None:
    write_obj(moved(turned(person(), Z_UP), offset), Obj(folder))


def _inward(folder: Path) -> None:
    scan = person()
    write_obj(Scan(scan.vertices, scan.faces[:, ::-1], scan.uv), Obj(folder))


def _store(folder: Path) -> None:
    write_obj(person(), Obj(folder))
    into_store(folder, folder.parent / ".blobs")


def _two_libraries(folder: Path) -> None:
    write_obj(person(), Obj(folder, library=None, head=("mtllib body.mtl clothes.mtl",)), lower="trousers")
    (folder / "body.mtl").write_text("newmtl skin\nKd 1 0 0\n")
    (folder / "clothes.mtl").write_text("newmtl trousers\nKd 0 0 1\n")


def _with_disc(folder: Path) -> None:
    write_obj(person().plus(*disc(0.6)), Obj(folder))


def _wall(folder: Path) -> None:
    write_obj(person("sitting").plus(*quad((-1, 0, -0.6), (2, 0, 0), (0, 2, 0))), Obj(folder))


def _board(folder: Path) -> None:
    write_obj(person("sitting").plus(*quad((-0.5, 0, -0.6), (1, 0, 0), (0, 1, 0))), Obj(folder))


def _floor(folder: Path) -> None:
    write_obj(person().plus(*quad((-2, 0, -2), (0, 0, 4), (4, 0, 0))), Obj(folder))


def _fused(ground: str, pose: str = "arms down") -> Callable[[Path], None]:
    return lambda folder: _write_fused(folder, ground, pose)


def _write_fused(folder: Path, ground: str, pose: str) -> None:
    write_obj(turned(one_surface(pose, ground), Z_UP), Obj(folder))


def _second_person(folder: Path) -> None:
    other = person("arms wide")
    write_obj(person().plus(other.vertices * 0.95 + [1.6, 0, 0], other.faces), Obj(folder))


def _speck(folder: Path) -> None:
    write_obj(person().plus(*quad((50, 0, 0), (0.01, 0, 0), (0, 0.01, 0))), Obj(folder))


def _face_colours(folder: Path) -> None:
    write_ply(folder / "mesh.ply", person(), face_colours=True)


def _st_and_picture(folder: Path) -> None:
    write_obj(person(), Obj(folder, texture="mesh.png"))
    (folder / "mesh.obj").unlink()
    (folder / "mesh.mtl").unlink()
    write_ply(folder / "mesh.ply", person(), st=True)


def _library_folder(folder: Path) -> None:
    write_obj(person(), Obj(folder, head=("mtllib mats/mesh.mtl",)))
    (folder / "mats").mkdir()
    (folder / "mesh.mtl").rename(folder / "mats" / "mesh.mtl")
    (folder / "texture.png").rename(folder / "mats" / "texture.png")


def _ambient_map(folder: Path) -> None:
    write_obj(person(), Obj(folder, library=("newmtl skin", "map_Ka texture.png")))


def _other_case(folder: Path) -> None:
    write_obj(person(), Obj(folder, usemtl="Skin"))


def _option_after(folder: Path) -> None:
    write_obj(person(), Obj(folder, library=("newmtl skin", "map_Kd texture.png -clamp on")))


def _unknown_option(folder: Path) -> None:
    write_obj(person(), Obj(folder, library=("newmtl skin", "map_Kd -colorspace sRGB texture.png")))


def _option_space(folder: Path) -> None:
    line = "map_Kd -bm 0.5 -o 0 0 0 -s 1 1 1 -clamp on my texture.png"
    write_obj(person(), Obj(folder, library=("newmtl skin", line), texture="my texture.png"))


def _code_page(name: str, encoding: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        write_obj(person(), Obj(folder, texture=name))
        (folder / "mesh.mtl").write_bytes(f"newmtl skin\nmap_Kd {name}\n".encode(encoding))

    return build


def _upside_down(folder: Path) -> None:
    write_obj(turned(person(), np.diag([1.0, -1, -1])), Obj(folder))


def _lying(folder: Path) -> None:
    write_obj(turned(person(), [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]), Obj(folder))


def _morph(folder: Path) -> None:
    folder.mkdir()
    build = glb(person(), weights=[1.0])
    wide = build.accessor(person().vertices * [0.6, 0, 0.6])
    build.doc["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": wide}]
    build.glb(folder)


def _hidden(folder: Path) -> None:
    folder.mkdir()
    build = glb(person())
    hidden = {"mesh": 0, "translation": [1.5, 0, 0], "extensions": {"KHR_node_visibility": {"visible": False}}}
    build.add("nodes", hidden)
    build.doc["scenes"] = [{"nodes": [0, 1]}]
    build.glb(folder)


CASES: dict[str, Callable[[Path], None]] = {
    "62_doubled": _doubled,
    "62_doubled_own": _doubled_own,
    "62_doubled_half": _doubled_half,
    "06_geo": _far(GEO),
    "06_far_2e5": _far((2e5, 2e5, 0.0)),
    "06_far_2e4": _far((2e4, 2e4, 0.0)),
    "06_far_1e3": _far((1e3, 1e3, 0.0)),
    "63_inward": _inward,
    "51_store": _store,
    "01_two_libraries": _two_libraries,
    "60_disc": _with_disc,
    "60_wall": _wall,
    "60_board": _board,
    "60_floor": _floor,
    "60_fused_floor": _fused("floor"),
    "60_fused_slab": _fused("slab"),
    "60_fused_wall": _fused("wall", "sitting"),
    "60_second_person": _second_person,
    "60_speck": _speck,
    "11_face_colours": _face_colours,
    "13_st_and_picture": _st_and_picture,
    "76_library_folder": _library_folder,
    "76_ambient_map": _ambient_map,
    "76_other_case": _other_case,
    "02_option_after": _option_after,
    "02_unknown_option": _unknown_option,
    "02_option_space": _option_space,
    "03_latin1": _code_page("h\u00e4ut.png", "latin-1"),
    "03_gbk": _code_page("\u76ae\u80a4.png", "gbk"),
    "03_windows1251": _code_page("\u043a\u043e\u0436\u0430.png", "cp1251"),
    "05b_upside_down": _upside_down,
    "05b_lying": _lying,
    "22_morph": _morph,
    "23_hidden": _hidden,
}
