"""Real spherical harmonics up to the second order: nine functions of a direction, in world axes.

Order of the coefficients (l, m): (0,0) (1,-1) (1,0) (1,1) (2,-2) (2,-1) (2,0) (2,1) (2,2); orthonormal over the
sphere; no Condon-Shortley sign, so that (1,-1), (1,0), (1,1) are y, z, x (Sloan, "Stupid Spherical Harmonics Tricks",
2008, appendix A2).
"""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64, Floats
from ...geometry.directions import fibonacci_directions

COEFFICIENTS = 9

# Factor from a radiance coefficient of band 0, 1, 2 to irradiance / pi of a diffuse surface, without occlusion
# (Ramamoorthi and Hanrahan, "An Efficient Representation for Irradiance Environment Maps", 2001, equations 8 and 9).
LAMBERT_BANDS = (1.0, 2.0 / 3.0, 1.0 / 4.0)
LAMBERT: F64 = np.repeat(LAMBERT_BANDS, (1, 3, 5))


def sh_basis(directions: Floats) -> F64:
    """Evaluate the nine functions at unit directions (N, 3): (N, 9) float64."""
    x, y, z = np.asarray(directions, np.float64).T
    first = np.sqrt(3.0 / (4.0 * np.pi))
    second = np.sqrt(15.0 / (4.0 * np.pi))
    return np.stack(
        [
            np.full_like(x, np.sqrt(1.0 / (4.0 * np.pi))),
            first * y,
            first * z,
            first * x,
            second * x * y,
            second * y * z,
            second / np.sqrt(12.0) * (3.0 * z * z - 1.0),
            second * x * z,
            second * 0.5 * (x * x - y * y),
        ],
        axis=1,
    )


def sh_rotation(rotation: Floats) -> F64:
    """The (9, 9) float64 matrix M that rotates coefficients: the rotated function has the coefficients M @ c.

    The rotated function has at `rotation @ d` the value that the original has at d.

    Args:
        rotation: (3, 3).
    """
    directions = fibonacci_directions(64)
    # f'(d) = f(R^-1 d), so basis(d) M = basis(R^-1 d); the bands are closed under rotation and the fit is exact.
    matrix = np.linalg.lstsq(sh_basis(directions), sh_basis(directions @ rotation), rcond=None)[0]
    bands = np.repeat((0, 1, 2), (1, 3, 5))
    return np.where(bands[:, None] == bands[None, :], matrix, 0.0)


def yaw_rotation(yaw_rad: float) -> F64:
    """(3, 3) float64 rotation of world directions about the vertical axis, from +z towards +x (as cameras' yaw)."""
    cosine, sine = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
