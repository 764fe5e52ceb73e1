"""The networks that find a person, for tests: they are downloaded by `mpc fetch` at set-up, never by a test."""

import pytest

from mpc.core.errors import MpcError
from mpc.models.person.store import person_folder, require_networks


def fetched() -> bool:
    """Whether the networks are there."""
    try:
        require_networks()
    except MpcError:
        return False
    return True


FOLDER = person_folder()
needs_person = pytest.mark.skipif(not fetched(), reason="the networks that find a person are not here (`mpc fetch`)")
