"""Landmarks that networks which read them are given: in the frame of the square, or none, with a reason."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from mpc.core.errors import MpcError
from mpc.models.depth import DepthConfig
from mpc.models.head import HeadConfig
from mpc.models.maps import MapsConfig
from mpc.models.person.finder import PersonFinder
from mpc.models.runs import load_run
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.reconstruct.capture import given_landmarks as module
from mpc.reconstruct.capture.batches import reconstruct_framed
from mpc.reconstruct.capture.frame_pictures import FramedPicture, frame_stills
from mpc.reconstruct.capture.framing import Framing
from mpc.reconstruct.capture.given_landmarks import LandmarkGiver
from mpc.reconstruct.capture.made_from import StillDigest
from mpc.reconstruct.capture.one_picture import reconstruct_picture
from mpc.reconstruct.capture.pictures import Source
from mpc.reconstruct.capture.settings import CaptureSettings
from mpc.reconstruct.capture.still_record import StillRecord
from mpc.reconstruct.view_field import ViewEncoder
from support.stick_person import StickFinder, standing, stick_person
from support.toy_run import red_person

CONFIG = SurfaceConfig(
    encoder=MapsConfig(size=32, cells=4, widths=(8, 12), blocks=1, values=3, coarse=5, landmarks=4),
    depth=DepthConfig(kind="plain"), head=HeadConfig(kind="bounded", channels=(8,)),
)  # fmt: skip


class Recording(SurfaceNetwork):
    """Sees a slab in the middle of every picture, and keeps the landmarks that it was given."""

    given: torch.Tensor | None = None
    body: torch.Tensor | None = None

    def encode(self, images, landmarks=None, body=None):
        self.given, self.body = landmarks, body
        features = super().encode(images, landmarks, body)
        features.stacks[0][:, 0], features.stacks[0][:, 1] = -0.3, 0.3
        return features


@pytest.fixture
def run(run_folder):
    torch.manual_seed(0)
    return dataclasses.replace(load_run(run_folder), surface=Recording(CONFIG).eval(), texture=None)


@pytest.fixture
def finder(monkeypatch):
    one = StickFinder()
    monkeypatch.setattr(PersonFinder, "open", classmethod(lambda cls, engine="auto": one))
    return one


def test_landmarks_of_a_person_are_in_the_frame_of_the_square(run):
    """A square of 2 m at 50 pixels a metre around column 70, row 100: its half is 50 pixels."""
    framing = Framing(70.0, 100.0, 50.0, 2.0, (0.0, 0.9, 0.0), "")
    given = LandmarkGiver(run, None).of_person(stick_person(hips=(80.0, 110.0), scale=90.0), framing)
    expected = standing() * 90 / 50 + (0.2, 0.2, 0.0)
    np.testing.assert_allclose(given[:, :3], expected, atol=1e-6)
    np.testing.assert_allclose(given[:, 3], 0.99)
    np.testing.assert_allclose(given[:, 4:], standing(), atol=1e-6)


def test_what_a_mask_cuts_out_is_looked_at_in_the_square(run, finder):
    """The red box, 40 x 160 pixels, is framed by its mask; sticks fill it from crown to soles."""
    framing = Framing(80.0, 100.0, 100.0, 2.0, (0.0, 0.8, 0.0), "")
    giver = LandmarkGiver(run, lambda: finder)
    given = giver.of_mask(red_person(), framing)
    assert giver.note == ""
    assert given[[23, 24], 0].mean() == pytest.approx(0.0, abs=0.02)
    assert given[:, 1].min() > -0.82
    assert given[:, 1].max() < 0.82
    person = finder.find(red_person()[..., :3])[0]
    np.testing.assert_allclose(giver.of_person(person, framing), given, atol=0.02)


def test_networks_that_read_none_are_given_none(run_folder):
    giver = LandmarkGiver(load_run(run_folder), None)
    framing = Framing(80.0, 100.0, 100.0, 2.0, (0.0, 0.8, 0.0), "")
    assert giver.of_mask(red_person(), framing) is None
    assert giver.of_person(stick_person(), framing) is None
    assert giver.note == ""


def test_without_networks_a_masked_picture_is_reconstructed_and_the_remark_says_so(run, monkeypatch, tmp_path):
    def missing(cls, engine="auto"):
        raise MpcError("the networks were not fetched")

    monkeypatch.setattr(PersonFinder, "open", classmethod(missing))
    Image.fromarray(red_person()).save(tmp_path / "red.png")
    (one,) = frame_stills(run, [(Source(tmp_path / "red.png"), "red")], tmp_path, CaptureSettings())
    assert isinstance(one, FramedPicture)
    assert one.landmarks is None
    assert one.remark.endswith("reconstructed without landmarks: the networks were not fetched")
    mesh = reconstruct_picture(run, red_person(), settings=CaptureSettings(resolution=33))
    assert len(mesh.vertices) > 100
    assert run.surface.given is None
    finder = StickFinder()
    monkeypatch.setattr(finder, "look", lambda *a, **k: stick_person(score=0.1))
    monkeypatch.setattr(PersonFinder, "open", classmethod(lambda cls, engine="auto": finder))
    (one,) = frame_stills(run, [(Source(tmp_path / "red.png"), "red")], tmp_path, CaptureSettings())
    assert "see nobody" in one.remark


def test_found_and_masked_pictures_give_the_network_the_same(run, finder, tmp_path):
    settings = CaptureSettings(resolution=33)
    reconstruct_picture(run, red_person(), settings=settings)
    masked = run.surface.given
    reconstruct_picture(run, red_person()[..., :3], settings=settings)
    found = run.surface.given
    assert masked.shape == found.shape == (2, 33, 7)  # of the picture and of its mirror image
    torch.testing.assert_close(masked, found, atol=0.03, rtol=0)
    Image.fromarray(red_person()[..., :3]).save(tmp_path / "red.png")
    (one,) = frame_stills(run, [(Source(tmp_path / "red.png"), "red")], tmp_path, CaptureSettings())
    np.testing.assert_array_equal(one.landmarks, found[0].numpy())


def test_a_batch_may_mix_people_with_and_without(run):
    encoder, landmarks = ViewEncoder(run.surface), np.ones((33, 7), np.float32)
    pictures = [np.zeros((32, 32, 4), np.uint8)] * 2
    encoder.encode(pictures, [None, landmarks])
    assert run.surface.given[0].isnan().all()
    assert (run.surface.given[1] == 1).all()
    encoder.encode(pictures, [None, None])
    assert run.surface.given is None


@pytest.fixture
def bodies(monkeypatch):
    """Fits that are a slab as deep as the first landmark is far to the right; says what they were fitted to."""
    asked = []

    def fit(picture, landmarks, extent_m, size=None):
        asked.append((picture.shape, extent_m))
        return np.full((8, *picture.shape[:2]), landmarks[0, 0], np.float32)

    monkeypatch.setattr(module, "fitted_maps", fit)
    monkeypatch.setattr(module, "why_no_bodies", lambda: "")
    return asked


def body_run(run, landmarks=0):
    encoder = dataclasses.replace(CONFIG.encoder, body="fitted", landmarks=landmarks)
    return dataclasses.replace(run, surface=Recording(dataclasses.replace(CONFIG, encoder=encoder)).eval())


@pytest.mark.parametrize("landmarks", [0, 4])
def test_a_body_is_fitted_for_networks_that_read_one_and_the_remark_says_so(run, finder, bodies, tmp_path, landmarks):
    """With a mask and without, one picture or several files, and also where the landmarks themselves are not read."""
    own = body_run(run, landmarks)
    settings = CaptureSettings(resolution=33, turntable="none", both_ways=False)
    for picture in (red_person(), red_person()[..., :3]):
        reconstruct_picture(own, picture, settings=settings)
        body, given = own.surface.body, own.surface.given
        assert body.shape == (1, 8, 32, 32)
        torch.testing.assert_close(body, given[:, :1, :1, None].expand_as(body))
        Image.fromarray(picture).save(tmp_path / "red.png")
        (one,) = frame_stills(own, [(Source(tmp_path / "red.png"), "red")], tmp_path, settings)
        assert one.remark.endswith("a body is fitted to the landmarks")
        list(reconstruct_framed(own, iter([one]), settings, StillRecord(StillDigest(own, settings), [])))
        torch.testing.assert_close(own.surface.body, body, atol=0.03, rtol=0)
    assert {shape for shape, _ in bodies} == {(32, 32, 4)}
    assert LandmarkGiver(own, finder, bodies=False).note == ""
    reconstruct_picture(run, red_person(), settings=settings)
    assert run.surface.body is None


def test_without_the_package_the_network_runs_without_a_body(run, finder, bodies, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "why_no_bodies", lambda: "free people need the package anny")
    own = body_run(run)
    reconstruct_picture(own, red_person(), settings=CaptureSettings(resolution=33))
    assert own.surface.body is None
    Image.fromarray(red_person()).save(tmp_path / "red.png")
    (one,) = frame_stills(own, [(Source(tmp_path / "red.png"), "red")], tmp_path, CaptureSettings())
    assert one.remark.endswith("reconstructed without a body: free people need the package anny")
    assert bodies == []
