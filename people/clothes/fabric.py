"""Procedural cloth: the colours of weaves, stripes, checks, prints, denim and knits by two cloth coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64
from ..noise import cell_noise, fractal_noise, value_noise

Rgb = tuple[float, float, float]

PATTERNS = ("plain", "heather", "stripes", "pinstripes", "checks", "gingham", "dots", "floral", "denim", "knit",
            "corduroy", "leather", "herringbone", "camouflage")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """A cloth.

    Attributes:
        pattern: one of PATTERNS.
        base: sRGB in [0, 1].
        second: sRGB of the pattern.
        third: sRGB of the pattern's details.
        period_m: size of the pattern's repeat, metres.
    """

    pattern: str
    base: Rgb
    second: Rgb = (1.0, 1.0, 1.0)
    third: Rgb = (0.2, 0.2, 0.2)
    period_m: float = 0.04


def _mix(a: F64, b: F64, share: F64) -> F64:
    return a * (1 - share[:, None]) + b * share[:, None]


def _soft(edge: F64, width: float) -> F64:
    return np.clip(edge / width + 0.5, 0.0, 1.0)


def fabric_colour(fabric: Fabric, s: F64, t: F64, texel_m: float, seed: int) -> F64:
    """Colours of cloth.

    Args:
        fabric: the cloth.
        s: (n,) coordinates around the garment, metres.
        t: (n,) coordinates along the garment, metres.
        texel_m: size of a texel, metres; finer detail is blurred.
        seed: of the noise.

    Returns:
        (n, 3) sRGB.
    """
    base, second, third = (np.asarray(c, np.float64)[None, :] for c in (fabric.base, fabric.second, fabric.third))
    n = len(s)
    colour = np.tile(base, (n, 1))
    period = fabric.period_m
    plane = np.stack([s, t], axis=1)
    blur = max(texel_m, 1e-4)
    tone = np.zeros(n)
    if fabric.pattern == "heather":
        tone = 0.10 * value_noise(plane * np.array([700.0, 250.0]), seed) + 0.05 * value_noise(plane * 130, seed + 1)
    elif fabric.pattern in ("stripes", "pinstripes"):
        across = t if fabric.pattern == "stripes" else s
        part = (across / period) % 1.0
        width = 0.5 if fabric.pattern == "stripes" else 0.1
        band = _soft((width - np.abs(part - 0.5) * 2) * period * 0.5, blur)
        colour = _mix(colour, second, band)
        if fabric.pattern == "stripes":
            thin = _soft((0.12 - np.abs((across / period + 0.5) % 1.0 - 0.5) * 2) * period * 0.5, blur)
            colour = _mix(colour, third, 0.8 * thin)
    elif fabric.pattern in ("checks", "gingham"):
        a = _soft((0.5 - np.abs((s / period) % 1.0 - 0.5) * 2) * period * 0.5, blur)
        b = _soft((0.5 - np.abs((t / period) % 1.0 - 0.5) * 2) * period * 0.5, blur)
        colour = _mix(colour, second, 0.5 * (a + b))
        if fabric.pattern == "checks":
            for across in (s, t):
                line = _soft((0.08 - np.abs((across / period + 0.27) % 1.0 - 0.5) * 2) * period * 0.5, blur)
                colour = _mix(colour, third, 0.7 * line)
    elif fabric.pattern == "dots":
        cell = np.floor(plane / period)
        shift = np.stack([np.where(cell[:, 1] % 2 == 0, 0.5, 0.0), np.zeros(n)], axis=1)
        part = (plane / period + shift) % 1.0 - 0.5
        colour = _mix(colour, second, _soft((0.26 - np.hypot(part[:, 0], part[:, 1])) * period, blur))
    elif fabric.pattern == "floral":
        colour = _floral(colour, second, third, plane, period, blur, seed)
    elif fabric.pattern == "denim":
        twill = np.sin((s + t) * 2 * np.pi / max(0.0022, 2.2 * blur))
        fade = fractal_noise(plane * np.array([9.0, 5.0]), seed + 3)
        slub = value_noise(plane * np.array([900.0, 60.0]), seed + 4)
        tone = 0.045 * twill + 0.10 * fade + 0.06 * slub
    elif fabric.pattern == "knit":
        size = max(0.006, 2.5 * blur)
        column = np.abs((s / size) % 1.0 - 0.5) * 2
        stitch = np.sin((t / size + column * 0.5) * 2 * np.pi)
        tone = 0.07 * stitch - 0.10 * _soft(np.asarray(0.25 - column), 0.2)
        if fabric.period_m > 0.05:  # a yoke of coloured bands
            band = _soft((0.3 - np.abs((t / fabric.period_m) % 1.0 - 0.5) * 2) * fabric.period_m * 0.5, blur)
            colour = _mix(colour, second, band * (((s / 0.012).astype(int) % 3) > 0))
    elif fabric.pattern == "corduroy":
        tone = 0.09 * np.sin(s * 2 * np.pi / max(0.005, 2.5 * blur))
    elif fabric.pattern == "leather":
        tone = 0.08 * fractal_noise(plane * 220, seed) + 0.05 * fractal_noise(plane * 25, seed + 2)
    elif fabric.pattern == "herringbone":
        size = max(0.012, 5 * blur)
        zig = np.abs((s / size) % 1.0 - 0.5) * 2 * size
        colour = _mix(colour, second, 0.55 * _soft(np.sin((t + zig) * 2 * np.pi / (0.6 * size)), 0.8))
    elif fabric.pattern == "camouflage":
        field = fractal_noise(plane / period, seed, 2)
        other = fractal_noise(plane / period, seed + 9, 2)
        colour = _mix(colour, second, _soft(field - 0.12, 0.02))
        colour = _mix(colour, third, _soft(other - 0.25, 0.02))
    weave = 0.018 * value_noise(plane * 600.0, seed + 11) + 0.025 * fractal_noise(plane * 7.0, seed + 12)
    return np.clip(colour * (1.0 + tone + weave)[:, None], 0.0, 1.0)


def _floral(colour: F64, second: F64, third: F64, plane: F64, period: float, blur: float, seed: int) -> F64:
    cell = np.floor(plane / period).astype(np.int64)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            near = cell + np.array([di, dj])
            centre = (
                near
                + 0.5
                + 0.35 * np.stack([2 * cell_noise(near, seed) - 1, 2 * cell_noise(near, seed + 1) - 1], axis=1)
            )
            offset = plane / period - centre
            radius = np.hypot(offset[:, 0], offset[:, 1])
            angle = np.arctan2(offset[:, 1], offset[:, 0]) + 6.28 * cell_noise(near, seed + 2)
            size = 0.22 + 0.16 * cell_noise(near, seed + 3)
            petal = size * (0.65 + 0.35 * np.cos(5 * angle))
            leaf = cell_noise(near, seed + 4) < 0.35
            hue = np.where(leaf[:, None], third, second)
            share = _soft((petal - radius) * period, blur)
            colour = colour * (1 - share[:, None]) + hue * share[:, None]
            heart = _soft((0.07 - radius) * period, blur) * ~leaf
            colour = colour * (1 - heart[:, None]) + np.array([[0.95, 0.8, 0.3]]) * heart[:, None]
    return colour
