"""The details that make cloth look like a garment: hems, cuffs, seams, plackets, buttons, pockets, soles, prints."""

from __future__ import annotations

import numpy as np

from ...core.arrays import F64, Bools
from ..noise import cell_noise, value_noise
from .outfits import Worn


def _line(distance: F64, width: float, texel_m: float) -> F64:
    """1 on a line of `width` metres, soft over a texel."""
    return np.clip((width * 0.5 + texel_m - np.abs(distance)) / (texel_m + 1e-6), 0, 1)


def stitch(colour: F64, worn: Worn, points: F64, plane: F64, edge: F64, texel_m: float, seed: int) -> F64:
    """Draw a garment's details over its cloth.

    Args:
        colour: (n, 3) sRGB of the cloth.
        worn: the garment.
        points: (n, 3) rest positions, metres.
        plane: (n, 2) cloth coordinates, metres.
        edge: (n,) distance to the nearest hem or opening, metres.
        texel_m: size of a texel, metres.
        seed: of prints and creases.

    Returns:
        (n, 3) sRGB.
    """
    name = worn.garment.name
    x, y, z = points.T
    front = z > np.median(z)
    if worn.garment.kind == "shoes":
        return _shoe(colour, worn, points, texel_m)

    def shade(share: F64, factor: float) -> None:
        nonlocal colour
        colour = np.clip(colour * (1 - share[:, None] * (1 - factor)), 0, 1)

    def paint(share: F64, other: F64) -> None:
        nonlocal colour
        colour = colour * (1 - share[:, None]) + np.asarray(other)[None, :] * share[:, None]

    base = np.asarray(worn.fabric.base)
    dash = np.where(np.sin((plane[:, 0] + plane[:, 1]) * 2 * np.pi / 0.008) > -0.4, 1.0, 0.3)
    if name in ("sweater", "hoodie", "cardigan"):
        rib = (edge < 0.05) * (np.sin((plane[:, 0] + (np.abs(plane[:, 1]) * 0)) * 2 * np.pi / 0.009) > 0)
        shade(np.clip(rib * 1.0, 0, 1), 0.80)
        shade(_line(edge - 0.05, 0.002, texel_m), 0.7)
    else:
        shade(_line(edge - 0.016, 0.0016, texel_m) * dash, 0.62 if base.mean() > 0.25 else 1.5)
    shade(np.clip(1 - edge / 0.004, 0, 1) * 0.6, 0.7)
    if name in ("tee", "sweater", "hoodie", "polo") and worn.garment.vee == 0:
        collar = edge < 0.02
        shade(np.asarray(collar & (y > np.quantile(y, 0.8)), float) * 0.5, 0.86)
    if name in ("shirt", "polo", "dress-top", "coat", "coat-top", "cardigan"):
        low = {"polo": np.max(y) - 0.2, "dress-top": np.min(y)}.get(name, np.min(y))
        placket = front & (np.abs(x) < 0.016) & (y > low)
        if name != "coat" and name != "cardigan":
            shade(_line(np.abs(x) - 0.015, 0.0015, texel_m) * front * (y > low), 0.66)
            spacing = 0.085
            across, offset = x, (y - low) % spacing - spacing / 2
            button = np.hypot(across, offset) < 0.0062
            light = base.mean() < 0.6
            paint(np.asarray(button & placket, float), np.array([0.92, 0.9, 0.86]) if light else base * 0.45)
            shade(np.asarray((np.abs(np.hypot(across, offset) - 0.0062) < 0.0012) & placket, float), 0.6)
    if name == "shirt":
        pocket = _frame_line(x - 0.075, y - (np.max(y) - 0.21), 0.05, 0.06, 0.0015, texel_m) * front
        shade(pocket, 0.66)
    if name == "tee" and worn.fabric.pattern in ("plain", "heather"):
        colour = _print(colour, worn, points, front, texel_m, seed)
    if name == "hoodie":
        pouch = _frame_line(x, y - (np.min(y) + 0.16), 0.13, 0.075, 0.003, texel_m) * front
        shade(pouch, 0.7)
        for side in (-1, 1):
            cord = (np.abs(x - side * 0.03) < 0.003) & front & (y > np.max(y) - 0.24) & (y < np.max(y) - 0.05)
            paint(np.asarray(cord, float), np.array([0.92, 0.91, 0.88]))
    if worn.garment.kind == "trousers":
        top = float(np.max(y))
        shade(_line(plane[:, 0], 0.002, texel_m) * 0.8, 0.66)
        shade(_line(y - (top - 0.042), 0.0018, texel_m), 0.62)
        shade(_line(x, 0.002, texel_m) * (y > top - 0.26), 0.62)
        for side in (-1, 1):
            pocket = _line((np.abs(plane[:, 0]) - 0.02) - (top - 0.05 - y) * 0.35, 0.002, texel_m)
            shade(pocket * front * (y > top - 0.17) * (y < top - 0.045) * (np.sign(x) == side), 0.62)
            back = _frame_line(x - side * 0.085, y - (top - 0.15), 0.055, 0.062, 0.002, texel_m) * ~front
            shade(back, 0.62)
        if name == "jeans":
            thread = np.array([0.78, 0.56, 0.26])
            for distance in (_line(plane[:, 0] - 0.004, 0.0012, texel_m), _line(edge - 0.016, 0.0012, texel_m)):
                paint(0.6 * distance * dash, thread)
            fade = np.exp(-(((y - (top - 0.38)) / 0.2) ** 2)) * front * np.exp(-((plane[:, 0] / 0.07) ** 2) * 0.4)
            colour = np.clip(colour * (1 + 0.28 * fade[:, None]), 0, 1)
    if name in ("dress-skirt", "skirt", "coat-skirt"):
        top = float(np.max(y))
        belt = y > top - 0.035
        paint(np.asarray(belt, float) * 0.85, base * 0.45 if base.mean() > 0.3 else np.clip(base + 0.25, 0, 1))
        shade(_line(y - (top - 0.035), 0.002, texel_m), 0.6)
    if name in ("jacket", "coat", "cardigan"):
        for side in (-1, 1):
            pocket = _frame_line(x - side * 0.115, y - (np.min(y) + 0.13), 0.055, 0.06, 0.002, texel_m) * front
            shade(pocket, 0.62)
        if name == "coat":
            lapel = _line(np.abs(x) - (0.03 + 0.32 * np.clip(y - (np.max(y) - 0.36), 0, 1)), 0.003, texel_m)
            shade(lapel * front * (y > np.max(y) - 0.36), 0.55)
    # The hollows of folds are a little darker, as in photographs of cloth.
    crease = value_noise(points * np.array([14.0, 9.0, 14.0]), seed + 31)
    return np.clip(colour * (1 + 0.035 * crease)[:, None], 0, 1)


def _frame_line(x: F64, y: F64, half_width: float, half_height: float, width: float, texel_m: float) -> F64:
    distance = np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)
    return _line(distance, width, texel_m)


def _print(colour: F64, worn: Worn, points: F64, front: Bools, texel_m: float, seed: int) -> F64:
    x, y = points[:, 0], points[:, 1] - (np.max(points[:, 1]) - 0.21)
    choice = int(cell_noise(np.array([[seed, 3]]), 5)[0] * 5)
    ink, second = np.asarray(worn.fabric.second), np.asarray(worn.fabric.third)
    soft = texel_m + 1e-4
    if choice == 0:
        share = np.clip((0.075 - np.hypot(x, y)) / soft, 0, 1)
        share2 = np.clip((0.05 - np.hypot(x - 0.02, y + 0.01)) / soft, 0, 1) * share
    elif choice == 1:
        rows = np.floor((y + 0.05) / 0.034)
        letters = cell_noise(np.stack([np.floor(x / 0.016), rows], axis=1).astype(np.int64), seed)
        inside = (np.abs(x) < 0.10) & (np.abs(y) < 0.05) & (((y + 0.05) / 0.034) % 1 < 0.68) & ((x / 0.016) % 1 < 0.8)
        share = np.asarray(inside & (letters > 0.25), float)
        share2 = np.zeros_like(share)
    elif choice == 2:
        angle = np.arctan2(y, x)
        share = np.clip((0.05 + 0.028 * np.cos(5 * angle - np.pi / 2) - np.hypot(x, y)) / soft, 0, 1)
        share2 = np.clip((0.02 - np.hypot(x, y)) / soft, 0, 1)
    elif choice == 3:
        share = np.clip((0.045 - np.abs(y)) / soft, 0, 1)
        share2 = np.clip((0.012 - np.abs(y)) / soft, 0, 1)
        return (
            colour * (1 - share[:, None]) * (1 - 0)
            + ink * (share * (1 - share2))[:, None]
            + second * (share * share2)[:, None]
        )
    else:
        return colour
    share, share2 = share * front, share2 * front
    colour = colour * (1 - share[:, None]) + ink * share[:, None]
    return np.asarray(colour * (1 - share2[:, None]) + second * share2[:, None])


def _shoe(colour: F64, worn: Worn, points: F64, texel_m: float) -> F64:
    x, y, z = points.T
    base = np.asarray(worn.fabric.base)
    sole = np.array([0.93, 0.92, 0.90]) if base.sum() * 1e4 % 2 < 1 and worn.garment.name == "shoes" else base * 0.35
    share = np.clip((0.014 - y) / texel_m, 0, 1)
    colour = colour * (1 - share[:, None]) + sole[None, :] * share[:, None]
    front = float(np.quantile(z, 0.99))
    cap = _line(z - (front - 0.065), 0.002, texel_m) * (y > 0.014)
    colour = colour * (1 - 0.4 * cap[:, None])
    if worn.garment.name == "shoes":
        mid = np.abs(x) - np.median(np.abs(x))
        zone = (z > front - 0.15) & (z < front - 0.075) & (np.abs(mid) < 0.02) & (y > 0.035)
        lace = zone & (((z + np.abs(mid) * 0.6) / 0.015) % 1 < 0.4)
        light = np.array([0.92, 0.92, 0.9]) if base.mean() < 0.6 else np.array([0.25, 0.25, 0.27])
        colour = np.where(lace[:, None], light, colour)
    return np.clip(colour, 0, 1)
