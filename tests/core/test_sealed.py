"""Sealed JSON: plain JSON for everybody, any change of it noticed."""

import json
from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.core.sealed import read_sealed_json, write_sealed_json

CONTENT = {"name": "a", "views": [{"yaw_deg": 10.0}], "notes": {"sha256": "of something else"}}


def test_every_flipped_bit_of_a_sealed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    write_sealed_json(path, CONTENT)
    assert read_sealed_json(path)[0] == CONTENT
    assert {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"} == CONTENT
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            found = read_sealed_json(path)[0]
        except InputError:
            continue
        # Only a change of the seal's own name hides it, and then the content is what was written.
        assert {key: found.get(key) for key in CONTENT} == CONTENT, place


def test_files_of_earlier_versions_have_no_seal(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(CONTENT))
    assert read_sealed_json(path)[0] == CONTENT
    path.write_text(json.dumps({**CONTENT, "sha256": "0"}))
    with pytest.raises(InputError, match="checksum differs"):
        read_sealed_json(path)
