"""Real input beside the checkout. It is not part of the project: tests that need it are skipped where it is missing."""

from pathlib import Path

import pytest

import mpc

DATA = Path(mpc.__file__).resolve().parent.parent / "shared" / "data"
MODELS = DATA / "models"

needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="the shared models are not here")
