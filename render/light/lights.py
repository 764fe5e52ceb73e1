"""Environments as second-order spherical harmonics: built in or read, exposed, rotated and drawn at random."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...core.arrays import F32, F64
from ...core.errors import InputError, SettingsError
from ...core.files import find_files
from ...core.messages import unknown_name
from ...geometry.directions import fibonacci_directions
from .environments import environments
from .harmonics import LAMBERT, sh_basis, sh_rotation, yaw_rotation
from .panoramas import PANORAMA_SUFFIXES, project_panorama, read_panorama

# Exposure is set on an unoccluded white sphere, in linear values: this percentile of the brightest channel over its
# surface is white, ...
WHITE_PERCENTILE = 95.0
# ... and this percentile of luminance is at least DARK_LUMINANCE (display value 0.25), by adding uniform light.
DARK_PERCENTILE = 5.0
DARK_LUMINANCE = 0.25**2.2
# White balance of a camera: this share (of the logarithm) of a light's mean tint is removed.
WHITE_BALANCE = 0.6
LUMINANCE: F64 = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, eq=False)
class LightSet:
    """L environments.

    Attributes:
        names: L unique names.
        coefficients: (L, 9, 3) float32, see render/light/harmonics.py, linear RGB radiance.
    """

    names: tuple[str, ...]
    coefficients: F32


@dataclass(frozen=True, eq=False)
class Light:
    """One environment of a set, rotated about the vertical axis.

    Attributes:
        name: of the environment in its set.
        yaw_rad: the rotation, from +z towards +x.
        coefficients: (9, 3) float32, after the rotation.
    """

    name: str
    yaw_rad: float
    coefficients: F32


def rotate_light(coefficients: F32, yaw_rad: float) -> F32:
    """Rotate an environment (9, 3) about the vertical axis, from +z towards +x, exactly: (9, 3) float32."""
    turned: F32 = (sh_rotation(yaw_rotation(yaw_rad)) @ coefficients.astype(np.float64)).astype(np.float32)
    return turned


def draw_light(lights: LightSet, rng: np.random.Generator) -> Light:
    """Draw an environment and its rotation at random."""
    index = int(rng.integers(len(lights.names)))
    yaw_rad = float(rng.uniform(0.0, 2.0 * np.pi))
    return Light(lights.names[index], yaw_rad, rotate_light(lights.coefficients[index], yaw_rad))


@lru_cache(maxsize=1)
def builtin_lights() -> LightSet:
    """The 72 environments of render/light/environments.py, exposed; computed once per process, in 0.5 s."""
    names, coefficients = zip(*environments(), strict=True)
    return LightSet(names, np.stack([expose(light) for light in coefficients]))


def load_lights(folder: Path) -> LightSet:
    """Read all panoramas (.hdr, .exr; longitude by latitude) below a folder, sorted by path, and expose them.

    Raises:
        InputError: there is no panorama, or one cannot be read, or a folder cannot be listed; the message names it.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder of panoramas")
    paths = find_files(folder, PANORAMA_SUFFIXES)
    if not paths:
        raise InputError(folder, f"holds no panorama ({', '.join(PANORAMA_SUFFIXES)})")
    lights = []
    for path in paths:
        raw = project_panorama(read_panorama(path))
        if not raw[0].max() > 0:
            raise InputError(path, "is black: it holds no light")
        lights.append(expose(raw))
    return LightSet(tuple(path.relative_to(folder).with_suffix("").as_posix() for path in paths), np.stack(lights))


def choose_lights(lights: LightSet, patterns: Sequence[str] = (), exposure_ev: float = 0.0) -> LightSet:
    """The environments whose names match, made brighter or darker.

    Args:
        lights: all environments.
        patterns: names, in which * and ? stand for other letters; none for all environments.
        exposure_ev: exposure in photographic stops: each stop doubles the light. Above 0, bright parts of pictures are
            clipped at white.

    Raises:
        SettingsError: a pattern matches no name.
    """
    for pattern in patterns:
        if not fnmatch.filter(lights.names, pattern):
            raise SettingsError(unknown_name("light", pattern, lights.names))
    chosen = [
        index
        for index, name in enumerate(lights.names)
        if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]
    coefficients = lights.coefficients[chosen] * np.float32(2.0**exposure_ev)
    return LightSet(tuple(lights.names[index] for index in chosen), coefficients)


def expose(coefficients: F64) -> F32:
    """Balance and scale an environment (9, 3) so that pictures under it are neither clipped nor dark.

    On an unoccluded white sphere, the WHITE_PERCENTILE of the brightest channel is then 1 and the DARK_PERCENTILE of
    luminance at least DARK_LUMINANCE.
    """
    return expose_with_gain(coefficients)[0]


def expose_with_gain(coefficients: F64) -> tuple[F32, F64]:
    """`expose`, and by what it multiplied the radiance of each channel, (3,); light that it added is not in that."""
    mean = np.maximum(coefficients[0], 1e-12)
    gain = (LUMINANCE @ mean / mean) ** WHITE_BALANCE
    light = coefficients * gain
    for _ in range(32):
        sphere = white_sphere(light)
        white = np.percentile(sphere.max(axis=1), WHITE_PERCENTILE)
        light, gain = light / white, gain / white
        darkest = np.percentile(white_sphere(light) @ LUMINANCE, DARK_PERCENTILE)
        if darkest >= DARK_LUMINANCE:
            break
        light[0] += (1.2 * DARK_LUMINANCE - darkest) * np.sqrt(4.0 * np.pi)
    exposed: F32 = light.astype(np.float32)
    return exposed, np.asarray(gain, np.float64)


def white_sphere(coefficients: F64, count: int = 1024) -> F64:
    """Linear irradiance / pi at uniform normals of an unoccluded white sphere: (count, 3) float64, >= 0."""
    basis = sh_basis(fibonacci_directions(count)) * LAMBERT
    return np.asarray(np.maximum(basis @ coefficients, 0.0), np.float64)
