"""BVH files: hierarchy, channel order, units untouched, and clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mpc.core.errors import InputError
from mpc.formats.bvh import read_bvh
from support.shared import MODELS

HIERARCHY = """HIERARCHY
ROOT Hips
{
  OFFSET 0 90 1.5
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Left Arm {
    OFFSET 10 2 -3
    CHANNELS 3 Yrotation Zrotation Xrotation
    End Site
    {
      OFFSET 0 -20 0
    }
  }
}
"""
MOTION = "MOTION\nFrames: 2\nFrame Time: 0.04\n1 2 3 10 20 30 40 50 60\n4 5 6 -10 0 90 0 0 -45\n"


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "clip.bvh"
    path.write_text(text)
    return path


def test_reads_hierarchy_and_channels_in_their_own_order(tmp_path: Path) -> None:
    motion = read_bvh(_write(tmp_path, HIERARCHY + MOTION))
    assert [joint.name for joint in motion.joints] == ["Hips", "Left Arm"]
    assert [joint.parent for joint in motion.joints] == [-1, 0]
    assert motion.joints[1].end == (0.0, -20.0, 0.0)
    assert motion.frame_time_s == 0.04
    expected_root = Rotation.from_euler("ZXY", [[10, 20, 30], [-10, 0, 90]], degrees=True).as_matrix()
    expected_arm = Rotation.from_euler("YZX", [[40, 50, 60], [0, 0, -45]], degrees=True).as_matrix()
    np.testing.assert_allclose(motion.rotations()[:, 0], expected_root, atol=1e-12)
    np.testing.assert_allclose(motion.rotations()[:, 1], expected_arm, atol=1e-12)
    np.testing.assert_array_equal(motion.positions()[:, 0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(motion.positions()[:, 1], [[10, 2, -3]] * 2)
    np.testing.assert_array_equal(motion.rest_positions(), [[0, 90, 1.5], [10, 92, -1.5]])


def test_case_line_ends_and_braces_do_not_matter(tmp_path: Path) -> None:
    plain = read_bvh(_write(tmp_path, HIERARCHY + MOTION))
    odd = (HIERARCHY + MOTION).replace("\n{", "{").replace("\n", "\r\n").replace("JOINT", "Joint")
    odd = odd.replace("Frames: 2", "frames :  2").replace("Xrotation", "XROTATION")
    np.testing.assert_array_equal(read_bvh(_write(tmp_path, odd)).values, plain.values)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no MOTION"),
        (HIERARCHY, "no MOTION"),
        ("MOTION\nFrames: 1\nFrame Time: 1\n", "HIERARCHY"),
        (HIERARCHY.replace("OFFSET 10 2 -3", "OFFSET 10 two -3") + MOTION, "no number"),
        (HIERARCHY.replace("OFFSET 10 2 -3", "OFFSET 10 nan -3") + MOTION, "offset"),
        (HIERARCHY.replace("CHANNELS 3", "CHANNELS 9") + MOTION, "channels"),
        (HIERARCHY.replace("Yrotation Zrotation Xrotation", "Yrotation Yrotation Xrotation") + MOTION, "channels"),
        (HIERARCHY.replace("Zrotation Xrotation\n", "Zrotation Wrotation\n") + MOTION, "channels"),
        (HIERARCHY.rsplit("}", 1)[0] + MOTION, "ends in the middle"),
        (HIERARCHY + MOTION.replace("Frames: 2", "Frames: 3"), "values"),
        (HIERARCHY + MOTION.replace("-45", ""), "values"),
        (HIERARCHY + MOTION.replace("-45", "inf"), "finite"),
        (HIERARCHY + MOTION.replace("-45", "x"), "no number"),
        (HIERARCHY + MOTION.replace("Frames: 2", "Frames: -2"), "frames"),
        (HIERARCHY + MOTION.replace("Frames: 2", "Frames: 99999999999"), "more than"),
        (HIERARCHY + MOTION.replace("Frame Time", "Frame Tome"), "Frame Time"),
    ],
)
def test_refuses_malformed_files_by_name(tmp_path: Path, text: str, reason: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(InputError, match=reason) as caught:
        read_bvh(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HIERARCHY.replace("OFFSET 10 2 -3", "OFFSET 10 two -3") + MOTION, r"'two', which is no number \(line 7\)"),
        (HIERARCHY.replace("    End Site", "    Ende Site") + MOTION, r"has 'ENDE' where .* \(line 9\)"),
        (HIERARCHY + MOTION.replace("-45", "x"), r"no number: 'x' \(line 19\)"),
        (HIERARCHY + MOTION.replace("20 30", "nan 30"), r"not finite: 'nan' \(line 18\)"),
        (HIERARCHY + MOTION.replace(" -45", ""), r"need 18; line 19 has 8"),
        (HIERARCHY + MOTION.replace("Frame Time: 0.04", "Frame Time: soon"), r"no number .*line 15\)"),
    ],
)
def test_the_line_is_named_as_an_editor_counts(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_bvh(_write(tmp_path, text))


def test_refuses_a_missing_file_and_endless_nesting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_bvh(tmp_path / "none.bvh")
    nest = "HIERARCHY\nROOT r { OFFSET 0 0 0 CHANNELS 3 Xrotation Yrotation Zrotation\n"
    nest += "JOINT j { OFFSET 0 0 0\n" * 5000 + "}\n" * 5001
    with pytest.raises(InputError, match="deeper"):
        read_bvh(_write(tmp_path, nest + MOTION))


def test_reads_the_sample_files() -> None:
    folder = MODELS / "bvh"
    if not folder.is_dir():
        pytest.skip("no sample BVH files here")
    for path in sorted(folder.glob("*.bvh")):
        motion = read_bvh(path)
        assert len(motion.values) >= 1
        turns = motion.rotations()[:5].reshape(-1, 3, 3)
        np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (len(turns), 1, 1)), atol=1e-9)
