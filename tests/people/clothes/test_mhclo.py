"""MakeHuman clothes: fitting against a vertex worked out by hand, and refusal of what is malformed or escapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.motion.makehuman.body import BASE_VERTICES
from mpc.people.clothes.mhclo import find_assets, fit_asset, read_mhclo

MHCLO = """# comment
basemesh hm08
tag Female
tag Casual
name vest
obj_file vest.obj
x_scale 0 1 2.0
y_scale 0 2 4.0
z_scale 0 3 1.0
z_depth 50
verts 0
material vest.mhmat
0 1 2 0.5 0.25 0.25 0.1 -0.2 0.3
4 4 4 1.0 0.0 0.0 0.0 0.0 0.0
5
delete_verts
7 - 9 12 14 - 15
"""
OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"


def _folder(tmp_path: Path, mhclo: str = MHCLO, obj: str = OBJ) -> Path:
    (tmp_path / "vest.mhclo").write_text(mhclo)
    (tmp_path / "vest.obj").write_text(obj)
    return tmp_path


def test_fits_the_hand_computed_vertex(tmp_path: Path) -> None:
    (asset,) = find_assets(_folder(tmp_path))
    base = np.zeros((BASE_VERTICES, 3))
    base[1] = [0.4, 0.0, 0.0]  # 4 dm where the garment was made for 2: x offsets double
    base[2] = [0.0, 0.2, 0.0]  # 2 dm instead of 4: y offsets halve
    base[3] = [0.0, 0.0, -0.1]  # 1 dm as made, the sign does not matter
    base[4] = [1.0, 2.0, 3.0]
    base[5] = [-1.0, 0.5, 0.25]
    fitted = fit_asset(asset, base)
    # 0.5 * 0 + 0.25 * (0.4, 0, 0) + 0.25 * (0, 0.2, 0) + (0.01 * 2, -0.02 * 0.5, 0.03 * 1)
    np.testing.assert_allclose(fitted[0], [0.1 + 0.02, 0.05 - 0.01, 0.03], atol=1e-12)
    np.testing.assert_allclose(fitted[1:], base[4:6], atol=1e-12)
    assert asset.deleted.tolist() == [7, 8, 9, 12, 14, 15]
    assert asset.suits(female=True)
    assert not asset.suits(female=False)
    np.testing.assert_allclose(asset.face_uv, [[[0, 0], [1, 0], [0, 1]]])


@pytest.mark.parametrize(
    ("mhclo", "obj", "reason"),
    [
        (MHCLO.replace("0 1 2 0.5", "0 1 99999 0.5"), OBJ, "99999"),
        (MHCLO.replace("0 1 2 0.5", "0 -1 2 0.5"), OBJ, "least -1"),
        (MHCLO.replace("0.5 0.25", "nan 0.25"), OBJ, "finite"),
        (MHCLO.replace(" -0.2 0.3", ""), OBJ, "values"),
        (MHCLO.replace("x_scale 0 1 2.0", "x_scale 0 1 0"), OBJ, "x_scale"),
        (MHCLO.replace("x_scale 0 1 2.0", "x_scale 0"), OBJ, "x_scale"),
        (MHCLO.replace("14 - 15", "15 - 14"), OBJ, "delete_verts"),
        (MHCLO.replace("14 - 15", "14 - 99999"), OBJ, "delete_verts"),
        (MHCLO.replace("obj_file vest.obj", "obj_file ../../vest.obj"), OBJ, "outside"),
        (MHCLO.replace("obj_file vest.obj", "obj_file /etc/passwd"), OBJ, "not a name below"),
        (MHCLO.replace("obj_file vest.obj", "obj_file gone.obj"), OBJ, "cannot be read"),
        (MHCLO.replace("obj_file vest.obj\n", ""), OBJ, "obj_file"),
        (MHCLO.split("verts 0")[0], OBJ, "no verts"),
        (MHCLO.replace("hm08", "other"), OBJ, "base mesh"),
        (MHCLO, OBJ.replace("v 0 1 0\n", ""), "2 vertices"),
        (MHCLO, OBJ.replace("3/3", "4/3"), "vertex 4"),
        (MHCLO, OBJ.replace("3/3", "3/9"), "texture coordinate 9"),
        (MHCLO, OBJ.replace("3/3", "x/3"), "line 7"),
        (MHCLO, OBJ.split("f ")[0], "no faces"),
    ],
)
def test_refuses_malformed_assets(tmp_path: Path, mhclo: str, obj: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        find_assets(_folder(tmp_path, mhclo, obj))


def test_never_reads_outside_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "assets"
    inner.mkdir()
    _folder(tmp_path)
    (inner / "vest.mhclo").write_text(MHCLO)
    (inner / "vest.obj").symlink_to(tmp_path / "vest.obj")
    with pytest.raises(InputError, match="outside"):
        find_assets(inner)
    (inner / "link.mhclo").symlink_to(tmp_path / "vest.mhclo")
    with pytest.raises(InputError, match="outside"):
        read_mhclo(inner / "link.mhclo", inner)
    with pytest.raises(InputError, match=r"no \.mhclo"):
        find_assets(_empty(tmp_path))


def _empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder
