"""Input that tests make themselves: small textured figures on disk."""

from pathlib import Path

import pytest

from support.figures import write_figure


@pytest.fixture(scope="session")
def figures(tmp_path_factory) -> Path:
    """A model directory of five textured scans, `one` to `five`."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("one", "two", "three", "four", "five")):
        write_figure(root / name, seed)
    return root
