"""A pyrender texture with finished mip-maps. Importing this file loads pyrender, hence it is one of its own."""

from __future__ import annotations

import numpy as np
import pyrender
from OpenGL import GL

from ..core.arrays import U8, Array
from ..geometry.mesh import Wrap
from .textures import mip_levels

WRAPS = {"repeat": GL.GL_REPEAT, "clamp": GL.GL_CLAMP_TO_EDGE, "mirror": GL.GL_MIRRORED_REPEAT}


class MipmappedTexture(pyrender.Texture):  # type: ignore[misc]  # pyrender has no types
    """A texture that draws with our own mip-maps, the same as Embree's: a driver's may be brighter (see textures.py).

    Args:
        texture: (H, W, 4) uint8, row 0 at the top.
        wrap: what it shows beyond [0, 1] along u and v.
    """

    def __init__(self, texture: U8, wrap: tuple[Wrap, Wrap]) -> None:
        across, down = (WRAPS[side] for side in wrap)
        sampler = pyrender.Sampler(wrapS=across, wrapT=down)
        super().__init__(source=texture, source_channels="RGBA", sampler=sampler)
        self._texture = texture

    def _add_to_context(self) -> None:
        super()._add_to_context()
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._texid)
        levels: list[Array] = [self._texture, *mip_levels(self._texture)]
        for number, level in enumerate(levels):
            height, width = level.shape[:2]
            values = GL.GL_UNSIGNED_BYTE if level.dtype == np.uint8 else GL.GL_UNSIGNED_SHORT
            rows = np.ascontiguousarray(level[::-1])  # OpenGL's row 0 is at the bottom
            GL.glTexImage2D(GL.GL_TEXTURE_2D, number, GL.GL_RGBA16, width, height, 0, GL.GL_RGBA, values, rows)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
