"""Light indoors: a room with windows and lamps, at the place of the person, and studios with soft boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64

RGB = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A glowing rectangle on a wall or the ceiling of a room.

    Attributes:
        face: "+x", "-x", "+y" (ceiling), "+z" or "-z".
        centre: middle of the panel along the face's two other axes (in order x, y, z), in [-1, 1] of the room.
        half: half its size along these axes, in the same unit.
        radiance: linear RGB.
    """

    face: str
    centre: tuple[float, float]
    half: tuple[float, float]
    radiance: RGB


@dataclass(frozen=True, kw_only=True)
class Room:
    """A box with the person in the middle of its floor plan.

    Attributes:
        size_m: width (x), height (y), depth (z).
        walls: linear RGB reflectance.
        floor: linear RGB reflectance.
        ceiling: linear RGB reflectance.
        panels: windows and lamps.
        ambient: share of the panels' light that fills the room after reflection.
    """

    size_m: tuple[float, float, float]
    walls: RGB
    floor: RGB
    ceiling: RGB
    panels: tuple[Panel, ...]
    ambient: float = 0.6


@dataclass(frozen=True, kw_only=True)
class SoftBox:
    """A soft lobe of light: radiance * exp((cos(angle) - 1) * sharpness).

    Attributes:
        azimuth_deg: from +z towards +x.
        elevation_deg: above the horizon.
        sharpness: 4 (very wide) to 200 (a spot).
        radiance: linear RGB at its centre.
    """

    azimuth_deg: float
    elevation_deg: float
    sharpness: float
    radiance: RGB


@dataclass(frozen=True, kw_only=True)
class Studio:
    """Soft boxes in front of a uniform backdrop.

    Attributes:
        boxes: the lamps.
        backdrop: linear RGB radiance.
    """

    boxes: tuple[SoftBox, ...]
    backdrop: RGB = (0.08, 0.08, 0.08)


_FACES = ("+x", "-x", "+y", "-y", "+z", "-z")


def room_radiance(room: Room, directions: F64) -> F64:
    """Radiance from directions (N, 3) at chest height in the middle of the room: (N, 3) float64 linear RGB."""
    half = np.asarray(room.size_m) / 2.0
    eye = np.array([0.0, min(1.3, 0.6 * room.size_m[1]) - half[1], 0.0])
    safe = np.where(np.abs(directions) < 1e-9, 1e-9, directions)
    to_wall = (np.sign(safe) * half - eye) / safe
    axis = np.argmin(to_wall, axis=1)
    rows = np.arange(len(directions))
    spot = (eye + directions * to_wall[rows, axis, None]) / half
    face = axis * 2 + (safe[rows, axis] < 0)
    # The reflected light that fills the room is proportional to the panels' radiance and area.
    glow = np.zeros(3)
    for panel in room.panels:
        glow += np.asarray(panel.radiance) * panel.half[0] * panel.half[1]
    glow *= room.ambient
    reflectance: F64 = np.array([room.walls, room.walls, room.ceiling, room.floor, room.walls, room.walls])
    radiance: F64 = reflectance[face] * glow
    for panel in room.panels:
        number = _FACES.index(panel.face)
        others = [other for other in range(3) if other != number // 2]
        local = np.abs(spot[:, others] - np.asarray(panel.centre))
        lit = (face == number) & (local <= np.asarray(panel.half)).all(axis=1)
        radiance[lit] = panel.radiance
    return radiance


def studio_radiance(studio: Studio, directions: F64) -> F64:
    """Radiance from directions (N, 3): (N, 3) float64 linear RGB."""
    radiance = np.tile(np.asarray(studio.backdrop, np.float64), (len(directions), 1))
    for box in studio.boxes:
        azimuth, elevation = np.radians(box.azimuth_deg), np.radians(box.elevation_deg)
        towards = np.array(
            [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
        )
        radiance += np.exp((directions @ towards - 1.0) * box.sharpness)[:, None] * np.asarray(box.radiance)
    return radiance


def colour_of_kelvin(kelvin: float) -> RGB:
    """Linear sRGB of a black body of 1,900 to 12,000 K, brightest channel 1 (Krystek 1985, in CIE 1960 u, v)."""
    t = kelvin
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t)
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t)
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    big_x, big_z = x / y, (1 - x - y) / y
    red = 3.2406 * big_x - 1.5372 - 0.4986 * big_z
    green = -0.9689 * big_x + 1.8758 + 0.0415 * big_z
    blue = 0.0557 * big_x - 0.2040 + 1.0570 * big_z
    most = max(red, green, blue)
    return max(red, 0.0) / most, max(green, 0.0) / most, max(blue, 0.0) / most
