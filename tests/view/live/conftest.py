"""A run of untrained networks, made once."""

import pytest

from support.toy_run import write_toy_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    return write_toy_run(tmp_path_factory.mktemp("runs") / "untrained")
