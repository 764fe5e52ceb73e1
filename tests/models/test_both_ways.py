"""The maps of a picture and of its mirror image, averaged."""

import numpy as np
import pytest
import torch

from mpc.models.both_ways import encode_both_ways, mirror_landmarks, mirror_maps
from mpc.models.depth import DepthConfig
from mpc.models.features import normalise_images
from mpc.models.head import HeadConfig
from mpc.models.hourglass import HourglassConfig
from mpc.models.maps import MAPS, MapsConfig
from mpc.models.person.landmarks import LANDMARKS
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.reconstruct.view_field import ViewEncoder

SIDE = 32


def maps_network(**encoder):
    torch.manual_seed(0)
    small = {"size": SIDE, "cells": 8, "widths": (8, 12), "blocks": 1, "values": 4, "coarse": 4}
    network = SurfaceNetwork(
        SurfaceConfig(
            encoder=MapsConfig(**small, **encoder), depth=DepthConfig(kind="plain"),
            head=HeadConfig(kind="bounded", channels=(8,)),
        )
    ).eval()  # fmt: skip
    with torch.no_grad():  # the last layers and what reads the body begin with zeros
        for weights in network.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return network


def pictures(count=2):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 4, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    images[:, 3] = 0
    images[:, 3, 4:30, 9:20] = 255  # not in the middle
    return images


def told(count=2):
    """Landmarks (B, 33, 7), those of the second person not known, and bodies (B, 8, H, W)."""
    generator = torch.Generator().manual_seed(2)
    landmarks = torch.rand(count, 33, 7, generator=generator) - 0.5
    landmarks[1:] = torch.nan
    body = torch.full((count, 8, SIDE, SIDE), torch.nan)
    body[0, :, 6:20, 10:18] = torch.rand(8, 14, 8, generator=generator) - 0.5
    return landmarks, body


@pytest.mark.parametrize("encoder", [{}, {"view": SIDE}, {"fine_widths": (8,), "fine_size": SIDE}])
def test_the_maps_of_the_mirror_image_are_the_mirrored_maps(encoder):
    network = maps_network(landmarks=6, body="known", **encoder)
    images, (landmarks, body) = normalise_images(pictures()), told()
    with torch.inference_mode():
        plain = network.encode(images, landmarks, body)
        once = encode_both_ways(network, images, landmarks, body).stacks[-1]
        mirrored = encode_both_ways(network, images.flip(-1), mirror_landmarks(landmarks), mirror_maps(body)).stacks[-1]
    torch.testing.assert_close(mirrored[:, :MAPS], mirror_maps(once[:, :MAPS]), rtol=0, atol=2e-5)
    assert float((plain.stacks[-1][:, :MAPS] - once[:, :MAPS]).abs().max()) > 1e-3  # one way alone is another one
    torch.testing.assert_close(once[:, MAPS:], plain.stacks[-1][:, MAPS:], rtol=0, atol=1e-5)


def test_the_mean_is_that_of_both_predictions():
    network, images = maps_network(), normalise_images(pictures())
    with torch.inference_mode():
        forth = network.encode(images)
        back = network.encode(images.flip(-1)).stacks[-1][:, :MAPS]
        both = encode_both_ways(network, images)
    depth = (forth.stacks[-1][:, 0] + back[:, 0].flip(-1)) / 2
    right = (forth.stacks[-1][:, 5] - back[:, 5].flip(-1)) / 2
    torch.testing.assert_close(both.stacks[-1][:, 0], depth, rtol=0, atol=1e-5)
    torch.testing.assert_close(both.stacks[-1][:, 5], right, rtol=0, atol=1e-5)
    assert both.fine is not None
    torch.testing.assert_close(both.fine, forth.fine, rtol=0, atol=1e-5)


def test_mirrored_twice_is_as_before_and_left_becomes_right():
    landmarks, body = told()
    torch.testing.assert_close(mirror_landmarks(mirror_landmarks(landmarks)), landmarks, equal_nan=True)
    torch.testing.assert_close(mirror_maps(mirror_maps(body)), body, equal_nan=True)
    left, right = LANDMARKS.index("left_wrist"), LANDMARKS.index("right_wrist")
    sign = torch.tensor([-1.0, 1, 1, 1, -1, 1, 1])
    torch.testing.assert_close(mirror_landmarks(landmarks)[0, left], landmarks[0, right] * sign)


def test_encoders_without_maps_are_asked_once():
    network = SurfaceNetwork(
        SurfaceConfig(encoder=HourglassConfig(stacks=1, depth=1, channels=8, features=8, stem=8, groups=4),
                      head=HeadConfig(channels=(8,)))
    ).eval()  # fmt: skip
    images = normalise_images(pictures())
    with torch.inference_mode():
        both, once = encode_both_ways(network, images), network.encode(images)
    torch.testing.assert_close(both.stacks[-1], once.stacks[-1], rtol=0, atol=0)


def test_a_field_reads_the_averaged_maps_in_its_depth_range_too():
    network = maps_network()
    images = pictures(1)
    picture = np.ascontiguousarray(images[0].permute(1, 2, 0).numpy())
    (field,) = ViewEncoder(network, both_ways=True).encode([picture])
    (alone,) = ViewEncoder(network).encode([picture])
    points = np.random.default_rng(3).uniform(-1, 1, (400, 3)).astype(np.float32)
    with torch.inference_mode():
        features = encode_both_ways(
            network, normalise_images(torch.from_numpy(picture.transpose(2, 0, 1).copy())[None])
        )
        there = torch.from_numpy(points)[None]
        expected = network.query(features, there, torch.eye(4)[None])[0].numpy()
        ranges = network.depth_range(features, there[..., :2])[0].numpy()
    np.testing.assert_allclose(field.occupancy(points), expected, atol=1e-4)
    np.testing.assert_allclose(field.depth_range(points[:, :2]), ranges, atol=1e-5)
    assert np.abs(alone.depth_range(points[:, :2]) - ranges).max() > 1e-3


def test_a_field_leaves_the_weights_of_its_network_as_they_lie():
    """A preview encodes with a network in training, whose steps would differ, and may be slower, in another layout."""
    network = maps_network()
    before = {name: weights.stride() for name, weights in network.named_parameters()}
    ViewEncoder(network, both_ways=True).encode([np.ascontiguousarray(pictures(1)[0].permute(1, 2, 0).numpy())])
    assert {name: weights.stride() for name, weights in network.named_parameters()} == before
