"""The built-in environments: 72 procedural places, projected to harmonics; no picture is shipped or downloaded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...core.arrays import F64
from ...core.randomness import derive_rng
from ...geometry.directions import fibonacci_directions
from .harmonics import sh_basis
from .interiors import Panel, Room, SoftBox, Studio, colour_of_kelvin, room_radiance, studio_radiance
from .sky import Daylight, daylight_radiance, sun_direction, sun_irradiance

RGB = tuple[float, float, float]

# Directions of the projection: a window a few degrees wide is projected to within a few percent.
PROJECTION_DIRECTIONS = 8192
_GROUNDS: dict[str, RGB] = {
    "street": (0.16, 0.16, 0.16),
    "grass": (0.08, 0.15, 0.04),
    "sand": (0.42, 0.35, 0.24),
    "snow": (0.80, 0.82, 0.86),
}


def environments() -> Iterator[tuple[str, F64]]:
    """Yield the name and (9, 3) float64 radiance coefficients, in a unit of its own, of each built-in environment."""
    directions = fibonacci_directions(PROJECTION_DIRECTIONS)
    projector = sh_basis(directions).T * (4.0 * np.pi / PROJECTION_DIRECTIONS)
    for name, sky in _skies():
        sun = sh_basis(sun_direction(sky)[None])[0][:, None] * sun_irradiance(sky)[None, :]
        yield name, projector @ daylight_radiance(sky, directions) + sun
    for name, room in _rooms():
        yield name, projector @ room_radiance(room, directions)
    for name, studio in _studios():
        yield name, projector @ studio_radiance(studio, directions)


def _skies() -> Iterator[tuple[str, Daylight]]:
    grounds = list(_GROUNDS.items())
    # Sun elevation of a day at 45 degrees north, near midsummer.
    hours = {"06": 12.0, "07": 22.0, "08": 32.0, "10": 52.0, "12": 67.0, "14": 60.0, "16": 41.0, "18": 18.0, "19": 8.0}
    for place, (hour, elevation) in enumerate(hours.items()):
        for air, turbidity in (("clear", 2.5), ("hazy", 5.0)):
            ground, reflectance = grounds[(place + (air == "hazy")) % len(grounds)]
            yield (
                f"sky_{hour}h_{air}_{ground}",
                Daylight(sun_elevation_deg=elevation, turbidity=turbidity, ground=reflectance),
            )
    tints: dict[str, RGB] = {"grey": (1.0, 1.0, 1.0), "blue": (0.86, 0.97, 1.15), "warm": (1.08, 1.0, 0.9)}
    for tint, overcast in tints.items():
        for cover, clouds in (("broken", 0.6), ("overcast", 0.92), ("dull", 1.0)):
            ground, reflectance = grounds[len(tint + cover) % len(grounds)]
            yield (
                f"{cover}_{tint}_{ground}",
                Daylight(sun_elevation_deg=38.0, turbidity=4.0, clouds=clouds, ground=reflectance, overcast=overcast),
            )


def _rooms() -> Iterator[tuple[str, Room]]:
    walls: list[RGB] = [
        (0.75, 0.73, 0.68),
        (0.55, 0.60, 0.66),
        (0.70, 0.55, 0.42),
        (0.35, 0.42, 0.36),
        (0.82, 0.82, 0.82),
    ]
    floors: list[RGB] = [(0.30, 0.19, 0.11), (0.42, 0.42, 0.42), (0.22, 0.20, 0.18), (0.50, 0.42, 0.30)]
    kinds = ("window", "windows", "lamp", "office", "mixed")
    for number in range(25):
        kind = kinds[number % len(kinds)]
        rng = derive_rng(0, "built-in room", number)
        size = (float(rng.uniform(3.2, 9.0)), float(rng.uniform(2.4, 3.6)), float(rng.uniform(3.2, 9.0)))
        daylight = _tinted(float(rng.uniform(5200, 8500)), float(rng.uniform(6.0, 12.0)))
        lamp = _tinted(float(rng.uniform(2600, 4200)), float(rng.uniform(8.0, 16.0)))
        panels: list[Panel] = []
        if kind in ("window", "windows", "mixed"):
            faces = rng.permutation(["+x", "-x", "+z", "-z"])[: 1 if kind == "window" else 2]
            for face in faces:
                wide = (float(rng.uniform(-0.3, 0.3)), float(rng.uniform(0.3, 0.6)))
                # On x walls the free axes are (y, z), on z walls (x, y).
                tall = (float(rng.uniform(0.0, 0.2)), float(rng.uniform(0.35, 0.6)))
                first, second = (tall, wide) if face[1] == "x" else (wide, tall)
                panels.append(
                    Panel(face=str(face), centre=(first[0], second[0]), half=(first[1], second[1]), radiance=daylight)
                )
        if kind in ("lamp", "mixed"):
            spot = (float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5)))
            panels.append(Panel(face="+y", centre=spot, half=(0.16, 0.16), radiance=lamp))
        if kind == "office":
            neutral = _tinted(float(rng.uniform(3800, 5500)), 7.0)
            for row in (-0.5, 0.5):
                panels.append(Panel(face="+y", centre=(row, 0.0), half=(0.08, 0.7), radiance=neutral))
        yield (
            f"room_{kind}_{number:02d}",
            Room(
                size_m=size,
                walls=walls[number % len(walls)],
                floor=floors[number % len(floors)],
                ceiling=(0.8, 0.8, 0.78),
                panels=tuple(panels),
                ambient=float(rng.uniform(0.6, 1.4)),
            ),
        )


def _studios() -> Iterator[tuple[str, Studio]]:
    for number in range(20):
        rng = derive_rng(0, "built-in studio", number)
        side = float(rng.choice([-1.0, 1.0]))
        key = SoftBox(
            azimuth_deg=side * float(rng.uniform(15, 60)),
            elevation_deg=float(rng.uniform(15, 55)),
            sharpness=float(rng.uniform(5, 40)),
            radiance=_tinted(float(rng.uniform(4500, 6500)), 10.0),
        )
        fill = SoftBox(
            azimuth_deg=-side * float(rng.uniform(40, 90)),
            elevation_deg=float(rng.uniform(0, 30)),
            sharpness=float(rng.uniform(3, 10)),
            radiance=_tinted(float(rng.uniform(4500, 8000)), float(rng.uniform(1.0, 4.0))),
        )
        rim = SoftBox(
            azimuth_deg=180.0 + side * float(rng.uniform(-50, 50)),
            elevation_deg=float(rng.uniform(10, 60)),
            sharpness=float(rng.uniform(10, 60)),
            radiance=_tinted(float(rng.uniform(3000, 9000)), float(rng.uniform(3.0, 9.0))),
        )
        grey = float(rng.uniform(0.1, 0.9))
        name = "high_key" if grey > 0.5 else "low_key"
        yield f"studio_{name}_{number:02d}", Studio(boxes=(key, fill, rim), backdrop=(grey, grey, grey))


def _tinted(kelvin: float, strength: float) -> RGB:
    red, green, blue = colour_of_kelvin(kelvin)
    return red * strength, green * strength, blue * strength
