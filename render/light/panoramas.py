"""High-dynamic-range panoramas, read (Radiance .hdr here, OpenEXR by its own package) and projected to harmonics."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F32, F64, U8
from ...core.errors import InputError
from .harmonics import COEFFICIENTS, sh_basis

PANORAMA_SUFFIXES = (".hdr", ".exr")
# A 16k panorama; a header with more pixels is refused before memory is allocated.
MAX_PIXELS = 16384 * 8192
_HEADER_BYTES = 65536


def read_panorama(path: Path) -> F32:
    """Read a panorama: (H, W, 3) float32 linear RGB radiance, row 0 at the top.

    Raises:
        InputError: unreadable, truncated, too large, or .exr without the OpenEXR package.
    """
    return _read_exr(path) if path.suffix.lower() == ".exr" else read_hdr(path)


def project_panorama(panorama: F32) -> F64:
    """Project a longitude-by-latitude panorama (H, W, 3) to harmonics: (9, 3) float64.

    Its middle column is in the direction +z (which people face), its right half towards -x (their right). Values that
    are not finite or negative count as 0.
    """
    height, width = panorama.shape[:2]
    azimuth = ((np.arange(width) + 0.5) / width - 0.5) * 2.0 * np.pi
    total = np.zeros((COEFFICIENTS, 3))
    for row in range(height):
        polar = (row + 0.5) / height * np.pi
        sine = np.sin(polar)
        directions = np.stack([-np.sin(azimuth) * sine, np.full(width, np.cos(polar)), np.cos(azimuth) * sine], axis=1)
        # The row's exact share of the sphere: 2 pi (cos of its upper edge - cos of its lower edge).
        area = 2.0 * np.pi * (np.cos(row / height * np.pi) - np.cos((row + 1) / height * np.pi)) / width
        radiance = panorama[row].astype(np.float64)
        radiance = np.where(np.isfinite(radiance), np.maximum(radiance, 0.0), 0.0)
        total += sh_basis(directions).T @ radiance * area
    return total


def panorama_coordinates(directions: F64) -> tuple[F64, F64]:
    """Where a panorama shows directions: u and v, (N,) each.

    Args:
        directions: (N, 3) unit vectors; +z is in the middle column, as for `project_panorama`.

    Returns:
        u from 0 at the left edge to 1 at the right one, and v from 0 at the lower edge to 1 at the upper one.
    """
    x, y, z = directions.T
    u = np.arctan2(-x, z) / (2.0 * np.pi) + 0.5
    v = 1.0 - np.arccos(np.clip(y, -1.0, 1.0)) / np.pi
    return np.asarray(u, np.float64), np.asarray(v, np.float64)


def read_hdr(path: Path) -> F32:
    """Read a Radiance RGBE picture (Ward, "Real Pixels", Graphics Gems II, 1991), flat or run-length coded.

    Raises:
        InputError: not such a picture, another orientation than "-Y H +X W", XYZE, truncated or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read") from error
    header, _, _ = data[:_HEADER_BYTES].partition(b"\n\n")
    if not header.startswith((b"#?RADIANCE", b"#?RGBE")) or len(header) == min(len(data), _HEADER_BYTES):
        raise InputError(path, "not a Radiance picture (.hdr)")
    if b"FORMAT=32-bit_rle_xyze" in header:
        raise InputError(path, "an XYZE picture; convert it to RGBE")
    start = len(header) + 2
    line, _, _ = data[start : start + 128].partition(b"\n")
    match = re.fullmatch(rb"-Y (\d{1,6}) \+X (\d{1,6})", line.strip())
    if match is None:
        raise InputError(path, "only pictures stored from the top left (-Y H +X W) are read")
    height, width = int(match[1]), int(match[2])
    if not 0 < height * width <= MAX_PIXELS:
        raise InputError(path, f"{width} x {height} pixels, allowed are 1 to {MAX_PIXELS}")
    body = np.frombuffer(data, np.uint8, offset=start + len(line) + 1)
    coded = 8 <= width < 32768 and len(body) >= 4 and body[0] == 2 and body[1] == 2
    pixels = _decode_runs(path, body, height, width) if coded else _flat(path, body, height, width)
    exponent = pixels[..., 3:].astype(np.int32)
    # Zero exponent is black; the mantissa counts in 1/256.
    scale = np.where(exponent > 0, np.ldexp(np.float32(1.0), exponent - 136), np.float32(0.0)).astype(np.float32)
    return pixels[..., :3].astype(np.float32) * scale


def _flat(path: Path, body: U8, height: int, width: int) -> U8:
    if len(body) < height * width * 4:
        raise InputError(path, "truncated: pixels are missing")
    return body[: height * width * 4].reshape(height, width, 4)


def _decode_runs(path: Path, body: U8, height: int, width: int) -> U8:
    # A row takes at least four bytes of header and two bytes per run of at most 127 pixels.
    if len(body) < height * (4 + 4 * 2 * (width // 128)):
        raise InputError(path, "truncated: pixels are missing")
    stream = body.tobytes()
    picture = np.empty((height, 4, width), np.uint8)
    place = 0
    for row in range(height):
        if stream[place : place + 2] != b"\x02\x02" or stream[place + 2 : place + 4] != width.to_bytes(2, "big"):
            raise InputError(path, f"row {row} does not begin as a coded row does (truncated or damaged)")
        place += 4
        for channel in range(4):
            decoded = bytearray()
            while len(decoded) < width:
                count = stream[place] if place < len(stream) else 0
                if count > 128:
                    decoded += stream[place + 1 : place + 2] * (count - 128)
                    place += 2
                elif count:
                    decoded += stream[place + 1 : place + 1 + count]
                    place += 1 + count
                if not count or place > len(stream):
                    raise InputError(path, f"row {row} is truncated or damaged")
            if len(decoded) != width:
                raise InputError(path, f"row {row} is longer than the picture is wide")
            picture[row, channel] = np.frombuffer(bytes(decoded), np.uint8)
    return np.moveaxis(picture, 1, 2)


def check_exr(path: Path) -> Any:
    """The package that reads .exr.

    Raises:
        InputError: it is not installed; names the file that needs it.
    """
    try:
        return importlib.import_module("OpenEXR")
    except ImportError as error:
        raise InputError(
            path, "reading .exr needs the package OpenEXR: pip install 'mpc[exr]', or convert it to .hdr"
        ) from error


def _read_exr(path: Path) -> F32:
    OpenEXR = check_exr(path)
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            low, high = file.header()["dataWindow"]
        width, height = (int(b) - int(a) + 1 for a, b in zip(low, high, strict=True))
        if not 0 < height * width <= MAX_PIXELS:
            raise InputError(path, f"{width} x {height} pixels, allowed are 1 to {MAX_PIXELS}")
        with OpenEXR.File(str(path)) as file:
            channels = file.channels()
            if "RGB" in channels:
                pixels = channels["RGB"].pixels
            elif "RGBA" in channels:
                pixels = channels["RGBA"].pixels[..., :3]
            else:
                raise InputError(path, f"no R, G and B channels (it has {', '.join(sorted(channels))})")
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(path, f"not a readable OpenEXR picture ({error})") from error
    return np.asarray(pixels, np.float32)
