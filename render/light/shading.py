"""Irradiance from transfer and light: the one formula that pictures and colour samples share."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F32

# Display value = linear value ** (1 / 2.2), a pure power law, under which the product of display values is the display
# value of the product. The sRGB curve starts with a linear part and has no such rule.
DISPLAY_GAMMA = 2.2


def linear_irradiance(transfer: F32, light: F32) -> F32:
    """Irradiance / pi: (N, 3) float32 linear RGB, >= 0; 1 without occlusion under a white environment of radiance 1.

    Args:
        transfer: (N, 9), see render/transfer.py.
        light: (9, 3) spherical-harmonic radiance, linear RGB.
    """
    return np.maximum(transfer.astype(np.float32, copy=False) @ light.astype(np.float32, copy=False), np.float32(0))


def display_irradiance(transfer: F32, light: F32) -> F32:
    """The factor of an sRGB albedo: `linear_irradiance` ** (1 / 2.2), (N, 3) float32 display values, may exceed 1."""
    return linear_irradiance(transfer, light) ** np.float32(1.0 / DISPLAY_GAMMA)
