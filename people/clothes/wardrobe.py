"""Who a person is and what they wear: all that is drawn at random, as plain values that go into people.json."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.randomness import derive_rng
from ..body.skin import Looks
from .fabric import Fabric, Rgb
from .garments import Garment

# sRGB of skin from light to dark, after published skin-tone scales; a person is drawn between neighbours.
_SKINS = (
    (0.93, 0.78, 0.70),
    (0.90, 0.72, 0.60),
    (0.82, 0.62, 0.48),
    (0.72, 0.51, 0.37),
    (0.56, 0.38, 0.27),
    (0.40, 0.27, 0.20),
    (0.29, 0.19, 0.15),
)
_HAIRS = (
    (0.07, 0.055, 0.05),
    (0.14, 0.09, 0.06),
    (0.27, 0.17, 0.10),
    (0.42, 0.27, 0.15),
    (0.68, 0.52, 0.30),
    (0.45, 0.17, 0.08),
)
_IRISES = ((0.22, 0.13, 0.07), (0.36, 0.22, 0.10), (0.30, 0.36, 0.20), (0.30, 0.44, 0.58), (0.40, 0.44, 0.46))
_BRIGHT = (
    (0.72, 0.12, 0.14),
    (0.86, 0.45, 0.12),
    (0.92, 0.75, 0.22),
    (0.22, 0.50, 0.26),
    (0.12, 0.42, 0.50),
    (0.16, 0.28, 0.62),
    (0.45, 0.22, 0.52),
    (0.88, 0.50, 0.58),
    (0.55, 0.75, 0.85),
    (0.60, 0.78, 0.52),
)
_MUTED = (
    (0.93, 0.92, 0.89),
    (0.86, 0.80, 0.70),
    (0.62, 0.62, 0.63),
    (0.36, 0.37, 0.40),
    (0.16, 0.17, 0.20),
    (0.14, 0.18, 0.30),
    (0.34, 0.36, 0.24),
    (0.46, 0.33, 0.24),
    (0.42, 0.14, 0.18),
    (0.30, 0.40, 0.42),
)
_DENIMS = ((0.20, 0.27, 0.42), (0.30, 0.40, 0.56), (0.48, 0.58, 0.70), (0.13, 0.15, 0.20))


@dataclass(frozen=True, kw_only=True)
class Worn:
    """A garment and the cloth it is made of."""

    garment: Garment
    fabric: Fabric


@dataclass(frozen=True, kw_only=True)
class PersonPlan:
    """Everything that makes one person.

    Attributes:
        phenotype: see body.phenotype_targets. looks: colours. hair: style, with its volume and length.
        hat_colour: of a cap, beanie or hat. worn: from the innermost to the outermost. seed: for folds and noise.
    """

    phenotype: dict[str, float]
    looks: Looks
    hair: str
    hair_volume: float
    hair_length: float
    hat_colour: Rgb
    worn: tuple[Worn, ...]
    seed: int


def _pick(rng: np.random.Generator, options: tuple[Rgb, ...], spread: float = 0.05) -> Rgb:
    colour = np.array(options[int(rng.integers(len(options)))]) + rng.normal(0, spread, 3) * 0.6
    return tuple(float(x) for x in np.clip(np.round(colour, 4), 0.02, 0.97))  # type: ignore[return-value]


def _cloth(rng: np.random.Generator, patterns: tuple[str, ...], skin: Rgb, *, bright: float = 0.5) -> Fabric:
    def colour() -> Rgb:
        return _pick(rng, _BRIGHT if rng.random() < bright else _MUTED)

    pattern = patterns[int(rng.integers(len(patterns)))]
    if pattern == "denim":
        return Fabric(pattern="denim", base=_pick(rng, _DENIMS, 0.03))
    base, second, third = colour(), colour(), colour()
    # Cloth of the skin's colour looks like none.
    while max(abs(a - b) for a, b in zip(base, skin, strict=True)) < 0.2:
        base = _pick(rng, _BRIGHT + _MUTED)
    while max(abs(a - b) for a, b in zip(base, second, strict=True)) < 0.25:
        second = _pick(rng, _BRIGHT + _MUTED)
    period = {
        "stripes": rng.uniform(0.025, 0.08), "pinstripes": rng.uniform(0.012, 0.03), "checks": rng.uniform(0.04, 0.10),
        "gingham": rng.uniform(0.015, 0.035), "dots": rng.uniform(0.025, 0.06), "floral": rng.uniform(0.035, 0.08),
        "camouflage": 0.09, "knit": rng.uniform(0.03, 0.12),
    }.get(pattern, 0.04)  # fmt: skip
    return Fabric(pattern=pattern, base=base, second=second, third=third, period_m=round(float(period), 4))


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
    looks = _looks(rng, years, female, ancestry)
    hair = _hair_style(rng, years, female)
    return PersonPlan(
        phenotype=phenotype,
        looks=looks if hair != "bald" else replace(looks, scalp_hair=0.25 if rng.random() < 0.5 else 0.0),
        hair=hair,
        hair_volume=round(float(rng.uniform(0.8, 1.3)), 3),
        hair_length=round(float(rng.uniform(0.05, 1.0) if hair == "long" else rng.uniform(0.0, 0.25)), 3),
        hat_colour=_pick(rng, _BRIGHT + _MUTED),
        worn=_outfit(rng, years, female, looks.skin),
        seed=int(rng.integers(1 << 30)),
    )


def _looks(rng: np.random.Generator, years: float, female: bool, ancestry: np.ndarray) -> Looks:
    darkness = float(np.clip(ancestry @ np.array([4.9, 1.9, 0.7]) + rng.normal(0, 0.5), 0, 5.99))
    low = int(darkness)
    skin = np.array(_SKINS[low]) * (1 - darkness + low) + np.array(_SKINS[low + 1]) * (darkness - low)
    dark = darkness > 1.6
    hair = np.array(_HAIRS[int(rng.integers(2 if dark else len(_HAIRS)))])
    grey = float(np.clip((years - rng.uniform(42, 66)) / 18, 0, 1))
    hair = hair * (1 - 0.92 * grey) + 0.92 * grey * np.array([0.74, 0.73, 0.72])
    makeup = float(rng.uniform(0.3, 1.0)) if female and years > 16 and rng.random() < 0.55 else 0.0
    lips = skin * np.array([0.86, 0.62, 0.62]) * (1 - 0.5 * makeup) + 0.5 * makeup * np.array([0.66, 0.16, 0.22])
    bearded = not female and years > 20 and rng.random() < 0.5

    def rgb(colour: np.ndarray) -> Rgb:
        return tuple(float(x) for x in np.round(np.clip(colour, 0.02, 0.97), 4))  # type: ignore[return-value]

    return Looks(
        skin=rgb(skin),
        lips=rgb(lips),
        hair=rgb(hair),
        brows=rgb(hair * 0.72 + 0.02),
        iris=_IRISES[int(rng.integers(2 if dark else len(_IRISES)))],
        stubble=round(float(rng.uniform(0.25, 0.85)), 3) if bearded else 0.0,
        makeup=round(makeup, 3),
        blush=round(float(rng.uniform(0.2, 0.7)), 3),
        freckles=round(float(rng.uniform(0.3, 1.0)), 3) if darkness < 1.2 and rng.random() < 0.3 else 0.0,
        age=round(years, 1),
        scalp_hair=0.9,
    )


def _hair_style(rng: np.random.Generator, years: float, female: bool) -> str:
    odds: tuple[float, ...]
    if female:
        styles, odds = (
            ("bob", "long", "ponytail", "bun", "short", "curly", "afro", "cap", "beanie"),
            (4, 5, 3, 3, 2, 2, 1, 0.7, 0.7),
        )
        if years > 60:
            odds = (4, 1, 1, 3, 4, 4, 0.5, 0.3, 0.6)
    else:
        styles, odds = (
            ("short", "swept", "curly", "afro", "buzz", "bald", "cap", "beanie", "bun"),
            (6, 4, 2, 1, 2, 0.4, 1.5, 1, 0.4),
        )
        if years > 50:
            odds = (6, 3, 1, 0.3, 2, 3, 1, 0.6, 0.0)
    share = np.array(odds) / np.sum(odds)
    return str(styles[int(rng.choice(len(styles), p=share))])


def _outfit(rng: np.random.Generator, years: float, female: bool, skin: Rgb) -> tuple[Worn, ...]:
    worn: list[Worn] = []
    roll = rng.random()
    bright = 0.75 if years < 14 else 0.45
    shoe_hem = float(rng.choice([0.02, 0.04, 0.12, 0.5]) if female else rng.choice([0.02, 0.06, 0.16]))
    shoes = Garment(kind="shoes", name="boots" if shoe_hem > 0.1 else "shoes", hem=shoe_hem, ease_m=0.007)
    shoe_cloth = Fabric(pattern="leather", base=_pick(rng, _MUTED[3:8] + _BRIGHT[:3] if years < 30 else _MUTED[3:8]))
    dress = female and roll < 0.22
    skirt = female and 0.22 <= roll < 0.45
    hidden_waist = False
    if dress:
        cloth = _cloth(rng, ("plain", "floral", "dots", "stripes", "checks", "heather", "floral"), skin, bright=0.7)
        length = float(rng.uniform(0.25, 0.85))
        flare = float(rng.uniform(0.08, 0.42))
        sleeve = float(rng.choice([0.14, 0.3, 0.5, 0.95]))
        worn.append(
            Worn(
                garment=Garment(
                    kind="top",
                    name="dress-top",
                    hem=0.4,
                    sleeve=sleeve,
                    neckline=float(rng.uniform(0.0, 0.035)),
                    vee=float(rng.choice([0, 0, 0.09])),
                    loose=0.25,
                    ease_m=0.007,
                    folds_m=0.002,
                ),
                fabric=cloth,
            )
        )
        worn.append(
            Worn(
                garment=Garment(kind="skirt", name="dress-skirt", hem=length, flare=flare, ease_m=0.009, folds_m=0.007),
                fabric=cloth,
            )
        )
    else:
        if skirt:
            cloth = _cloth(
                rng, ("plain", "denim", "checks", "floral", "herringbone", "corduroy", "pinstripes"), skin, bright=0.5
            )
            worn.append(
                Worn(
                    garment=Garment(
                        kind="skirt",
                        name="skirt",
                        hem=float(rng.uniform(0.2, 0.85)),
                        flare=float(rng.uniform(0.03, 0.35)),
                        ease_m=0.011,
                        folds_m=0.006,
                    ),
                    fabric=cloth,
                )
            )
            hidden_waist = True
        else:
            short = rng.random() < (0.45 if years < 14 else 0.15)
            cloth = _cloth(
                rng,
                ("denim", "denim", "plain", "plain", "corduroy", "pinstripes", "camouflage")
                if not short
                else ("denim", "plain", "checks", "camouflage"),
                skin,
                bright=0.2,
            )
            loose = float(rng.uniform(0.15, 0.9))
            hem = float(rng.uniform(0.35, 0.5)) if short else float(rng.uniform(0.93, 1.0))
            worn.append(
                Worn(
                    garment=Garment(
                        kind="trousers",
                        name="jeans" if cloth.pattern == "denim" else "trousers",
                        hem=hem,
                        ease_m=0.006,
                        loose=max(loose, 0.6) if short else loose,
                        folds_m=0.0045,
                    ),
                    fabric=cloth,
                )
            )
        kind = str(rng.choice(["tee", "tee", "shirt", "sweater", "polo", "hoodie"]))
        tops = {
            "tee": (("plain", "stripes", "heather", "plain", "camouflage", "dots"), 0.32, 0.012, 0.5),
            "polo": (("plain", "heather", "stripes"), 0.34, 0.008, 0.4),
            "shirt": (("plain", "checks", "pinstripes", "gingham", "floral", "denim", "checks"), 0.96, 0.010, 0.55),
            "sweater": (("knit", "knit", "heather", "stripes"), 0.97, 0.013, 0.5),
            "hoodie": (("heather", "plain"), 0.97, 0.016, 0.7),
        }[kind]
        cloth = _cloth(rng, tops[0], skin, bright=bright)
        tucked = hidden_waist or (kind == "shirt" and rng.random() < 0.3)
        hem = 0.35 if tucked and skirt else 0.6 if tucked else float(rng.uniform(0.72, 0.97))
        ease = tops[2] if not tucked else 0.0045
        sleeve = 0.55 if kind == "shirt" and rng.random() < 0.25 else tops[1]
        vee = (
            0.07
            if kind in ("polo", "shirt")
            else float(rng.choice([0.0, 0.0, 0.08]))
            if kind in ("tee", "sweater")
            else 0.0
        )
        worn.append(
            Worn(
                garment=Garment(
                    kind="top",
                    name=kind,
                    hem=hem,
                    sleeve=sleeve,
                    neckline=float(rng.uniform(0.006, 0.026) if kind == "tee" else rng.uniform(-0.008, 0.012)),
                    vee=vee,
                    ease_m=max(ease, 0.0045),
                    loose=float(rng.uniform(0.25, 0.5)) if tucked else float(rng.uniform(0.4, 0.85)),
                    folds_m=0.003 if kind == "sweater" else 0.0042,
                ),
                fabric=cloth,
            )
        )
        if rng.random() < 0.28:
            kind = str(rng.choice(["jacket", "coat", "cardigan"]))
            cloth = _cloth(
                rng,
                {
                    "jacket": ("denim", "leather", "plain", "herringbone"),
                    "coat": ("plain", "herringbone", "plain"),
                    "cardigan": ("knit", "heather"),
                }[kind],
                skin,
                bright=0.25,
            )
            worn.append(
                Worn(
                    garment=Garment(
                        kind="top",
                        name=kind,
                        hem=0.45 if skirt else 0.99,
                        sleeve=0.985,
                        neckline=0.006,
                        ease_m=max(ease, 0.009) + 0.013,
                        loose=0.8,
                        open_front=True,
                        folds_m=0.005,
                        thickness_m=0.006,
                    ),
                    fabric=cloth,
                )
            )
    worn.append(Worn(garment=shoes, fabric=shoe_cloth))
    return tuple(worn)
