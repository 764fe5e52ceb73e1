"""Daylight: clear skies (Preetham, Shirley, Smits, "A Practical Analytic Model for Daylight", 1999) and clouds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64

# CIE xyY to linear sRGB (IEC 61966-2-1).
_XYZ_TO_RGB: F64 = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]], np.float64
)
# Perez coefficients A..E of Y, x, y: slope with turbidity and constant (Preetham et al., appendix A.2).
_PEREZ_SLOPE = np.array(
    [
        [0.1787, -0.3554, -0.0227, 0.1206, -0.0670],
        [-0.0193, -0.0665, -0.0004, -0.0641, -0.0033],
        [-0.0167, -0.0950, -0.0079, -0.0441, -0.0109],
    ]
)
_PEREZ_CONSTANT = np.array(
    [
        [-1.4630, 0.4275, 5.3251, -2.5771, 0.3703],
        [-0.2592, 0.0008, 0.2125, -0.8989, 0.0452],
        [-0.2608, 0.0092, 0.2102, -1.6537, 0.0529],
    ]
)
# Zenith chromaticity x, y: rows are turbidity squared, linear, constant; columns the zenith angle, cubic first.
_ZENITH_X = np.array(
    [[0.00166, -0.00375, 0.00209, 0.0], [-0.02903, 0.06377, -0.03202, 0.00394], [0.11693, -0.21196, 0.06052, 0.25886]]
)
_ZENITH_Y = np.array(
    [[0.00275, -0.00610, 0.00317, 0.0], [-0.04214, 0.08970, -0.04153, 0.00516], [0.15346, -0.26756, 0.06670, 0.26688]]
)


@dataclass(frozen=True, kw_only=True)
class Daylight:
    """A sky over flat ground.

    Attributes:
        sun_elevation_deg: above the horizon, 2 to 88.
        turbidity: haze, 2 (mountain air) to 8.
        clouds: share of the clear sky that an overcast one replaces, in [0, 1]; it dims the sun too.
        ground: linear RGB reflectance of the ground.
        overcast: linear RGB tint of clouds.
    """

    sun_elevation_deg: float
    turbidity: float = 3.0
    clouds: float = 0.0
    ground: tuple[float, float, float] = (0.22, 0.20, 0.17)
    overcast: tuple[float, float, float] = (0.95, 1.0, 1.07)


def sun_direction(sky: Daylight) -> F64:
    """(3,) float64 unit direction to the sun, above +z."""
    elevation = np.radians(sky.sun_elevation_deg)
    return np.array([0.0, np.sin(elevation), np.cos(elevation)], np.float64)


def daylight_radiance(sky: Daylight, directions: F64) -> F64:
    """Radiance of the sky without its sun, and of the ground, from directions (N, 3): (N, 3) linear RGB, kcd/m^2."""
    up = directions[:, 1]
    above = directions.copy()
    above[:, 1] = np.maximum(up, 0.01)
    above /= np.linalg.norm(above, axis=1, keepdims=True)
    clear = _clear_sky(sky, above)
    zenith = float(_zenith_luminance(sky))
    # CIE overcast sky. Its zenith luminance follows that of the clear sky, so that noon is brighter than evening.
    cloudy = (0.6 * zenith + 2.0) * (1.0 + 2.0 * above[:, 1:2]) / 3.0 * np.asarray(sky.overcast)
    radiance: F64 = clear * (1.0 - sky.clouds) + cloudy * sky.clouds
    horizontal = (radiance[up > 0] * up[up > 0, None]).mean(axis=0) * 2.0 * np.pi
    horizontal += sun_irradiance(sky) * sun_direction(sky)[1]
    radiance[up <= 0] = np.asarray(sky.ground) * horizontal / np.pi
    return radiance


def sun_irradiance(sky: Daylight) -> F64:
    """Irradiance of the sun on a surface that faces it, after the atmosphere: (3,) float64 linear RGB, klx."""
    elevation = np.radians(sky.sun_elevation_deg)
    # Kasten and Young's optical air mass (1989) and Angstrom's haze, at 600, 550 and 460 nm.
    mass = 1.0 / (np.sin(elevation) + 0.50572 * (sky.sun_elevation_deg + 6.07995) ** -1.6364)
    haze = 0.04608 * sky.turbidity - 0.04586
    wavelength = np.array([0.60, 0.55, 0.46])
    depth = 0.008735 * wavelength**-4.08 + haze * wavelength**-1.3
    return np.asarray(110.0 * np.exp(-depth * mass) * (1.0 - sky.clouds) ** 2, np.float64)


def _zenith_luminance(sky: Daylight) -> float:
    """Luminance of the zenith, kcd per square metre (Preetham et al., appendix A.2)."""
    theta = np.pi / 2 - np.radians(sky.sun_elevation_deg)
    chi = (4.0 / 9.0 - sky.turbidity / 120.0) * (np.pi - 2.0 * theta)
    return max(float((4.0453 * sky.turbidity - 4.9710) * np.tan(chi) - 0.2155 * sky.turbidity + 2.4192), 0.5)


def _clear_sky(sky: Daylight, directions: F64) -> F64:
    theta = np.pi / 2 - np.radians(sky.sun_elevation_deg)
    powers = np.array([theta**3, theta**2, theta, 1.0])
    haze = np.array([sky.turbidity**2, sky.turbidity, 1.0])
    zenith = (_zenith_luminance(sky), float(haze @ _ZENITH_X @ powers), float(haze @ _ZENITH_Y @ powers))
    cosine = directions @ sun_direction(sky)
    gamma = np.arccos(np.clip(cosine, -1.0, 1.0))
    values = []
    for slope, constant, at_zenith in zip(_PEREZ_SLOPE, _PEREZ_CONSTANT, zenith, strict=True):
        a, b, c, d, e = slope * sky.turbidity + constant
        there = (1 + a * np.exp(b / directions[:, 1])) * (1 + c * np.exp(d * gamma) + e * cosine**2)
        top = (1 + a * np.exp(b)) * (1 + c * np.exp(d * theta) + e * np.cos(theta) ** 2)
        values.append(at_zenith * there / top)
    luminance, x, y = values
    xyz = np.stack([luminance * x / y, luminance, luminance * (1 - x - y) / y], axis=1)
    return np.asarray(np.maximum(xyz @ _XYZ_TO_RGB.T, 0.0), np.float64)
