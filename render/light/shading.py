"""From transfer and light to the value that multiplies the texture: the one formula pictures and samples share."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F32

# Display value = linear value ** (1 / 2.2), a pure power. The sRGB curve has a linear foot and so no product rule;
# with a power law texture x irradiance ** (1 / 2.2), in display values, is the product of the two in linear light.
DISPLAY_GAMMA = 2.2


def linear_irradiance(transfer: F32, light: F32) -> F32:
    """(N, 3) float32, linear RGB, >= 0: irradiance / pi, 1 in the open under a white environment of radiance 1.

    Args:
        transfer: (N, 9), see render/transfer.py.
        light: (9, 3) spherical-harmonic radiance, linear RGB.
    """
    return np.maximum(transfer.astype(np.float32, copy=False) @ light.astype(np.float32, copy=False), np.float32(0))


def display_irradiance(transfer: F32, light: F32) -> F32:
    """(N, 3) float32 display values that multiply an sRGB albedo: `linear_irradiance` ** (1 / 2.2); may exceed 1."""
    return linear_irradiance(transfer, light) ** np.float32(1.0 / DISPLAY_GAMMA)
