"""Alpha arithmetic of 8-bit pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]


def straight_alpha(premultiplied: U8) -> U8:
    """(H, W, 4) uint8 straight-alpha copy of a premultiplied picture, contiguous; alpha 0 becomes (0, 0, 0, 0)."""
    picture = np.array(premultiplied, order="C")
    rows, columns = np.nonzero((picture[..., 3] > 0) & (picture[..., 3] < 255))
    edge = picture[rows, columns].astype(np.float32)
    edge[:, :3] *= 255.0 / edge[:, 3:]
    picture[rows, columns] = np.minimum(np.rint(edge), 255.0).astype(np.uint8)
    picture[picture[..., 3] == 0] = 0
    return picture
