"""Landmarks as an input of level 1: nothing at first, then learned; one network with and without them."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mpc.core.errors import SettingsError
from mpc.models.depth import DepthConfig
from mpc.models.head import HeadConfig
from mpc.models.maps import MapsConfig
from mpc.models.storage import load_network, save_network
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.train.start import copy_weights


def config(landmarks: int, norm: str = "batch") -> SurfaceConfig:
    encoder = MapsConfig(size=16, cells=4, widths=(8, 12), blocks=1, values=3, coarse=5, landmarks=landmarks, norm=norm)
    return SurfaceConfig(
        encoder=encoder, depth=DepthConfig(kind="plain"), head=HeadConfig(kind="bounded", channels=(8,))
    )


def network(landmarks: int, seed: int = 0, norm: str = "batch") -> SurfaceNetwork:
    torch.manual_seed(seed)
    return SurfaceNetwork(config(landmarks, norm)).eval()


def given(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 4, 16, 16, generator=generator), torch.randn(3, 33, 7, generator=generator)


def learned(landmarks: int = 4, norm: str = "batch") -> SurfaceNetwork:
    """A network whose landmarks have an effect."""
    made = network(landmarks, norm=norm)
    torch.nn.init.normal_(made.encoder.level1.landmarks.enter.weight)
    return made


def test_a_network_that_starts_from_one_without_landmarks_goes_on_exactly_where_that_was() -> None:
    plain, told = network(0), network(16, seed=5)
    images, landmarks = given()
    assert not torch.equal(told.encode(images).maps[-1], plain.encode(images).maps[-1])
    copied, of = copy_weights(told, plain)
    own = sum(value.numel() for value in told.encoder.level1.landmarks.state_dict().values())
    assert of - copied == own == 232 * 96 + 96 + 96 * 16 + 16 + 16 * 8 + 8
    for further in (landmarks, None, torch.full_like(landmarks, torch.nan)):
        one, other = told.encode(images, further), plain.encode(images)
        assert torch.equal(one.stacks[0], other.stacks[0])
        assert torch.equal(one.fine, other.fine)
    told.train()
    plain.train()
    assert torch.equal(told.encode(images, landmarks).stacks[0], plain.encode(images).stacks[0])


def test_two_steps_reach_every_weight_of_the_landmarks() -> None:
    """The last layer begins at zero, and learns in the first step; the layers before it from the second one on."""
    made = network(4).train()
    images, landmarks = given()
    for _ in range(2):
        made.zero_grad()
        made.encode(images, landmarks).maps[-1].square().mean().backward()
        with torch.no_grad():
            for weight in made.encoder.level1.landmarks.parameters():
                weight -= 0.1 * weight.grad
    for name, weight in made.encoder.level1.landmarks.named_parameters():
        assert weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_landmarks_have_an_effect_and_each_person_has_its_own(norm: str) -> None:
    """Norms of single pictures remove what all cells have in common, so the vector is added after them."""
    made = learned(norm=norm)
    images, landmarks = given()
    first, second = made.encode(images, landmarks).maps[-1], made.encode(images).maps[-1]
    assert (first - second).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    landmarks[1] = torch.nan
    landmarks[2, 5, 3] = torch.nan  # one number that is not known makes all of them unknown
    mixed = made.encode(images, landmarks).maps[-1]
    torch.testing.assert_close(mixed[0], first[0])
    torch.testing.assert_close(mixed[1:], second[1:])


def test_zeros_differ_from_none() -> None:
    """A further input says whether landmarks are known."""
    made = learned()
    images, _ = given()
    zeros = made.encode(images, torch.zeros(3, 33, 7)).maps[-1]
    assert (zeros - made.encode(images).maps[-1]).abs().max() > 1e-4


def test_places_are_not_rounded_to_bfloat16() -> None:
    made = learned()
    landmarks = given()[1]
    vector = made.encoder.level1.landmarks
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(vector(landmarks, 3), vector(landmarks, 3).float())
        assert (vector(landmarks + 1e-3, 3) != vector(landmarks, 3)).any(dim=1).all()


def test_files_of_networks_from_before_landmarks_load(tmp_path) -> None:
    path = tmp_path / "old.safetensors"
    save_network(path, network(0), config(0))
    with safe_open(path, "pt") as file:
        notes, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    stripped = {name: json.dumps(_without(json.loads(text))) for name, text in notes.items()}
    assert "landmarks" in json.dumps(notes)
    assert "landmarks" not in json.dumps(stripped)
    save_file(tensors, path, stripped)
    loaded = load_network(path)[0]
    assert not loaded.config.reads_landmarks
    images, landmarks = given()
    assert torch.equal(loaded.eval().encode(images, landmarks).stacks[0], network(0).encode(images).stacks[0])


def _without(content: object) -> object:
    if isinstance(content, dict):
        return {name: _without(value) for name, value in content.items() if name != "landmarks"}
    return content


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(SettingsError, match="landmarks is -1"):
        MapsConfig(landmarks=-1)
