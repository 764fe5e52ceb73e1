"""HRNetV2: parallel branches at several resolutions, fused to one map at a quarter of the picture's resolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import SettingsError
from .blocks import check_sides, conv3x3, make_norm
from .features import PixelFeatures


@dataclass(frozen=True, kw_only=True)
class HRNetConfig:
    """HRNetV2 (Wang et al., TPAMI 2020); the defaults are those of W18-small-v2, the paper's surface encoder.

    Attributes:
        kind: name of the encoder in models/registry.py.
        widths: channels of the branches, finest first. Stage k has k branches.
        modules: number of exchange modules in the stages 2, 3, ...; one entry less than `widths`.
        blocks: number of residual blocks of a branch in a module.
        stem: channels of the two strided convolutions and of the bottlenecks of stage 1, whose outputs have four times
            as many.
        stem_blocks: number of bottlenecks in stage 1.
        features: channels of the fused map.
        norm: normalisation, see `blocks.make_norm`; "batch" is the published one, "group" is for small batches.
        groups: groups of the normalisation, see `blocks.make_norm`.
        fine: also return the first map, at half resolution.
    """

    kind: str = "hrnet"
    widths: tuple[int, ...] = (18, 36, 72, 144)
    modules: tuple[int, ...] = (1, 3, 2)
    blocks: int = 2
    stem: int = 64
    stem_blocks: int = 2
    features: int = 256
    norm: str = "batch"
    groups: int = 32
    fine: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or len(self.modules) != len(self.widths) - 1:
            raise SettingsError(
                f"hrnet: {len(self.widths)} widths need {len(self.widths) - 1} modules (at least 1), "
                f"got {len(self.modules)}"
            )

    @property
    def fine_channels(self) -> int:
        """Channels of the early map; 0 without one."""
        return self.stem if self.fine else 0


def conv_norm(inputs: int, outputs: int, config: HRNetConfig, *, size: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias, and its norm."""
    return [
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
        make_norm(config.norm, outputs, config.groups),
    ]


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions (He et al., CVPR 2016)."""

    def __init__(self, channels: int, config: HRNetConfig) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3x3(channels, channels), make_norm(config.norm, channels, config.groups)
        self.conv2, self.norm2 = conv3x3(channels, channels), make_norm(config.norm, channels, config.groups)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, h, w) to maps of the same shape."""
        return torch.relu(x + self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x))))))


class Bottleneck(nn.Module):
    """Residual block of 1x1, 3x3 and 1x1 convolutions; the last one has four times the width."""

    def __init__(self, inputs: int, width: int, config: HRNetConfig) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_norm(inputs, width, config, size=1), nn.ReLU(),
            *conv_norm(width, width, config), nn.ReLU(),
            *conv_norm(width, 4 * width, config, size=1),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if inputs != 4 * width:
            self.shortcut = nn.Sequential(*conv_norm(inputs, 4 * width, config, size=1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, h, w) to (B, 4 * width, h, w)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class ExchangeModule(nn.Module):
    """Residual blocks on each branch, after which every branch receives the sum of all branches."""

    def __init__(self, widths: tuple[int, ...], config: HRNetConfig) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, config) for _ in range(config.blocks))) for width in widths
        )
        self.exchange = nn.ModuleList(
            nn.ModuleList(self._path(source, target, widths, config) for source in range(len(widths)))
            for target in range(len(widths))
        )

    @staticmethod
    def _path(source: int, target: int, widths: tuple[int, ...], config: HRNetConfig) -> nn.Module:
        if source == target:
            return nn.Identity()
        if source > target:
            return nn.Sequential(
                *conv_norm(widths[source], widths[target], config, size=1),
                nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
            )
        layers: list[nn.Module] = []
        for step in range(target - source):
            last = step == target - source - 1
            layers += conv_norm(widths[source], widths[target] if last else widths[source], config, stride=2)
            layers += [] if last else [nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Process one map for each branch, finest first; each has half the side of the one before."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for paths in self.exchange:
            assert isinstance(paths, nn.ModuleList)
            total = paths[0](maps[0])
            for path, x in zip(paths[1:], maps[1:], strict=True):
                total = total + path(x)
            fused.append(torch.relu(total))
        return fused


class HRNetBody(nn.Module):
    """Stem and stages without the fusion: pictures (B, 3, H, W) to the first map and one map for each branch."""

    def __init__(self, config: HRNetConfig) -> None:
        super().__init__()
        stem = config.stem
        self.stem1 = nn.Sequential(*conv_norm(3, stem, config, stride=2), nn.ReLU())
        self.stem2 = nn.Sequential(*conv_norm(stem, stem, config, stride=2), nn.ReLU())
        inputs = [stem, *[4 * stem] * (config.stem_blocks - 1)]
        self.stage1 = nn.Sequential(*(Bottleneck(width, stem, config) for width in inputs))
        self.transitions, self.stages = nn.ModuleList(), nn.ModuleList()
        before: tuple[int, ...] = (4 * stem,)
        for stage, count in enumerate(config.modules):
            widths = config.widths[: stage + 2]
            self.transitions.append(
                nn.ModuleList(self._transition(before, widths, i, config) for i in range(len(widths)))
            )
            self.stages.append(nn.ModuleList(ExchangeModule(widths, config) for _ in range(count)))
            before = widths

    @staticmethod
    def _transition(before: tuple[int, ...], widths: tuple[int, ...], branch: int, config: HRNetConfig) -> nn.Module:
        if branch >= len(before):
            return nn.Sequential(*conv_norm(before[-1], widths[branch], config, stride=2), nn.ReLU())
        if before[branch] != widths[branch]:
            return nn.Sequential(*conv_norm(before[branch], widths[branch], config), nn.ReLU())
        return nn.Identity()

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The first map, at half resolution, and the maps of the branches, from a quarter of the resolution down."""
        first = self.stem1(images)
        maps = [self.stage1(self.stem2(first))]
        for transition, modules in zip(self.transitions, self.stages, strict=True):
            assert isinstance(transition, nn.ModuleList)
            assert isinstance(modules, nn.ModuleList)
            # A new branch starts from the coarsest branch so far.
            maps = [path(maps[min(i, len(maps) - 1)]) for i, path in enumerate(transition)]
            for module in modules:
                maps = module(maps)
        return first, maps


class HRNetEncoder(nn.Module):
    """Encodes pictures (B, 3, H, W) to `PixelFeatures` at (H/4, W/4).

    The fusion is that of HRNetV2: all branches are enlarged to the finest one, concatenated and processed by 1x1
    convolutions, the last of which returns `features` channels instead of classes.
    """

    def __init__(self, config: HRNetConfig) -> None:
        super().__init__()
        self.config = config
        self.body = HRNetBody(config)
        total = sum(config.widths)
        self.fuse = nn.Sequential(
            nn.Conv2d(total, total, 1), make_norm(config.norm, total, config.groups), nn.ReLU(),
            nn.Conv2d(total, config.features, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> PixelFeatures:
        """Encode pictures (B, 3, H, W); H and W must be divisible by 2 ** (branches + 1)."""
        check_sides(images, 2 ** (len(self.config.widths) + 1))
        first, maps = self.body(images)
        size = maps[0].shape[-2:]
        raised = [functional.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in maps[1:]]
        fused = self.fuse(torch.cat([maps[0], *raised], dim=1))
        return PixelFeatures(stacks=(fused,), fine=first if self.config.fine else None)
