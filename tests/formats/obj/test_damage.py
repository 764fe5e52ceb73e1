"""OBJ files that are damaged: each kind against its error, and changed at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpc.core.errors import InputError, MpcError
from mpc.formats.obj.read import read_obj
from support.obj_texts import FACES, TETRAHEDRON, picture, write
from support.shared import MODELS, needs_models


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (TETRAHEDRON, "no faces"),
        (TETRAHEDRON + "f 1 2 9\n", "not there"),
        (TETRAHEDRON + "f 1 2 0\n", "index 0"),
        (TETRAHEDRON + "f 1 2 -9\n", "not there"),
        (TETRAHEDRON + "f 1/1 2/2 3/9\n", "texture coordinate"),
        (TETRAHEDRON + "f 1/1 2/2", "fewer than 3"),
        (TETRAHEDRON + "f 1 2 x\n", "not an index|not a number"),
        (TETRAHEDRON + "f 1 2 3.5\n", "not an index|not a number"),
        (TETRAHEDRON + "f 1 2 99999999999999999999999\n", "not there|not a number"),
        ("v 0 0 0\nv 1 0\nv 0 1 0\nf 1 2 3\n", "fewer than 3"),
        ("v 0 0 0\nv 1 0 a\nv 0 1 0\nf 1 2 3\n", "not a number"),
        ("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "finite"),
        ("v 0 0 0\nv 1e400 0 0\nv 0 1 0\nf 1 2 3\n", "finite"),
        ("v 0 0 0\nv 1e300 0 0\nv 0 1 0\nf 1 2 3\n", "cannot be a person"),
        ("v 0 0 0\nv 0 1 0\nv 0 2 0\nf 1 2 3\n", "no area"),
        ("v 0 0 0\nv 0 1 0\nv 0 2 0\nf 1 1 2\n", "area"),
        ("\x7fELF\0\0\0", "not a text file"),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=reason) as caught:
        read_obj(path)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        # A vertex that goes on over three lines stands before the line that is named.
        ("v 0 \\\n 0 \\\n 0\nv 1 0 0\nv 0 x 0\nf 1 2 3\n", r'not a number: "x" \(line 5\)'),
        ("# a\\\nb\nv 0 0 0\nv 1 0\nv 0 1 0\nf 1 2 3\n", r"fewer than 3 numbers \(line 4\)"),
        ("v 0 \\\r\n0 0\r\nv 1 0 0\r\nv 0 1 0\r\nf 1 2\r\n", r"fewer than 3 corners \(line 5\)"),
        ("\\\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", r"not there \(3 in the file\) \(line 5\)"),
        (TETRAHEDRON + "\n\nf 1 2 0\n", rf"OBJ counts from 1\) \(line {TETRAHEDRON.count(chr(10)) + 3}\)"),
        (TETRAHEDRON + "f 1/1/1/1 2 3\n", rf"not an index \(line {TETRAHEDRON.count(chr(10)) + 1}\)"),
        ("v 0 0 0\nv 1 0 0\nv 0 nan 0\nf 1 2 3\n", r"not finite .* \(line 3\)"),
        ("v 0,5 0 0\nv 1 0 0\n", r'"0,5" \(line 1\); numbers need a decimal point'),
        ("v 0 0 0\nv 1.5, 0, 2.0\n", r'"1.5," \(line 2\); .* spaces between them, not commas'),
    ],
)
def test_the_line_is_named_as_an_editor_counts(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_obj(write(tmp_path, text))


@pytest.fixture(scope="module")
def seed_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("fuzz")
    picture(folder / "t.png")
    write(folder, "newmtl a\nmap_Kd t.png\n", "mesh.mtl")
    return folder, ("mtllib mesh.mtl\nusemtl a\n" + TETRAHEDRON + FACES).encode()


@settings(max_examples=300, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, 200),
            st.integers(0, 6),
            st.one_of(
                st.binary(max_size=6), st.sampled_from([b"/", b"-", b"f ", b"v ", b"\n", b"nan", b"1e99", b"\\\n"])
            ),
        ),
        min_size=1,
        max_size=6,
    ),
    end=st.integers(0, 250),
)
def test_mutated_files_never_crash(
    seed_file: tuple[Path, bytes], edits: list[tuple[int, int, bytes]], end: int
) -> None:
    folder, content = seed_file
    for at, length, new in edits:
        content = content[:at] + new + content[at + length :]
    path = folder / "fuzz.obj"
    path.write_bytes(content[: max(end, 100)])
    try:
        mesh = read_obj(path).mesh
    except MpcError as error:
        assert str(folder) in str(error)  # noqa: PT017 - both outcomes are allowed, each with its own promise
    else:
        assert np.isfinite(mesh.vertices).all()
        assert mesh.face_areas.sum() > 0


BROKEN = {
    "truncated_obj": "fewer than 3",
    "nan_vertices": "finite",
    "index_out_of_range": "index 0|not there",
    "zero_faces": "no faces",
    "missing_texture": "not there",
    "escaping_texture": "outside",
    "escaping_mtllib": "outside",
    "degenerate_area": "no area",
    "truncated_png": "decoded",
    "huge_png": "60000 x 60000",
    "empty_file": "empty",
}


@needs_models
@pytest.mark.parametrize("name", BROKEN)
def test_shared_broken_files(name: str) -> None:
    with pytest.raises(InputError, match=BROKEN[name]) as caught:
        read_obj(MODELS / "broken" / name / "mesh.obj")
    assert name in str(caught.value.path)
