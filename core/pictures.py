"""Alpha arithmetic of 8-bit pictures."""

from __future__ import annotations

import numpy as np

from .arrays import U8


def straight_alpha(premultiplied: U8) -> U8:
    """(H, W, 4) uint8 straight-alpha copy of a premultiplied picture, contiguous; alpha 0 becomes (0, 0, 0, 0)."""
    picture = np.array(premultiplied, order="C")
    flat = picture.reshape(-1, 4)
    alpha = np.ascontiguousarray(flat[:, 3])
    partial = np.flatnonzero((alpha > 0) & (alpha < 255))
    edge = flat[partial].astype(np.float32)
    edge[:, :3] *= 255.0 / edge[:, 3:]
    flat[partial] = np.minimum(np.rint(edge), 255.0).astype(np.uint8)
    flat *= (alpha > 0)[:, None]
    return picture
