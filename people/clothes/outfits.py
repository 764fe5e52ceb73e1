"""Outfits drawn at random: a table of garments with the ranges of their measures, and which go together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .cloths import BRIGHT, MUTED, draw_cloth, pick_colour
from .fabric import Fabric, Rgb
from .garments import Garment

Draw = Callable[[np.random.Generator], float]


@dataclass(frozen=True, kw_only=True)
class Worn:
    """A garment and the cloth it is made of."""

    garment: Garment
    fabric: Fabric


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A garment as the table holds it.

    Attributes:
        garment: the measures that are always the same.
        cloths: patterns, each as likely as it is often listed.
        bright: probability of a bright colour; for tops the wearer's age decides instead.
        drawn: the other measures, drawn in this order.
    """

    garment: Garment
    cloths: tuple[str, ...] = ()
    bright: float = 0.0
    drawn: dict[str, Draw] = field(default_factory=dict)


def _between(low: float, high: float, least: float = -np.inf) -> Draw:
    return lambda rng: max(float(rng.uniform(low, high)), least)


def _one_of(*values: float) -> Draw:
    return lambda rng: float(rng.choice(values))


def _sometimes(share: float, value: float, usual: float) -> Draw:
    return lambda rng: value if rng.random() < share else usual


_NECKLINE = _between(-0.008, 0.012)

# The order of the draws, here and below, decides which people a seed gives: new entries change them.
_DRESS_SKIRT = _Piece(
    garment=Garment(kind="skirt", name="dress-skirt", ease_m=0.009, folds_m=0.007),
    drawn={"hem": _between(0.25, 0.85), "flare": _between(0.08, 0.42)},
)
_DRESS_TOP = _Piece(
    garment=Garment(kind="top", name="dress-top", hem=0.4, loose=0.25, ease_m=0.007, folds_m=0.002),
    cloths=("plain", "floral", "dots", "stripes", "checks", "heather", "floral"),
    bright=0.7,
    drawn={
        "sleeve": _one_of(0.14, 0.3, 0.5, 0.95),
        "neckline": _between(0.0, 0.035),
        "vee": _one_of(0.0, 0.0, 0.09),
    },
)
_SKIRT = _Piece(
    garment=Garment(kind="skirt", name="skirt", ease_m=0.011, folds_m=0.006),
    cloths=("plain", "denim", "checks", "floral", "herringbone", "corduroy", "pinstripes"),
    bright=0.5,
    drawn={"hem": _between(0.2, 0.85), "flare": _between(0.03, 0.35)},
)
_TROUSERS = _Piece(
    garment=Garment(kind="trousers", name="trousers", ease_m=0.006, folds_m=0.0045),
    cloths=("denim", "denim", "plain", "plain", "corduroy", "pinstripes", "camouflage"),
    bright=0.2,
    drawn={"loose": _between(0.15, 0.9), "hem": _between(0.93, 1.0)},
)
_SHORTS = replace(
    _TROUSERS,
    cloths=("denim", "plain", "checks", "camouflage"),
    drawn={"loose": _between(0.15, 0.9, least=0.6), "hem": _between(0.35, 0.5)},
)
_TOPS = {
    "tee": _Piece(
        garment=Garment(kind="top", name="tee", sleeve=0.32, ease_m=0.012, folds_m=0.0042),
        cloths=("plain", "stripes", "heather", "plain", "camouflage", "dots"),
        drawn={"vee": _one_of(0.0, 0.0, 0.08), "neckline": _between(0.006, 0.026)},
    ),
    "polo": _Piece(
        garment=Garment(kind="top", name="polo", sleeve=0.34, vee=0.07, ease_m=0.008, folds_m=0.0042),
        cloths=("plain", "heather", "stripes"),
        drawn={"neckline": _NECKLINE},
    ),
    "shirt": _Piece(
        garment=Garment(kind="top", name="shirt", vee=0.07, ease_m=0.010, folds_m=0.0042),
        cloths=("plain", "checks", "pinstripes", "gingham", "floral", "denim", "checks"),
        drawn={"sleeve": _sometimes(0.25, 0.55, 0.96), "neckline": _NECKLINE},
    ),
    "sweater": _Piece(
        garment=Garment(kind="top", name="sweater", sleeve=0.97, ease_m=0.013, folds_m=0.003),
        cloths=("knit", "knit", "heather", "stripes"),
        drawn={"vee": _one_of(0.0, 0.0, 0.08), "neckline": _NECKLINE},
    ),
    "hoodie": _Piece(
        garment=Garment(kind="top", name="hoodie", sleeve=0.97, ease_m=0.016, folds_m=0.0042),
        cloths=("heather", "plain"),
        drawn={"neckline": _NECKLINE},
    ),
}
_TOP_CHOICES = ("tee", "tee", "shirt", "sweater", "polo", "hoodie")
# Over a top: open at the front, with room for what is below.
_OVER = Garment(
    kind="top", name="", sleeve=0.985, neckline=0.006, loose=0.8, open_front=True, folds_m=0.005, thickness_m=0.006
)
_OVERS = {
    "jacket": ("denim", "leather", "plain", "herringbone"),
    "coat": ("plain", "herringbone", "plain"),
    "cardigan": ("knit", "heather"),
}
_COAT_SKIRT = _Piece(
    garment=Garment(kind="skirt", name="coat-skirt", folds_m=0.004),
    drawn={"hem": _between(0.2, 0.7), "flare": _between(0.03, 0.16)},
)
_TUCKED_EASE_M = 0.0045


def draw_outfit(rng: np.random.Generator, years: float, female: bool, skin: Rgb) -> tuple[Worn, ...]:
    """Draw what a person wears.

    Args:
        rng: source of randomness.
        years: age.
        female: or male.
        skin: colour of the wearer's skin, sRGB.

    Returns:
        Garments from the innermost to the outermost, shoes last.
    """
    roll = rng.random()
    shoes = _draw_shoes(rng, years, female)
    if female and roll < 0.22:
        fabric = draw_cloth(rng, _DRESS_TOP.cloths, skin, bright=_DRESS_TOP.bright)
        skirt = _sew(rng, _DRESS_SKIRT, fabric)
        return _sew(rng, _DRESS_TOP, fabric), skirt, shoes
    skirted = female and roll < 0.45
    if skirted:
        lower = _SKIRT
    else:
        lower = _SHORTS if rng.random() < (0.45 if years < 14 else 0.15) else _TROUSERS
    fabric = draw_cloth(rng, lower.cloths, skin, bright=lower.bright)
    if lower is not _SKIRT and fabric.pattern == "denim":
        lower = replace(lower, garment=replace(lower.garment, name="jeans"))
    worn = [_sew(rng, lower, fabric)]
    worn.append(_draw_top(rng, skin, skirted=skirted, bright=0.75 if years < 14 else 0.45))
    if rng.random() < 0.28:
        worn = _with_over(rng, skin, worn, skirted=skirted)
    return (*worn, shoes)


def _draw_shoes(rng: np.random.Generator, years: float, female: bool) -> Worn:
    hem = _one_of(0.02, 0.04, 0.12, 0.5)(rng) if female else _one_of(0.02, 0.06, 0.16)(rng)
    colours = MUTED[3:8] + BRIGHT[:3] if years < 30 else MUTED[3:8]
    return Worn(
        garment=Garment(kind="shoes", name="boots" if hem > 0.1 else "shoes", hem=hem, ease_m=0.007),
        fabric=Fabric(pattern="leather", base=pick_colour(rng, colours)),
    )


def _draw_top(rng: np.random.Generator, skin: Rgb, *, skirted: bool, bright: float) -> Worn:
    """A top, tucked into a skirt always and into trousers sometimes."""
    piece = _TOPS[str(rng.choice(_TOP_CHOICES))]
    fabric = draw_cloth(rng, piece.cloths, skin, bright=bright)
    if skirted or (piece.garment.name == "shirt" and rng.random() < 0.3):
        garment = replace(piece.garment, hem=0.35 if skirted else 0.6, ease_m=_TUCKED_EASE_M)
        return _sew(rng, replace(piece, garment=garment, drawn={**piece.drawn, "loose": _between(0.25, 0.5)}), fabric)
    drawn = {"hem": _between(0.72, 0.97), **piece.drawn, "loose": _between(0.4, 0.85)}
    return _sew(rng, replace(piece, drawn=drawn), fabric)


def _with_over(rng: np.random.Generator, skin: Rgb, worn: list[Worn], *, skirted: bool) -> list[Worn]:
    """What is worn, and over it an open jacket or, with trousers, a long coat that is closed, in two parts."""
    top = worn[-1].garment
    name = str(rng.choice(list(_OVERS)))
    fabric = draw_cloth(rng, _OVERS[name], skin, bright=0.25)
    ease = max(top.ease_m, 0.009) + 0.013
    over = replace(_OVER, name=name, hem=0.45 if skirted else 0.99, ease_m=ease)
    if name != "coat" or skirted or rng.random() < 0.5:
        return [*worn, Worn(garment=over, fabric=fabric)]
    # The top is hidden but for its collar, and must not be wider than the coat.
    tucked = replace(worn[-1], garment=replace(top, hem=0.6, loose=0.25, ease_m=_TUCKED_EASE_M))
    upper = replace(over, name="coat-top", hem=0.4, loose=0.25, open_front=False)
    lower = replace(_COAT_SKIRT, garment=replace(_COAT_SKIRT.garment, ease_m=ease + 0.008))
    return [*worn[:-1], tucked, Worn(garment=upper, fabric=fabric), _sew(rng, lower, fabric)]


def _sew(rng: np.random.Generator, piece: _Piece, fabric: Fabric) -> Worn:
    measures: dict[str, Any] = {name: draw(rng) for name, draw in piece.drawn.items()}
    return Worn(garment=replace(piece.garment, **measures), fabric=fabric)
