"""Encoder that predicts depth and normals of both sides at every pixel, in one level or two (PIFuHD in small).

PIFuHD (Saito et al., CVPR 2020) predicts normals of the front and the back from the picture, and refines a coarse level
by a fine one. Here both levels predict both depths as well. They are trained at every pixel, which teaches far more a
step than points of a volume do, and a head adds what two surfaces cannot say (head.BoundedHead).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.checks import check_choice
from ..core.errors import SettingsError
from .blocks import check_sides, conv3x3, make_norm
from .body import BODY_SOURCES, BodyCells
from .features import PixelFeatures
from .frames import (
    body_into_frames,
    depths_out_of_frames,
    find_frames,
    into_frames,
    landmarks_into_frames,
    out_of_frames,
)
from .landmarks import LandmarkVector
from .unet import UNet, average_to, enlarge_to, zero_

MAPS = 8
"""Channels of the maps: depth of the front and of the back, then the normal of each (three channels)."""


@dataclass(frozen=True, kw_only=True)
class MapsConfig:
    """The defaults are the shipped level 1 but for `landmarks` and `depth_unit` (train/presets.py), without a level 2.

    Attributes:
        kind: name of the encoder in models/registry.py.
        size: edge of the picture that level 1 sees, pixels; larger pictures are averaged.
        cells: edge of the map that level 1 works on, cells, whatever `size` is.
        widths: channels of level 1 at each halving of the cells.
        blocks: residual blocks of each width on the way down.
        bottom: residual blocks of the last width; 0: as many as of the others.
        values: features of each pixel that level 1 gives to the head beside its maps.
        coarse: features of each cell of level 1 that the head reads, too.
        fine_widths: channels of level 2; empty: there is no level 2.
        fine_size: edge of the picture that level 2 sees, pixels.
        fine_patch: edge of a cell of level 2, pixels.
        fine_values: features of each pixel that level 2 gives to the head.
        landmarks: length of the vector in which level 1 is told the person's 33 landmarks; 0: it sees none. A network
            that sees them works without them, too.
        body: the body below the clothes that level 1 is given in training: "none", the "known" one of free people, or
            the one that is "fitted" to the landmarks. A network that is given bodies works without them, too.
        depth_unit: unit in which the layers count depths, halves of the view cube. Where the last layer's numbers are
            halves themselves, one step of Muon, which is as large for small gradients as for large ones, moves all
            depths by centimetres, and what a view tells of depth is lost in that noise (docs/LOG.md).
        norm: see `blocks.make_norm`.
        view: edge of the picture that is given and of the maps that points read, pixels, of an encoder that works in a
            square frame around the person's mask (models/frames.py); 0: it works in the whole picture.
    """

    kind: str = "maps"
    size: int = 64
    cells: int = 16
    widths: tuple[int, ...] = (80, 112, 160, 216)
    blocks: int = 2
    bottom: int = 0
    values: int = 16
    coarse: int = 32
    fine_widths: tuple[int, ...] = ()
    fine_size: int = 256
    fine_patch: int = 4
    fine_values: int = 8
    landmarks: int = 0
    body: str = "none"
    depth_unit: float = 1.0
    norm: str = "batch"
    view: int = 0

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths + self.fine_widths) < 1 or self.blocks < 1:
            raise SettingsError(f"maps: widths {self.widths} and blocks {self.blocks} must be at least 1")
        if self.size % self.cells or self.cells % 2 ** (len(self.widths) - 1):
            raise SettingsError(
                f"maps: size {self.size} must be a multiple of cells {self.cells}, and cells of "
                f"{2 ** (len(self.widths) - 1)}, since each width but the last halves them"
            )
        step = self.fine_patch * 2 ** max(len(self.fine_widths) - 1, 0)
        if self.fine_widths and (self.fine_size % self.size or self.fine_size % step):
            raise SettingsError(
                f"maps: fine_size {self.fine_size} must be a multiple of size {self.size} and of {step}"
            )
        if self.values < 1 or self.coarse < 1 or self.fine_values < 1:
            raise SettingsError("maps: values, coarse and fine_values must be at least 1")
        if not 0.0 < self.depth_unit <= 1.0:
            raise SettingsError(f"maps: depth_unit is {self.depth_unit}, expected above 0 and at most 1")
        check_choice("body", self.body, BODY_SOURCES)
        if self.view < 0:
            raise SettingsError(f"maps: view is {self.view}, expected pixels, or 0 for no frames")
        if self.landmarks < 0:
            raise SettingsError(f"maps: landmarks is {self.landmarks}, expected a length, or 0 for none")

    @property
    def levels(self) -> int:
        """Number of levels, 1 or 2."""
        return 2 if self.fine_widths else 1

    @property
    def drawn(self) -> int:
        """Edge of the maps that the last level draws, pixels: of the picture, or of the frame around the person."""
        return self.fine_size if self.fine_widths else self.size

    @property
    def side(self) -> int:
        """Edge of the maps that points read, pixels."""
        return self.view or self.drawn

    @property
    def features(self) -> int:
        """Channels that a point reads from the maps: the maps, alpha, and the features of the pixel."""
        return MAPS + 1 + self.values + (self.fine_values if self.fine_widths else 0)

    @property
    def fine_channels(self) -> int:
        """Channels that a point reads from the cells of level 1."""
        return self.coarse


def _units(channels: int, depth_unit: float) -> Tensor:
    """(1, channels, 1, 1): what the numbers of a last layer are multiplied by; depths are the first two channels."""
    units = torch.ones(1, channels, 1, 1)
    units[:, :2] = depth_unit
    return units


class CoarseLevel(nn.Module):
    """Level 1: of the picture it sees colours alone; where the configuration says so, landmarks and a body besides.

    With alpha or positions as further channels, a network of this size learns outlines and neglects which way the
    person faces; with colours alone it finds that out by itself (docs/LOG.md).
    """

    def __init__(self, config: MapsConfig) -> None:
        super().__init__()
        self.patch = config.size // config.cells
        self.unet = UNet(3 * self.patch**2, config.widths, blocks=config.blocks, norm=config.norm, bottom=config.bottom)
        self.landmarks = LandmarkVector(config.landmarks, config.widths[0]) if config.landmarks else None
        self.body = None
        if config.body != "none":
            self.body = BodyCells(self.patch, config.widths[0], config.depth_unit)
        outputs = MAPS + config.values
        self.top = nn.Conv2d(config.widths[0], outputs * self.patch**2, 3, padding=1)
        with torch.no_grad():
            self.top.weight *= 0.1  # maps begin near the middle of the cube, where people are
        self.coarse = nn.Conv2d(config.widths[0], config.coarse, 1)
        self.units: Tensor
        self.register_buffer("units", _units(outputs, config.depth_unit), persistent=False)
        # Cells end in steps of a patch; two narrow convolutions over pixels smooth them.
        self.smooth = nn.Sequential(
            conv3x3(outputs + 3, outputs), make_norm(config.norm, outputs), nn.ReLU(),
            zero_(nn.Conv2d(outputs, outputs, 3, padding=1)),
        )  # fmt: skip

    def forward(
        self, colours: Tensor, landmarks: Tensor | None = None, body: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> maps and values (B, 8 + values, S, S), and features of the cells (B, coarse, c, c).

        Args:
            colours: the pictures.
            landmarks: (B, 33, 7), see `MapsEncoder.forward`.
            body: (B, 8, H, H), see `MapsEncoder.forward`.
        """
        told = None if self.landmarks is None else self.landmarks(landmarks, len(colours))[:, :, None, None]
        if self.body is not None and body is not None:
            cells = self.body(body, colours.shape[-1])
            told = cells if told is None else told + cells
        cells = self.unet(functional.pixel_unshuffle(colours, self.patch), told)
        pixels = functional.pixel_shuffle(self.top(cells), self.patch)
        smoothed = self.smooth(torch.cat([pixels, colours.to(pixels.dtype)], dim=1))
        return (pixels + smoothed) * self.units, self.coarse(cells)


class FineLevel(nn.Module):
    """Level 2: it sees the picture, alpha and the maps of level 1, and predicts what is to be added to those."""

    def __init__(self, config: MapsConfig) -> None:
        super().__init__()
        self.patch = config.fine_patch
        inputs = 3 + 1 + MAPS
        self.unet = UNet(inputs * self.patch**2, config.fine_widths, blocks=1, norm=config.norm)
        outputs = MAPS + config.fine_values
        self.top = nn.Conv2d(config.fine_widths[0], outputs * self.patch**2, 3, padding=1)
        last = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.smooth = nn.Sequential(
            conv3x3(outputs + inputs, outputs), make_norm(config.norm, outputs), nn.ReLU(), last
        )  # fmt: skip
        self.units: Tensor
        self.register_buffer("units", _units(outputs, config.depth_unit), persistent=False)
        # The maps of level 1 are kept at first: what is added to them starts at zero, the features do not.
        with torch.no_grad():
            for layer, count in ((self.top, MAPS * self.patch**2), (last, MAPS)):
                assert layer.bias is not None
                layer.weight[:count] = 0.0
                layer.bias[:count] = 0.0

    def forward(self, images: Tensor, maps: Tensor) -> Tensor:
        """Pictures (B, 4, S, S) and maps of level 1 (B, 8, S, S) -> residuals and values (B, 8 + fine_values, S, S)."""
        given = torch.cat([images.to(maps.dtype), maps], dim=1)
        cells = self.unet(functional.pixel_unshuffle(given, self.patch))
        pixels = functional.pixel_shuffle(self.top(cells), self.patch)
        smoothed: Tensor = self.smooth(torch.cat([pixels, given], dim=1))
        further: Tensor = (pixels + smoothed) * self.units
        return further


class MapsEncoder(nn.Module):
    """Encodes pictures (B, 4, H, W) to `PixelFeatures`: maps, alpha, values; the cells of level 1 as its fine map."""

    def __init__(self, config: MapsConfig) -> None:
        super().__init__()
        self.config = config
        self.frozen = False
        self.level1 = CoarseLevel(config)
        self.level2 = FineLevel(config) if config.fine_widths else None

    def forward(self, images: Tensor, landmarks: Tensor | None = None, body: Tensor | None = None) -> PixelFeatures:
        """Encode square pictures.

        Args:
            images: (B, 4, H, H) from `normalise_images`; H must be a multiple of the maps' edge.
            landmarks: (B, 33, 7), see person/landmarks.py; NaN for a person whose landmarks are not known, None where
                nobody's are. A configuration without landmarks ignores them.
            body: (B, 8, H, H), the body below the clothes: depths of front and back, and their normals; NaN where there
                is none, None for no bodies at all. A configuration without bodies ignores it.
        """
        config = self.config
        check_sides(images, config.side)
        if not config.view:
            return self._encode(images, landmarks, body)
        images = average_to(images, config.view)
        frames = find_frames(images[:, 3:])
        framed = self._encode(
            into_frames(images, frames, config.drawn),
            None if landmarks is None else landmarks_into_frames(landmarks, frames),
            None if body is None or config.body == "none" else body_into_frames(body, frames, config.size),
        )
        stack, *levels = (
            out_of_frames(depths_out_of_frames(maps, frames), frames, config.view)
            for maps in (*framed.stacks, *framed.maps[:-1])
        )
        assert framed.fine is not None
        # Outlines are those of the picture; maps of the last level are the first channels of the stack.
        stack = torch.cat([stack[:, :MAPS], images[:, 3:].to(stack.dtype), stack[:, MAPS + 1 :]], dim=1)
        coarse = out_of_frames(framed.fine, frames, 2 * config.cells)
        return PixelFeatures(stacks=(stack,), fine=coarse, maps=(*levels, stack[:, :MAPS]))

    def _encode(self, images: Tensor, landmarks: Tensor | None, body: Tensor | None) -> PixelFeatures:
        """The features of pictures in their own grid; arguments as for `forward`."""
        side = self.config.drawn
        small = average_to(images, self.config.size)
        found, coarse = self.level1(small[:, :3], landmarks, body)
        maps, values, alpha = found[:, :MAPS], found[:, MAPS:], small[:, 3:]
        levels: tuple[Tensor, ...] = (maps,)
        if self.level2 is not None:
            picture = average_to(images, side)
            maps, values = enlarge_to(maps, side), enlarge_to(values, side)
            # Each level has a loss of its own; that of level 2 leaves level 1 alone, as in PIFuHD.
            further = self.level2(picture, maps.detach())
            levels = (maps, maps.detach() + further[:, :MAPS])
            maps, alpha = levels[-1], picture[:, 3:]
            values = torch.cat([values, further[:, MAPS:]], dim=1)
        stack = torch.cat([maps, alpha.to(maps.dtype), values], dim=1)
        return PixelFeatures(stacks=(stack,), fine=coarse, maps=levels)

    def freeze_level1(self) -> None:
        """Keep the weights and the batch statistics of level 1 as they are, in training too."""
        self.level1.requires_grad_(False)
        self.frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> MapsEncoder:
        """Choose between training and evaluation; a frozen level 1 stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.level1.eval()
        return self
