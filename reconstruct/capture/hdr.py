"""High dynamic range to sRGB: films in HLG and PQ (ITU-R BT.2100) are shown as an ordinary screen would show them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...core.arrays import F32, U8, Array

# FFmpeg's numbers of the transfer functions (ITU-T H.273, table 3).
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
# BT.2408: white paper is shown at 203 candela a square metre.
WHITE_NITS, HLG_PEAK_NITS, HLG_GAMMA = 203.0, 1000.0, 1.2
# Up to this share of white nothing is changed; what is brighter is compressed towards white.
KNEE = 0.75
# Linear BT.2020 to linear BT.709, from the primaries and the white D65 of both (BT.2087, section 2).
TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # fmt: skip
_STEPS = 4096


def tone_map(yuv: Array, *, transfer: str, full_range: bool = False) -> U8:
    """Convert a picture in HLG or PQ with the primaries of BT.2020 to sRGB.

    Colours up to three quarters of diffuse white keep their brightness; brighter ones are compressed towards white,
    the three channels by the same factor, so that hues stay.

    Args:
        yuv: (H, W, 3) uint16, non-constant luminance of BT.2020, 16 bits.
        transfer: "HLG" or "PQ".
        full_range: whether the values use all 16 bits, rather than those of "limited" video.

    Returns:
        (H, W, 3) uint8 display values.
    """
    values = yuv.astype(np.float32)
    luma, blue, red = values[..., 0], values[..., 1] - 32768.0, values[..., 2] - 32768.0
    if full_range:
        luma, blue, red = luma / 65535.0, blue / 65535.0, red / 65535.0
    else:
        luma, blue, red = (luma - 4096.0) / 56064.0, blue / 57344.0, red / 57344.0
    # BT.2020, table 4: the weights of red and blue in the luminance are 0.2627 and 0.0593.
    signal = np.stack([luma + 1.4746 * red, luma - 0.16455 * blue - 0.57135 * red, luma + 1.8814 * blue], axis=-1)
    light = _lookup(_light_table(transfer), signal)
    if transfer == "HLG":  # the screen's part of the transfer: BT.2100, table 5, note 5e
        scene = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light *= (HLG_PEAK_NITS * np.maximum(scene, 1e-6) ** (HLG_GAMMA - 1.0))[..., None]
    light /= WHITE_NITS
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light *= np.where(
        brightest <= KNEE, 1.0, (1.0 - (1.0 - KNEE) * np.exp((KNEE - brightest) / (1.0 - KNEE))) / brightest
    )
    display = _lookup(_srgb_table(), light @ TO_BT709.T)
    pixels: U8 = np.rint(255.0 * display).astype(np.uint8)
    return pixels


def _lookup(table: F32, values: F32) -> F32:
    """Values of a function that is tabulated at even steps of [0, 1], interpolated; what lies outside is clipped."""
    place = np.clip(values, 0.0, 1.0) * (len(table) - 1)
    before = np.minimum(place.astype(np.int32), len(table) - 2)
    rest = place - before
    found: F32 = table[before] * (1.0 - rest) + table[before + 1] * rest
    return found


@lru_cache
def _light_table(transfer: str) -> F32:
    """Light of a signal: the scene's, relative to its peak, for HLG; the screen's in nits for PQ (BT.2100)."""
    signal = np.linspace(0.0, 1.0, _STEPS)
    if transfer == "HLG":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)
    else:
        root = signal ** (1.0 / 78.84375)
        light = 10000.0 * (np.maximum(root - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root)) ** (1.0 / 0.1593017578125)
    return light.astype(np.float32)


@lru_cache
def _srgb_table() -> F32:
    """The sRGB curve (IEC 61966-2-1); its steep start needs many steps."""
    linear = np.linspace(0.0, 1.0, 16 * _STEPS)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
