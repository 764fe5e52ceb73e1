"""From the landmarks of a picture to the body that a network is given, in one call."""

from __future__ import annotations

from ...core.arrays import F32, U8
from ...core.devices import one_thread
from ...core.pictures import mask_of
from ...motion.makehuman.body import PeopleUnavailable, data_folder
from .draw import draw_body
from .fit import fit_body
from .model import body_model


def why_no_bodies() -> str:
    """Why no body can be fitted on this machine, in words; "" where it can."""
    try:
        data_folder()
    except PeopleUnavailable as error:
        return str(error)
    return ""


def fitted_maps(picture: U8, landmarks: F32 | None, extent_m: float, size: int | None = None) -> F32 | None:
    """Fit a body to a person and draw it; some tenths of a second on one core, the first time in a process one more.

    Args:
        picture: (S, S, 4) uint8 RGBA; alpha is the mask of the person.
        landmarks: (33, 7) in the frame of the picture, see models/person/landmarks.py; None or NaN: not known.
        extent_m: edge of the view cube, metres.
        size: edge of the maps, pixels; None: that of the picture.

    Returns:
        (8, size, size) float32, see `draw_body`; None where the landmarks are not known.

    Raises:
        PeopleUnavailable: the package that holds the body is not installed.
    """
    if landmarks is None:
        return None
    mask = mask_of(picture)
    with one_thread():  # so that the numbers do not depend on the number of threads
        found = fit_body(landmarks, None if mask.all() else mask, extent_m)
    if found is None:
        return None
    return draw_body(found.vertices, body_model().faces, size or len(picture))
