"""A U-net on few, wide cells: patches of the picture become cells, and cells become patches again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from .blocks import ResidualBlock, conv3x3, make_norm


class UNet(nn.Module):
    """Residual U-net (Ronneberger et al., MICCAI 2015) with a vector of the whole map at its bottom.

    Processors are fastest on few, wide maps, so the picture enters as cells of several pixels (`pixel_unshuffle`), and
    each level halves the number of cells along a side.

    Args:
        inputs: channels of the cells.
        widths: channels of each level; the first is that of the result.
        blocks: residual blocks of a level on the way down; there is one on the way up.
        bottom: residual blocks of the last level; 0: as many as of the others.
        norm: see `blocks.make_norm`.
    """

    def __init__(self, inputs: int, widths: Sequence[int], *, blocks: int, norm: str, bottom: int = 0) -> None:
        super().__init__()
        self.enter = nn.Sequential(conv3x3(inputs, widths[0]), make_norm(norm, widths[0]), nn.ReLU())
        counts = [blocks] * (len(widths) - 1) + [bottom or blocks]
        self.down = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width, norm) for _ in range(count)))
            for width, count in zip(widths, counts, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.raise_ = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(ResidualBlock(width, norm) for width in widths[:-1])
        last = widths[-1]
        self.whole = nn.Sequential(nn.Linear(last, last), nn.ReLU(), nn.Linear(last, last))

    def forward(self, cells: Tensor, added: Tensor | None = None) -> Tensor:
        """(B, inputs, h, w) -> (B, widths[0], h, w); h and w must be multiples of 2 ** (len(widths) - 1).

        Args:
            cells: the picture.
            added: (B, widths[0], h, w), or 1 in place of h and w for what is the same in all cells: what the cells are
                given besides. It is added after the first norm: norms of single pictures would remove what is the same
                in all cells.
        """
        if added is None:
            x: Tensor = self.enter(cells)
        else:
            first, norm, rectify = self.enter
            x = norm(first(cells))
            x = rectify(x + added.to(x.dtype))
        kept = []
        for level, blocks in enumerate(self.down):
            x = blocks(x)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](x)
        x = x + self.whole(x.mean(dim=(2, 3)))[:, :, None, None]
        for level in reversed(range(len(self.shrink))):
            raised = functional.interpolate(self.raise_[level](x), scale_factor=2, mode="nearest")
            x = self.up[level](kept[level] + raised)
        return x


def average_to(images: Tensor, size: int) -> Tensor:
    """Pictures (B, C, H, W) averaged to (B, C, size, size); H and W are the same multiple of `size`."""
    factor = images.shape[-1] // size
    return images if factor == 1 else functional.avg_pool2d(images, factor)


def enlarge_to(maps: Tensor, size: int) -> Tensor:
    """Maps (B, C, h, w) interpolated to (B, C, size, size), with cells that keep their places in the picture."""
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)


def zero_(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """Set all weights of a layer to zero, so that what it adds is nothing at first."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
