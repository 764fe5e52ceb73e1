"""Runs of the base recipe that take a second: a few thousand weights, people of ellipsoids, four steps a stage."""

from __future__ import annotations

from typing import Any

from mpc.core.settings import override
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.presets import preset
from mpc.train.settings import TrainSettings

STAGE: dict[str, Any] = {
    "steps": 4,
    "batch": 4,
    "points": 64,
    "validation_views": 4,
    "norm_batches": 1,
    "validate_every": 100,
}
# What four steps need: a rate that stays, and one that teaches a fresh head something.
STAGES: dict[str, dict[str, Any]] = {
    "maps": {"schedule": "constant"},
    "surface": {"learning_rate": 2e-3, "decay_at": [0.4]},
    "texture": {},
}
TOY: dict[str, Any] = {
    "surface_network": {
        "encoder": {
            "size": 16,
            "cells": 4,
            "widths": [8, 12],
            "blocks": 1,
            "values": 3,
            "coarse": 4,
            "landmarks": 0,
            "view": 0,
        },
        "head": {"channels": [8]},
    },
    "texture_network": {"encoder": {"stem": 4, "blocks": 1}, "depth": {"bins": 8}, "head": {"channels": [8]}},
    # All that people and masks can be disturbed by, though frames make up for some of it in the recipe itself.
    "augment": {
        "scale": 0.1,
        "shift": 0.05,
        "colour": 0.2,
        "grow": 0.4,
        "mask_holes": 0.15,
        "mask_halo": 0.3,
        "mask_soft": 0.2,
        "mask_cut": 0.1,
    },
    "image_size": 16,
    "log_every": 1,
    "picture_every": -1,
}


def toy(**overrides: Any) -> TrainSettings:
    """The base recipe with a few thousand weights, 16x16 pictures and four steps a stage."""
    stages = {name: {**STAGE, **own, **overrides.pop(name, {})} for name, own in STAGES.items()}
    base = override(preset("base", threads=1, device="cpu", amp=False), {**TOY, **stages})
    return override(base, overrides)


def people(count: int = 2, first: int = 0, **options: Any) -> EllipsoidViews:
    sizes = {"size": 16, "points": 64, "colour_points": 64, "layers": True}
    return EllipsoidViews(ellipsoid_people(count, seed=0, first=first), **{**sizes, **options})
