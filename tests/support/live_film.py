"""What `mpc live` is shown in tests: a red person who walks, as frames with and without a mask, and as films."""

import io

import numpy as np
from PIL import Image

from mpc.view.live.shots import Shot
from support.films import write_film
from support.stick_person import StickFinder
from support.toy_run import red_person


class CountingFinder(StickFinder):
    """A StickFinder that also counts people, as the detector does."""

    def detect(self, picture):
        return self._people(picture)


def masked_frame(step=0):
    """A frame (200, 160, 4) whose alpha is the mask of the person, who has walked `step` times 6 pixels."""
    left = 40 + 6 * step
    return red_person(box=(20, 180, left, left + 40))


def jpeg(picture):
    """A picture as the page's camera sends it."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[..., :3])).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def shot(number=1, content=None, taken=None):
    """A shot of the walking person."""
    return Shot(number, number / 10 if taken is None else taken, masked_frame(number) if content is None else content)


def write_masked_film(path, frames=6):
    """A film with transparency (VP9, .webm), so that nobody has to be looked for in it."""
    write_film(path, [masked_frame(step) for step in range(frames)], codec="libvpx-vp9", pixels="yuva420p", rate=20)
    return path
