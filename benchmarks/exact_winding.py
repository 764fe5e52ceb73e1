"""The slow reference of labels: every triangle's solid angle from every point, in float64, and nothing else."""

# Kernels are Warp's own language: no "from __future__ import annotations", Warp reads the annotations as objects.

from typing import Any

import numpy as np
import numpy.typing as npt
import warp as wp

wp.config.quiet = True
F64 = npt.NDArray[np.float64]


@wp.kernel
def solid_angles(
    points: wp.array(dtype=wp.vec3d), corners: wp.array(dtype=wp.vec3d), winding: wp.array(dtype=wp.float64)
):
    """One point against all triangles: van Oosterom and Strackee (1983), equation 8.

    Half the solid angle of a triangle is the angle of below + i above. Angles add where complex numbers are multiplied,
    so many small ones need one arc tangent, taken before their sum can reach a half turn.
    """
    i = wp.tid()
    p = points[i]
    total = wp.float64(0.0)
    real = wp.float64(1.0)
    imaginary = wp.float64(0.0)
    reach = wp.float64(0.0)
    for k in range(corners.shape[0] // 3):
        a = corners[3 * k] - p
        b = corners[3 * k + 1] - p
        c = corners[3 * k + 2] - p
        la = wp.length(a)
        lb = wp.length(b)
        lc = wp.length(c)
        below = la * lb * lc + wp.dot(a, b) * lc + wp.dot(b, c) * la + wp.dot(c, a) * lb
        above = wp.dot(a, wp.cross(b, c))
        if wp.abs(above) < below:
            tangent = above / below
            if reach + wp.abs(tangent) > wp.float64(3.0):
                total += wp.atan2(imaginary, real)
                real = wp.float64(1.0)
                imaginary = wp.float64(0.0)
                reach = wp.float64(0.0)
            turned = real - imaginary * tangent
            imaginary += real * tangent
            real = turned
            reach += wp.abs(tangent)
        else:
            total += wp.atan2(above, below)
    winding[i] = (total + wp.atan2(imaginary, real)) / wp.float64(6.283185307179586)


def exact_winding(corners: F64, points: F64) -> F64:
    """(N,) winding numbers at (N, 3) points of (F, 3, 3) outward-facing triangles."""
    winding = np.zeros(len(points))

    def view(array: npt.NDArray[Any], dtype: Any) -> Any:
        return wp.array(np.ascontiguousarray(array), dtype=dtype, device="cpu", copy=False)

    wp.launch(
        solid_angles,
        dim=len(points),
        inputs=[view(points, wp.vec3d), view(corners.reshape(-1, 3), wp.vec3d)],
        outputs=[view(winding, wp.float64)],
        device="cpu",
    )
    return winding
