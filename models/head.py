"""The networks for single points: they take pixel features and encoded depth, and return one value (or a colour)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import SettingsError
from .depth import PLAIN_SCALE

HEADS = ("skip", "cbn", "bounded")


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Multi-layer perceptron for each point.

    Attributes:
        kind: "skip" (PIFu: the input is concatenated again before every layer), "cbn" (conditional batch norm) or
            "bounded" (a rule on the maps of a "maps" encoder, changed within limits; see `BoundedHead`).
        channels: widths of the hidden layers.
    """

    kind: str = "skip"
    channels: tuple[int, ...] = (1024, 512, 256, 128)

    def __post_init__(self) -> None:
        if self.kind not in HEADS:
            raise SettingsError(f"head.kind {self.kind!r}: expected one of {', '.join(HEADS)}")
        if not self.channels or min(self.channels) < 1:
            raise SettingsError(f"head.channels {self.channels}: expected at least one positive width")


class SkipHead(nn.Module):
    """PIFu's `SurfaceClassifier`: leaky ReLU, with the input concatenated before every layer except the first."""

    def __init__(self, pixel_channels: int, depth_channels: int, outputs: int, config: HeadConfig) -> None:
        super().__init__()
        inputs = pixel_channels + depth_channels
        widths = [*config.channels, outputs]
        before = [0, *config.channels]
        self.layers = nn.ModuleList(nn.Linear(b + inputs, w) for b, w in zip(before, widths, strict=True))

    def forward(self, pixel: Tensor, depth: Tensor) -> Tensor:
        """Evaluate points.

        Args:
            pixel: (B, N, C) features.
            depth: (B, N, D) encoded depth.

        Returns:
            (B, N, outputs), before the last activation.
        """
        given: Tensor = torch.cat([pixel, depth.to(pixel.dtype)], dim=-1)
        x: Tensor | None = None
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            x = self._mixed(layer, x, given)
            if index != last:
                # In place, since the gradient needs neither the product nor the sum before it.
                x = functional.leaky_relu(x, inplace=True)
        assert x is not None
        return x

    @staticmethod
    def _mixed(layer: nn.Linear, x: Tensor | None, given: Tensor) -> Tensor:
        """Apply a layer to [x, given] without concatenating them; that would double what the gradient has to keep."""
        if x is None:
            return functional.linear(given, layer.weight, layer.bias)
        before = x.shape[-1]
        from_given = functional.linear(given, layer.weight[:, before:], layer.bias)
        return from_given + functional.linear(x, layer.weight[:, :before])


class ConditionalNorm(nn.Module):
    """Batch norm over all points; scale and shift are linear in each point's condition (De Vries et al., 2017)."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels, affine=False)
        self.scale, self.shift = nn.Linear(condition, channels), nn.Linear(condition, channels)
        for layer, bias in ((self.scale, 1.0), (self.shift, 0.0)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Normalise x (B, N, C) under a condition (B, N, D): (B, N, C)."""
        normed = self.norm(x.flatten(0, 1)).view_as(x)
        steered: Tensor = normed * self.scale(condition) + self.shift(condition)
        return steered


class ConditionalHead(nn.Module):
    """A narrow network on the encoded depth, conditioned on the pixel's features.

    The authors of the paper say that conditional batch norm allows fewer channels (MonoPort issue 22), but have not
    published the layout. This one is ours. It follows Occupancy Networks (Mescheder et al., CVPR 2019), with the pixel
    features of each point as its condition.
    """

    def __init__(self, pixel_channels: int, depth_channels: int, outputs: int, config: HeadConfig) -> None:
        super().__init__()
        widths = config.channels
        self.enter = nn.Linear(depth_channels, widths[0])
        self.norms = nn.ModuleList(ConditionalNorm(w, pixel_channels) for w in widths)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, [*widths[1:], outputs], strict=True))

    def forward(self, pixel: Tensor, depth: Tensor) -> Tensor:
        """Evaluate points.

        Args:
            pixel: (B, N, C) features.
            depth: (B, N, D) encoded depth.

        Returns:
            (B, N, outputs), before the last activation.
        """
        x: Tensor = self.enter(depth.to(pixel.dtype))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = layer(functional.leaky_relu(norm(x, pixel)))
        return x


# Slopes of the rule's logits: a hundredth of view space is about 1.2 cm, and half a pixel of alpha decides.
_SLOPE, _ALPHA_SLOPE = 60.0, 8.0
# Deep inside, the rule is less sure than the head can object, so that the head can part legs one behind the other;
# outside, the rule is far surer than that, so that nothing appears in front of a body or beside it.
_SUREST_INSIDE, _SUREST_OUTSIDE = 1.5, -8.0
_BOUND = 2.0
# Room for rounding in `depth_range`, in view space and in alpha.
_ROUNDING = 1e-3


def rule_logit(ahead: Tensor, behind: Tensor, alpha: Tensor) -> Tensor:
    """The logit of the rule that inside is what lies between the front and the back and within the outline.

    Args:
        ahead: (...,) how far a point lies behind the front, view-space units.
        behind: (...,) how far it lies before the back.
        alpha: (...,) of the picture there, in [0, 1].
    """
    between = torch.minimum(ahead, behind)
    return torch.minimum((between * _SLOPE).clamp(_SUREST_OUTSIDE, _SUREST_INSIDE), (alpha - 0.5) * _ALPHA_SLOPE)


class BoundedHead(nn.Module):
    """Inside is what lies between the predicted front and back and within the outline; a small network amends that.

    The logit of a point is rule + 2 tanh(r / 2), where r is the network's output and starts at 0. Without the bound, a
    network that is trained on points puts plates around feet and hands, where few points were drawn (docs/LOG.md).
    """

    def __init__(self, pixel_channels: int, depth_channels: int, outputs: int, config: HeadConfig) -> None:
        super().__init__()
        if depth_channels != 1 or outputs != 1:
            raise SettingsError('head.kind "bounded" is for the surface network, with depth.kind "plain"')
        widths = [pixel_channels + 3, *config.channels]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.last = nn.Linear(widths[-1], outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, pixel: Tensor, depth: Tensor) -> Tensor:
        """Evaluate points.

        Args:
            pixel: (B, N, C) features, of which the first nine are the maps and alpha (models/maps.py).
            depth: (B, N, 1) plain depth from `encode_depth`.

        Returns:
            (B, N, 1), before the sigmoid.
        """
        z = depth[..., 0].float() / PLAIN_SCALE
        ahead, behind = z - pixel[..., 0].float(), pixel[..., 1].float() - z
        between = torch.minimum(ahead, behind)
        rule = rule_logit(ahead, behind, pixel[..., 8].float())
        # In tenths of view space, and no farther than what matters.
        near = (torch.stack([ahead, behind, between], dim=-1) * 10.0).clamp(-5.0, 5.0)
        first, *others = self.layers
        assert isinstance(first, nn.Linear)
        count = pixel.shape[-1]
        # What `pixel` and `near` give the first layer is added, which spares a copy of both side by side.
        x = functional.linear(near.to(pixel.dtype), first.weight[:, count:], first.bias)
        x = torch.baddbmm(x, pixel, first.weight[:, :count].mT.expand(len(pixel), -1, -1))
        x = functional.leaky_relu(x, inplace=True)
        for layer in others:
            x = functional.leaky_relu(layer(x), inplace=True)
        residual = self.last(x).float()
        # What `depth_range` proves follows from this line.
        return rule[..., None] + _BOUND * torch.tanh(residual / _BOUND)


def depth_range(pixel: Tensor) -> Tensor:
    """Where along the ray of a pixel a `BoundedHead` can take a point for inside, whatever its weights are.

    Args:
        pixel: (B, N, at least 9): the maps and alpha, as for `BoundedHead.forward`.

    Returns:
        (B, N, 2) float32: nearest and farthest z in view space. Beyond them the rule is under minus the bound. Where
        no depth can be inside, the first is greater than the second.
    """
    reach = _BOUND / _SLOPE + _ROUNDING
    nearest, farthest = pixel[..., 0].float() - reach, pixel[..., 1].float() + reach
    shown = pixel[..., 8].float() > 0.5 - _BOUND / _ALPHA_SLOPE - _ROUNDING
    # The first of two surfaces that are in the wrong order by more than both margins lies behind the second.
    return torch.stack([torch.where(shown, nearest, 2.0), torch.where(shown, farthest, -2.0)], dim=-1)


_KINDS: dict[str, type[SkipHead] | type[ConditionalHead] | type[BoundedHead]] = {
    "skip": SkipHead,
    "cbn": ConditionalHead,
    "bounded": BoundedHead,
}


def build_head(pixel_channels: int, depth_channels: int, outputs: int, config: HeadConfig) -> nn.Module:
    """The head that `config.kind` names."""
    return _KINDS[config.kind](pixel_channels, depth_channels, outputs, config)
