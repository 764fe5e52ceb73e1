"""The colours of skin, hair and eyes, and hair styles, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64

Rgb = tuple[float, float, float]

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


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Colours of a person.

    Attributes:
        skin: sRGB in [0, 1].
        lips: sRGB.
        hair: sRGB.
        brows: sRGB.
        iris: sRGB.
        stubble: strength in [0, 1].
        makeup: strength in [0, 1].
        blush: strength in [0, 1].
        freckles: strength in [0, 1].
        age: years, for lines and spots.
        scalp_hair: opacity of the painted hair on the scalp, in [0, 1].
    """

    skin: tuple[float, float, float]
    lips: tuple[float, float, float]
    hair: tuple[float, float, float]
    brows: tuple[float, float, float]
    iris: tuple[float, float, float]
    stubble: float = 0.0
    makeup: float = 0.0
    blush: float = 0.4
    freckles: float = 0.0
    age: float = 30.0
    scalp_hair: float = 0.0


def draw_looks(rng: np.random.Generator, years: float, female: bool, ancestry: F64) -> Looks:
    """Draw the colours of a person.

    Args:
        rng: source of randomness.
        years: age.
        female: or male.
        ancestry: (3,) shares of the body's African, Asian and Caucasian targets.
    """
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

    def rgb(colour: F64) -> Rgb:
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


def draw_hair_style(rng: np.random.Generator, years: float, female: bool) -> str:
    """Draw one of `hair.STYLES` by age in years and sex."""
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
