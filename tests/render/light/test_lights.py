"""Environments: exposure, rotation, panoramas read and projected."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from mpc.core.errors import InputError, SettingsError
from mpc.core.randomness import derive_rng
from mpc.formats.exr import exr_bytes
from mpc.geometry.directions import fibonacci_directions
from mpc.render.light.environments import environments
from mpc.render.light.harmonics import sh_basis, yaw_rotation
from mpc.render.light.interiors import Panel, Room, colour_of_kelvin, room_radiance
from mpc.render.light.lights import (
    DARK_LUMINANCE,
    DARK_PERCENTILE,
    LUMINANCE,
    WHITE_PERCENTILE,
    builtin_lights,
    choose_lights,
    draw_light,
    expose,
    load_lights,
    rotate_light,
    white_sphere,
)
from mpc.render.light.panoramas import project_panorama, read_hdr, read_panorama
from mpc.render.light.sky import Daylight, daylight_radiance, sun_irradiance


def test_there_are_many_different_lights() -> None:
    lights = builtin_lights()
    assert len(set(lights.names)) == len(lights.names) >= 64
    assert lights.coefficients.shape == (len(lights.names), 9, 3)
    assert lights.coefficients.dtype == np.float32
    flat = lights.coefficients.reshape(len(lights.names), -1)
    distance = np.linalg.norm(flat[:, None] - flat[None], axis=-1) + 9 * np.eye(len(flat))
    assert distance.min() > 0.02, "no two are alike"
    assert builtin_lights() is lights


def test_no_light_clips_and_none_leaves_a_white_sphere_dark() -> None:
    for name, light in zip(builtin_lights().names, builtin_lights().coefficients, strict=True):
        sphere = white_sphere(light.astype(np.float64), 4096)
        assert np.percentile(sphere.max(axis=1), WHITE_PERCENTILE) == pytest.approx(1.0, abs=0.02), name
        assert (sphere.max(axis=1) > 1.02).mean() < 0.07, name
        assert np.percentile(sphere @ LUMINANCE, DARK_PERCENTILE) >= 0.95 * DARK_LUMINANCE, name
        median = np.median(sphere @ LUMINANCE) ** (1 / 2.2)
        assert 0.4 < median < 0.95, (name, median)


def test_raw_environments_are_physical() -> None:
    for name, light in environments():
        assert np.isfinite(light).all(), name
        assert light[0].min() > 0, name
        # What arrives from one side cannot exceed what a point of light of the same power would bring.
        assert (np.linalg.norm(light[1:4], axis=0) <= np.sqrt(3) * light[0] * 1.001).all(), name


def test_the_sun_is_warmer_and_weaker_at_the_horizon() -> None:
    noon, dusk = (sun_irradiance(Daylight(sun_elevation_deg=elevation)) for elevation in (65.0, 6.0))
    assert dusk @ LUMINANCE < 0.5 * (noon @ LUMINANCE)
    assert dusk[2] / dusk[0] < 0.5 * noon[2] / noon[0]


def test_the_sky_is_blue_away_from_the_sun_and_the_ground_is_lit() -> None:
    sky = Daylight(sun_elevation_deg=40.0, turbidity=2.5, ground=(0.2, 0.1, 0.05))
    directions = fibonacci_directions(2000)
    radiance = daylight_radiance(sky, directions)
    opposite = radiance[(directions[:, 1] > 0.5) & (directions[:, 2] < -0.5)].mean(axis=0)
    assert opposite[2] > 1.3 * opposite[0]
    ground = radiance[directions[:, 1] < -0.1].mean(axis=0)
    np.testing.assert_allclose(ground[1] / ground[2], 0.1 / 0.05 * 0.9, rtol=0.5)
    # A clear sky gives the ground 5 to 30 klx besides the sun's.
    up = directions[:, 1] > 0
    diffuse = (radiance[up] * directions[up, 1:2]).sum(axis=0) @ LUMINANCE * 4 * np.pi / 2000
    assert 5 < diffuse < 30


def test_a_window_is_seen_where_it_is() -> None:
    window = Panel(face="+x", centre=(0.1, 0.0), half=(0.4, 0.5), radiance=(9.0, 8.0, 7.0))
    room = Room(size_m=(4, 3, 4), walls=(0.5,) * 3, floor=(0.2,) * 3, ceiling=(0.8,) * 3, panels=(window,))
    at = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    radiance = room_radiance(room, at)
    assert radiance[0].tolist() == [9.0, 8.0, 7.0]
    np.testing.assert_allclose(radiance[1:, 0] / radiance[1, 0], [1.0, 1.6, 0.4])


@pytest.mark.parametrize(("kelvin", "expected"), [(6500, (1.0, 1.0, 1.0)), (2856, (1.0, 0.46, 0.13))])
def test_black_body_colours(kelvin: float, expected: tuple[float, float, float]) -> None:
    """D65 is near 6,500 K; illuminant A is 2,856 K, xy (0.4476, 0.4074), here in linear sRGB."""
    np.testing.assert_allclose(colour_of_kelvin(kelvin), expected, atol=0.06)


def test_turning_a_light_turns_its_environment() -> None:
    light = builtin_lights().coefficients[3]
    directions = fibonacci_directions(200)
    for yaw in (0.3, -2.0, 4.0):
        turned = sh_basis(directions @ yaw_rotation(yaw).T) @ rotate_light(light, yaw)
        np.testing.assert_allclose(turned, sh_basis(directions) @ light, atol=1e-5)
    np.testing.assert_allclose(rotate_light(rotate_light(light, 1.0), -1.0), light, atol=1e-5)


def test_turning_agrees_with_a_numerically_rotated_environment() -> None:
    """A bright spot above +z, turned by 90 degrees, is projected like one above +x."""

    def spot(towards: np.ndarray) -> np.ndarray:
        directions = fibonacci_directions(20_000)
        radiance = np.exp(20 * (directions @ towards - 1))
        return sh_basis(directions).T @ np.stack([radiance] * 3, axis=1) * (4 * np.pi / 20_000)

    front, side = np.array([0.0, 0.6, 0.8]), np.array([0.8, 0.6, 0.0])
    np.testing.assert_allclose(rotate_light(spot(front).astype(np.float32), np.pi / 2), spot(side), atol=1e-4)


def test_drawing_depends_on_the_seed_alone() -> None:
    first, again, other = (draw_light(builtin_lights(), derive_rng(0, "a", part)) for part in ("x", "x", "y"))
    assert (first.name, first.yaw_rad) == (again.name, again.yaw_rad)
    assert first.yaw_rad != other.yaw_rad
    np.testing.assert_array_equal(first.coefficients, again.coefficients)
    source = builtin_lights().coefficients[builtin_lights().names.index(first.name)]
    np.testing.assert_array_equal(first.coefficients, rotate_light(source, first.yaw_rad))


def test_lights_are_chosen_by_their_names() -> None:
    everything = builtin_lights()
    assert choose_lights(everything).names == everything.names
    studios = choose_lights(everything, ["studio_*", "room_lamp_02"])
    expected = [index for index, name in enumerate(everything.names) if name[:6] == "studio" or name == "room_lamp_02"]
    assert len(expected) == 21
    assert studios.names == tuple(everything.names[index] for index in expected)
    assert np.array_equal(studios.coefficients, everything.coefficients[expected])
    with pytest.raises(SettingsError, match=r"unknown light 'room_lamp_03' \(did you mean room_lamp_"):
        choose_lights(everything, ["studio_*", "room_lamp_03"])


@pytest.mark.parametrize("stops", [-1.0, 0.0, 2.0])
def test_each_stop_of_exposure_doubles_the_light(stops: float) -> None:
    lights = builtin_lights()
    brighter = choose_lights(lights, exposure_ev=stops)
    assert np.allclose(brighter.coefficients, 2**stops * lights.coefficients, rtol=1e-6)
    before, after = (white_sphere(one.coefficients[3].astype(float)) for one in (lights, brighter))
    assert after == pytest.approx(2**stops * before, rel=1e-5)


def encode_rgbe(picture: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(picture.max(axis=-1))
    scale = np.where(picture.max(axis=-1) > 0, mantissa * 256 / np.maximum(picture.max(axis=-1), 1e-30), 0)
    rgb = np.floor(picture * scale[..., None])
    return np.concatenate([rgb, (exponent + 128)[..., None]], axis=-1).astype(np.uint8)


def write_hdr(path: Path, picture: np.ndarray, *, coded: bool = True) -> None:
    """The encoder: runs of equal bytes as runs, the rest as literals."""
    pixels = encode_rgbe(picture)
    height, width = pixels.shape[:2]
    out = bytearray(f"#?RADIANCE\n# made by a test\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode())
    for row in pixels:
        if not coded:
            out += row.tobytes()
            continue
        out += b"\x02\x02" + width.to_bytes(2, "big")
        for channel in range(4):
            values, place = row[:, channel], 0
            while place < width:
                same = 1
                while same < 127 and place + same < width and values[place + same] == values[place]:
                    same += 1
                if same > 2:
                    out += bytes([128 + same, values[place]])
                    place += same
                else:
                    literal = values[place : place + 60]
                    out += bytes([len(literal)]) + literal.tobytes()
                    place += len(literal)
    path.write_bytes(bytes(out))


@pytest.fixture
def panorama() -> np.ndarray:
    rng = np.random.default_rng(8)
    picture = rng.gamma(1.0, 2.0, (16, 32, 3)).astype(np.float32)
    picture[3:6, 10:20] = [40.0, 30.0, 20.0]
    return picture


@pytest.mark.parametrize("coded", [True, False])
def test_hdr_round_trip(tmp_path: Path, panorama: np.ndarray, coded: bool) -> None:
    write_hdr(tmp_path / "a.hdr", panorama, coded=coded)
    found = read_hdr(tmp_path / "a.hdr")
    assert found.dtype == np.float32
    # RGBE keeps 8 bits of the brightest channel and rounds down.
    assert np.abs(found - panorama).max() < panorama.max() / 128
    assert (np.abs(found - panorama) <= panorama.max(axis=-1, keepdims=True) / 128).all()


def test_broken_hdr_files_are_named(tmp_path: Path, panorama: np.ndarray) -> None:
    path = tmp_path / "a.hdr"
    write_hdr(path, panorama)
    whole = path.read_bytes()
    broken = {
        "truncated": whole[: len(whole) // 2],
        "not a Radiance": b"GIF89a" + whole,
        "pixels, allowed": whole.replace(b"-Y 16 +X 32", b"-Y 99999 +X 99999"),
        "from the top left": whole.replace(b"-Y 16 +X 32", b"+Y 16 +X 32"),
        "XYZE": whole.replace(b"rle_rgbe", b"rle_xyze"),
    }
    for reason, data in broken.items():
        path.write_bytes(data)
        with pytest.raises(InputError, match=reason):
            read_hdr(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=r"a\.hdr"):
        read_hdr(path)


def test_a_panorama_s_middle_is_ahead_and_its_right_is_to_the_right() -> None:
    """Facing +z with y up, the right hand is at -x."""
    for column, axis, sign in ((64, 3, 0), (96, 1, -1), (32, 1, 1)):
        picture = np.zeros((64, 128, 3), np.float32)
        picture[31:33, column - 1 : column + 1] = 100.0
        light = project_panorama(picture)[:, 0]
        x, z = light[3], light[2]
        if axis == 3:
            assert z > 0
            assert abs(x) < 1e-6
        else:
            assert np.sign(x) == sign
            assert abs(z) < 1e-6
    top = np.zeros((64, 128, 3), np.float32)
    top[0] = 1.0
    assert project_panorama(top)[1, 0] > 0


def test_an_even_panorama_is_white_light() -> None:
    light = project_panorama(np.ones((20, 40, 3), np.float32))
    np.testing.assert_allclose(light[0], np.sqrt(4 * np.pi), rtol=1e-12)
    np.testing.assert_allclose(light[1:], 0, atol=0.02)


def test_infinite_and_negative_pixels_count_as_black() -> None:
    picture = np.ones((8, 16, 3), np.float32)
    picture[2, 3] = np.inf
    picture[2, 4] = np.nan
    picture[2, 5] = -5.0
    assert np.isfinite(project_panorama(picture)).all()


def test_a_folder_of_panoramas(tmp_path: Path, panorama: np.ndarray) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_lights(tmp_path / "none")
    with pytest.raises(InputError, match="holds no panorama"):
        load_lights(tmp_path)
    (tmp_path / "b").mkdir()
    write_hdr(tmp_path / "b" / "hall.HDR", panorama)
    write_hdr(tmp_path / "alley.hdr", panorama[:, ::-1] * 7)
    lights = load_lights(tmp_path)
    assert lights.names == ("alley", "b/hall")
    np.testing.assert_allclose(lights.coefficients[1], expose(project_panorama(read_hdr(tmp_path / "b/hall.HDR"))))
    (tmp_path / "black.hdr").write_bytes((tmp_path / "alley.hdr").read_bytes())
    write_hdr(tmp_path / "black.hdr", np.zeros((8, 16, 3), np.float32))
    with pytest.raises(InputError, match="black"):
        load_lights(tmp_path)


def test_exr_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    (tmp_path / "a.exr").write_bytes(b"v/1\x01")
    with pytest.raises(InputError, match=r"pip install 'mpc\[exr\]'"):
        load_lights(tmp_path)


def test_exr_panoramas_are_read_as_they_were_written(tmp_path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR")
    panorama = np.random.default_rng(5).gamma(0.5, 2.0, (8, 16, 3)).astype(np.float32)
    (tmp_path / "plain.exr").write_bytes(exr_bytes(panorama))
    np.testing.assert_array_equal(read_panorama(tmp_path / "plain.exr"), panorama)
    # Another writer: half precision, compressed, with an alpha channel.
    rgba = np.concatenate([panorama, np.ones((8, 16, 1), np.float32)], axis=2).astype(np.float16)
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    openexr.File(header, {"RGBA": rgba}).write(str(tmp_path / "half.EXR"))
    np.testing.assert_array_equal(read_panorama(tmp_path / "half.EXR"), rgba[..., :3].astype(np.float32))
    lights = load_lights(tmp_path)
    assert lights.names == ("half", "plain")
    np.testing.assert_array_equal(lights.coefficients[1], expose(project_panorama(panorama)))


def test_damaged_and_foreign_exr_files_are_refused(tmp_path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR")
    whole = exr_bytes(np.ones((8, 16, 3), np.float32))
    path = tmp_path / "a.exr"
    for damaged in (b"", whole[:300], whole[:-40]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="not a readable OpenEXR picture"):
            read_panorama(path)
    place = whole.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    path.write_bytes(whole[:place] + struct.pack("<4i", 0, 0, 399_999, 399_999) + whole[place + 16 :])
    with pytest.raises(InputError, match="400000 x 400000 pixels, allowed are"):
        read_panorama(path)
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    openexr.File(header, {"Y": np.ones((8, 16), np.float32)}).write(str(path))
    with pytest.raises(InputError, match=r"no R, G and B channels \(it has Y\)"):
        read_panorama(path)
