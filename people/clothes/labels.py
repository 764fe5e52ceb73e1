"""What is worn, as labels of the vertices (geometry/labels.py), and who wears it."""

from __future__ import annotations

import numpy as np

from ...core.arrays import U8
from ...formats.person_file import PersonFacts
from ...geometry.labels import GARMENTS
from ...motion.makehuman.body import Body
from ..body.regions import landmarks
from .garments import Sewn
from .wardrobe import PersonPlan

_BY_NAME = {
    "jacket": "coat", "coat": "coat", "cardigan": "coat", "coat-top": "coat", "coat-skirt": "coat",
    "dress-top": "dress", "dress-skirt": "dress", "asset-shoes": "shoes", "asset-hat": "hat",
}  # fmt: skip
_BY_KIND = {"top": "shirt", "trousers": "trousers", "skirt": "skirt", "shoes": "shoes", "bag": "bag"}
_HATS = ("cap", "beanie")
# A piece from an assets folder is a skirt, or a dress, where it spans the gap between the legs this far below the
# crotch, as a share of the person's height.
_BELOW_CROTCH = 0.06


def garment_label(body: Body, item: Sewn) -> str:
    """What a garment is, of GARMENTS."""
    garment = item.garment
    if garment.kind != "asset" or garment.name in _BY_NAME:
        return _BY_NAME.get(garment.name) or _BY_KIND.get(garment.kind, "other")
    marks = landmarks(body)
    points = item.surface.vertices
    low = marks.crotch - _BELOW_CROTCH * marks.height
    reaches = bool((points[:, 1] < low).any())
    spans = bool(((np.abs(points[:, 0]) < 0.01) & (points[:, 1] < low)).any())
    if garment.name == "asset-top":
        return "shirt" if not reaches else "dress" if spans else "other"
    return "skirt" if spans else "trousers" if garment.name == "asset-bottom" else "other"


def surface_garments(body: Body, plan: PersonPlan, sewn: list[Sewn], counts: list[int]) -> U8:
    """The garment label of each vertex of a person's surface.

    Args:
        body: the person's.
        plan: of the person.
        sewn: the garments.
        counts: vertices of the skin, then of each garment, then of the hair or hat.
    """
    worn = [garment_label(body, item) for item in sewn]
    last = "hat" if plan.hair in _HATS else "hair"
    names = ["skin", *worn, *[last] * (len(counts) - 1 - len(worn))]
    return np.repeat(np.array([GARMENTS.index(name) for name in names], np.uint8), counts)


def person_facts(plan: PersonPlan, body: Body) -> PersonFacts:
    """Who the person of a plan is."""
    return PersonFacts(
        height_m=round(landmarks(body).height, 4),
        age_years=plan.looks.age,
        sex="female" if plan.phenotype["gender"] > 0.5 else "male",
    )
