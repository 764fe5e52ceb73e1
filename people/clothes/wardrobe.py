"""Who a person is and what they wear: all that is drawn at random, as plain values that go into people.json."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.randomness import derive_rng
from ..body.looks import Looks, draw_hair_style, draw_looks
from .bags import BACKPACK, SATCHEL
from .cloths import BRIGHT, MUTED, pick_colour
from .fabric import Fabric, Rgb
from .garments import Garment
from .outfits import Worn, draw_outfit

# How many people carry a bag on their back.
BACKPACK_SHARE, SATCHEL_SHARE = 0.08, 0.05


@dataclass(frozen=True, kw_only=True)
class PersonPlan:
    """Everything that makes one person.

    Attributes:
        phenotype: the body, see `body.phenotype_targets`.
        looks: colours of skin, hair and eyes.
        hair: style, one of `hair.STYLES`.
        hair_volume: thickness relative to the style's.
        hair_length: 0 to the jaw, 1 to the middle of the back, for styles of long hair.
        hat_colour: of a cap, beanie or hat, sRGB.
        worn: garments from the innermost to the outermost, then a bag, if any.
        seed: of folds and noise.
    """

    phenotype: dict[str, float]
    looks: Looks
    hair: str
    hair_volume: float
    hair_length: float
    hat_colour: Rgb
    worn: tuple[Worn, ...]
    seed: int


def _draw_bag(seed: int, name: str) -> tuple[Worn, ...]:
    """Now and then a bag; of a stream of its own, since bags came later and people should stay as they were."""
    rng = derive_rng(seed, name, "people", 0, "bag")
    roll = rng.random()
    if roll >= BACKPACK_SHARE + SATCHEL_SHARE:
        return ()
    garment = Garment(kind="bag", name=BACKPACK if roll < BACKPACK_SHARE else SATCHEL, loose=float(rng.random()))
    pattern = str(rng.choice(["plain", "leather", "denim"]))
    return (Worn(garment=garment, fabric=Fabric(pattern=pattern, base=pick_colour(rng, BRIGHT + MUTED))),)


def plan_person(seed: int, name: str) -> PersonPlan:
    """Draw a person from the data set's seed and the person's name alone."""
    rng = derive_rng(seed, name, "people", 0, "plan")
    group = rng.choice(["child", "teen", "adult", "adult", "adult", "adult", "old", "old"])
    years = {
        "child": rng.uniform(5, 12),
        "teen": rng.uniform(13, 18),
        "adult": rng.uniform(19, 55),
        "old": rng.uniform(58, 85),
    }[str(group)]
    age = float(np.interp(years, [1, 12, 22, 40, 90], [0.0, 1 / 3, 0.62, 0.72, 1.0]))
    female = bool(rng.random() < 0.5)
    ancestry = rng.dirichlet([0.5, 0.5, 0.5])
    phenotype = {
        "gender": 1.0 if female else 0.0,
        "age": round(age, 3),
        "muscle": round(float(np.clip(rng.normal(0.5 if years < 55 else 0.4, 0.16), 0.1, 0.95)), 3),
        "weight": round(float(np.clip(rng.normal(0.5 if years < 35 else 0.58, 0.17), 0.12, 0.95)), 3),
        "height": round(float(np.clip(rng.normal(0.5, 0.16), 0.1, 0.9)), 3),
        "proportions": round(float(rng.uniform(0.1, 0.8)), 3),
        "cupsize": round(float(np.clip(rng.normal(0.45, 0.15), 0.1, 0.9)), 3),
        "firmness": 0.5,
        "african": round(float(ancestry[0]), 3),
        "asian": round(float(ancestry[1]), 3),
        "caucasian": round(float(ancestry[2]), 3),
    }
    looks = draw_looks(rng, years, female, ancestry)
    hair = draw_hair_style(rng, years, female)
    return PersonPlan(
        phenotype=phenotype,
        looks=looks if hair != "bald" else replace(looks, scalp_hair=0.25 if rng.random() < 0.5 else 0.0),
        hair=hair,
        hair_volume=round(float(rng.uniform(0.8, 1.3)), 3),
        hair_length=round(float(rng.uniform(0.05, 1.0) if hair == "long" else rng.uniform(0.0, 0.25)), 3),
        hat_colour=pick_colour(rng, BRIGHT + MUTED),
        worn=draw_outfit(rng, years, female, looks.skin) + _draw_bag(seed, name),
        seed=int(rng.integers(1 << 30)),
    )
