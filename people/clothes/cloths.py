"""The colours of cloth, and cloths drawn at random."""

from __future__ import annotations

import numpy as np

from .fabric import Fabric, Rgb

BRIGHT = (
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
MUTED = (
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


def pick_colour(rng: np.random.Generator, options: tuple[Rgb, ...], spread: float = 0.05) -> Rgb:
    """Draw one of some colours, varied a little: sRGB in [0.02, 0.97]."""
    colour = np.array(options[int(rng.integers(len(options)))]) + rng.normal(0, spread, 3) * 0.6
    return tuple(float(x) for x in np.clip(np.round(colour, 4), 0.02, 0.97))  # type: ignore[return-value]


def draw_cloth(rng: np.random.Generator, patterns: tuple[str, ...], skin: Rgb, *, bright: float = 0.5) -> Fabric:
    """Draw the cloth of a garment.

    Args:
        rng: source of randomness.
        patterns: of `fabric.PATTERNS`, each as likely as it is often listed.
        skin: colour of the wearer's skin, sRGB; the cloth keeps away from it.
        bright: probability that a colour is a bright one.
    """

    def colour() -> Rgb:
        return pick_colour(rng, BRIGHT if rng.random() < bright else MUTED)

    pattern = patterns[int(rng.integers(len(patterns)))]
    if pattern == "denim":
        return Fabric(pattern="denim", base=pick_colour(rng, _DENIMS, 0.03))
    base, second, third = colour(), colour(), colour()
    # Cloth of the skin's colour would look like bare skin.
    while max(abs(a - b) for a, b in zip(base, skin, strict=True)) < 0.2:
        base = pick_colour(rng, BRIGHT + MUTED)
    while max(abs(a - b) for a, b in zip(base, second, strict=True)) < 0.25:
        second = pick_colour(rng, BRIGHT + MUTED)
    period = {
        "stripes": rng.uniform(0.025, 0.08), "pinstripes": rng.uniform(0.012, 0.03), "checks": rng.uniform(0.04, 0.10),
        "gingham": rng.uniform(0.015, 0.035), "dots": rng.uniform(0.025, 0.06), "floral": rng.uniform(0.035, 0.08),
        "camouflage": 0.09, "knit": rng.uniform(0.03, 0.12),
    }.get(pattern, 0.04)  # fmt: skip
    return Fabric(pattern=pattern, base=base, second=second, third=third, period_m=round(float(period), 4))
