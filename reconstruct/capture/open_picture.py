"""Open pictures of many kinds: turned upright as their EXIF entry says, with 8 bits a channel where colours count."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ...core.arrays import U8
from ...core.errors import InputError
from ...formats.png_box import HEAD_BYTES, read_png_box

# A picture with more pixels is refused before it is decoded.
MOST_PIXELS = 1 << 28
HEIC = (".heic", ".heif")


def open_picture(path: Path) -> Image.Image:
    """Decode a picture and turn it upright.

    Raises:
        InputError: it is missing, damaged, too large or of an unknown kind.
    """
    if not path.is_file():
        raise InputError(path, "no such file")
    if path.suffix.lower() in HEIC:
        register_heif(path)
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise InputError(path, f"{picture.width} x {picture.height} pixels are more than {MOST_PIXELS}")
            picture.load()
            return ImageOps.exif_transpose(_placed(picture, path) if picture.format == "PNG" else picture)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(path, f"not readable as a picture ({error}); save it as PNG or JPEG") from error


def register_heif(path: Path) -> None:
    """Let Pillow read HEIC, the format of Apple's telephones.

    Raises:
        InputError: `pillow-heif` is not installed.
    """
    try:
        import pillow_heif
    except ImportError:
        raise InputError(path, "HEIC pictures need pillow-heif: pip install 'mpc[heic]'") from None
    pillow_heif.register_heif_opener()


def colours_of(picture: Image.Image, path: Path) -> U8:
    """The colours of a picture in sRGB, (H, W, 3) uint8.

    Grey of 16 bits, and of numbers from 0 to 1 or to 65535, is scaled.

    Raises:
        InputError: the numbers are beyond these ranges, so that nobody can know what is white.
    """
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        return np.asarray(in_srgb(picture).convert("RGB"))
    values = np.asarray(picture, dtype=np.float64)
    most = 1.0 if picture.mode == "F" else 65535.0
    if not np.isfinite(values).all() or values.min(initial=0) < 0 or values.max(initial=0) > most:
        found = f"{values.min(initial=0):g} to {values.max(initial=0):g}"
        raise InputError(path, f"its values are {found}, expected 0 to {most:g}; save it with 8 or 16 bits a channel")
    grey = np.rint(values * (255.0 / most)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def in_srgb(picture: Image.Image) -> Image.Image:
    """A picture in sRGB: converted where a profile of another colour space is embedded, as telephones and printers do.

    Greys, palettes, and pictures whose profile does not read stay as they are.
    """
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK"):
        return picture
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return picture
        mode = "RGB" if picture.mode == "CMYK" else picture.mode
        converted = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return picture
    return picture if converted is None else converted


def _placed(picture: Image.Image, path: Path) -> Image.Image:
    """The whole picture where the file holds a box of it, as those of `mpc render` do."""
    with path.open("rb") as file:
        place = read_png_box(file.read(HEAD_BYTES))
    if place is None:
        return picture
    (top, left, _, _), (height, width) = place
    if width * height > MOST_PIXELS:
        raise InputError(path, f"{width} x {height} pixels are more than {MOST_PIXELS}")
    whole = Image.new(picture.mode, (width, height))
    whole.paste(picture, (left, top))
    return whole
