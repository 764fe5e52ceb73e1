"""Textures of models: pictures of any usual format become 8-bit RGBA, or an error that names the file."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from ..core.arrays import U8
from ..core.errors import InputError
from .limits import MAX_FILE_BYTES, MAX_TEXTURE_PIXELS, read_bytes

# A closed list: PIL's other plug-ins (EPS, PDF, WMF, ...) run programs or parse languages.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "TGA", "WEBP", "GIF", "DDS", "PPM")
# What a byte of file can hold at most, by the compression (deflate: 1032 to 1; runs of 128; ...); a header that claims
# more is made up, and nothing is reserved for it. Any text may pass for a TGA, which has no signature.
PIXELS_PER_BYTE = {"PNG": 8300, "GIF": 4100, "TGA": 128, "BMP": 128, "PPM": 8, "DDS": 4}
MOST_PIXELS_PER_BYTE = 20_000
_PIL_LOCK = threading.Lock()


def read_texture(source: Path | bytes, label: Path, *, max_pixels: int = MAX_TEXTURE_PIXELS) -> U8:
    """Decode a picture.

    Args:
        source: a file (already checked to lie inside the model's folder) or its bytes.
        label: path that errors name.
        max_pixels: refuse a header that claims more, before anything is decoded.

    Returns:
        (H, W, 4) uint8, sRGB, straight alpha (255 where the picture has none), row 0 at the top.

    Raises:
        InputError: not a picture, truncated, or too large.
    """
    content = read_bytes(source, MAX_FILE_BYTES) if isinstance(source, Path) else source
    try:
        with _without_pil_limit(), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > max_pixels or width * height == 0:
                raise InputError(label, f"a picture of {width} x {height} pixels; at most {max_pixels} are decoded")
            if width * height > len(content) * PIXELS_PER_BYTE.get(str(picture.format), MOST_PIXELS_PER_BYTE):
                raise InputError(label, f"a picture of {width} x {height} pixels cannot lie in {len(content)} bytes")
            picture.load()
            return _to_rgba(picture)
    except InputError:
        raise
    # PIL's plug-ins raise many kinds of error on damaged data; each means that this file is not usable.
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, struct.error, EOFError) as error:
        raise InputError(label, f"the picture cannot be decoded ({_short(error)})") from error
    except (OverflowError, ZeroDivisionError, AttributeError, NotImplementedError) as error:
        raise InputError(label, f"the picture cannot be decoded ({_short(error)})") from error


def _to_rgba(picture: Image.Image) -> U8:
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bit and wider grey
        wide = np.asarray(picture, dtype=np.float64)
        scale = 257.0 if picture.mode.startswith("I") else 1.0 / 255.0
        grey = np.clip(np.nan_to_num(np.rint(wide / scale)), 0, 255).astype(np.uint8)
        return np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    return np.array(picture.convert("RGBA"), dtype=np.uint8)


@contextmanager
def _without_pil_limit() -> Iterator[None]:
    """PIL's own limit on pixels is lower than ours and global; ours is checked right after the header."""
    with _PIL_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:120] if text else type(error).__name__
