"""kill -9 in the middle of an export, then the same command again: the same bytes as without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.balls import make_renders
from support.killed import export_killed
from support.labelled import PLACES

FORMATS = ["nerf", "coco", "pamir", "monoport", "pshuman", "era3d", "webdataset"]
# Of the files that a whole export opens and renames: after so many it is killed, one run after the other.
MOMENTS = (0.3, 0.8)


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two balls with joints."""
    world = [list(PLACES[name]) for name in ("pelvis", "head")]
    joints: dict[str, Any] = {"joints": {"names": ["pelvis", "head"], "world": world}}
    folder = tmp_path_factory.mktemp("kills") / "renders"
    return make_renders(folder, balls=2, views=2, size=24, layers=("mask",), labels={0: joints, 1: joints})


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", FORMATS)
def test_a_killed_export_is_gone_on_with_to_the_same_bytes(renders: Path, tmp_path: Path, layout: str) -> None:
    count = export_killed(renders, tmp_path / "whole" / "people", layout, None)
    whole = files_of(tmp_path / "whole" / "people")
    assert {f".done/ball_{number}_scan_0000" for number in (0, 1)} <= set(whole)
    out, killed = tmp_path / "killed" / "people", 0
    for share in MOMENTS:  # each run begins where the one before was killed, so later ones have less to do
        killed += export_killed(renders, out, layout, max(1, int(share * count / 2))) < 0
    assert killed == 2
    export_killed(renders, out, layout, None)
    assert files_of(out) == whole
