"""The table of encoders by name. A new encoder is a file of its own and one line in this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..core.errors import SettingsError
from ..core.messages import unknown_name
from .hourglass import HourglassConfig, HourglassEncoder
from .hrnet import HRNetConfig, HRNetEncoder
from .maps import MapsConfig, MapsEncoder
from .residual import ResidualConfig, ResidualEncoder

EncoderConfig = HourglassConfig | HRNetConfig | MapsConfig | ResidualConfig


@dataclass(frozen=True)
class EncoderEntry:
    """How to configure and build one kind of encoder.

    Attributes:
        config: returns the published configuration.
        build: makes an encoder with fresh weights from a configuration.
        channels: how many of the four channels of `normalise_images` the encoder is given: the colours, or all.
    """

    config: Callable[[], EncoderConfig]
    build: Callable[[EncoderConfig], nn.Module]
    channels: int = 3


def _hourglass(config: EncoderConfig) -> nn.Module:
    assert isinstance(config, HourglassConfig)
    return HourglassEncoder(config)


def _hrnet(config: EncoderConfig) -> nn.Module:
    assert isinstance(config, HRNetConfig)
    return HRNetEncoder(config)


def _maps(config: EncoderConfig) -> nn.Module:
    assert isinstance(config, MapsConfig)
    return MapsEncoder(config)


def _residual(config: EncoderConfig) -> nn.Module:
    assert isinstance(config, ResidualConfig)
    return ResidualEncoder(config)


ENCODERS: dict[str, EncoderEntry] = {
    "hourglass": EncoderEntry(HourglassConfig, _hourglass),
    "hrnet": EncoderEntry(HRNetConfig, _hrnet),
    # The default of MonoPortDataset: the same modules with wider and more even branches.
    "hrnet-balance": EncoderEntry(
        lambda: HRNetConfig(kind="hrnet-balance", widths=(80, 160, 240, 360), modules=(1, 3, 2)), _hrnet
    ),
    "residual": EncoderEntry(ResidualConfig, _residual),
    "maps": EncoderEntry(MapsConfig, _maps, channels=4),
}


def find_encoder(kind: str) -> EncoderEntry:
    """The entry of a kind of encoder.

    Raises:
        SettingsError: an unknown name; the message lists the known ones.
    """
    if kind not in ENCODERS:
        raise SettingsError(unknown_name("encoder", kind, ENCODERS))
    return ENCODERS[kind]


def default_encoder(kind: str) -> EncoderConfig:
    """The published configuration of a kind of encoder."""
    return find_encoder(kind).config()


def build_encoder(config: EncoderConfig) -> nn.Module:
    """Make an encoder with fresh weights."""
    return find_encoder(config.kind).build(config)
