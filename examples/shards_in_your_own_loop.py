"""Train a network of your own on the shards, with a plain PyTorch loop.

    python examples/shards_in_your_own_loop.py shards/ --steps 1000

The network is a small PIFu: a convolutional encoder, features read at the pixel of each point, and a head that decides
from features and depth whether the point is inside.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import mpc


class SmallPIFu(nn.Module):
    """Occupancy of points from a picture.

    Attributes:
        encoder: RGBA picture to feature maps of a quarter of its size.
        head: features and depth of a point to one logit.
    """

    def __init__(self, features: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(4, features, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(features, features, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Linear(features + 1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(
        self,
        pictures: Tensor,  # (B, 4, H, W) uint8
        points: Tensor,  # (B, N, 3) view space
    ) -> Tensor:  # (B, N) logits
        maps = self.encoder(pictures.float() / 255.0)
        # x and y of view space are the coordinates of `grid_sample` (docs/conventions.md).
        at_pixels = functional.grid_sample(maps, points[:, :, None, :2], align_corners=False)[..., 0]
        return self.head(torch.cat([at_pixels.transpose(1, 2), points[..., 2:]], dim=2))[..., 0]


def to_view_space(points: Tensor, calibration: Tensor) -> Tensor:
    """World metres (B, N, 3) to view space by the calibration (B, 4, 4) of each view; perspective divides by w."""
    homogeneous = functional.pad(points, (0, 1), value=1.0) @ calibration.transpose(1, 2)
    return homogeneous[..., :3] / homogeneous[..., 3:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path, help="folder that `mpc sample` wrote")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--points", type=int, default=2048, help="of each view in a step")
    parser.add_argument("--image-size", type=int, help="edge of the pictures, at most as stored")
    chosen = parser.parse_args()

    torch.manual_seed(0)
    dataset = mpc.ViewDataset(chosen.shards, "train", points=chosen.points, image_size=chosen.image_size)
    # `dataset[(view, draw)]` gives other points of the same view; a sampler could count `draw` up with each epoch.
    drawn = torch.utils.data.RandomSampler(dataset, replacement=True, num_samples=chosen.steps * chosen.batch)
    loader = torch.utils.data.DataLoader(dataset, batch_size=chosen.batch, sampler=drawn)

    network = SmallPIFu()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for step, batch in enumerate(loader):
        logits = network(batch["image"], to_view_space(batch["points"], batch["calibration"]))
        loss = functional.binary_cross_entropy_with_logits(logits, batch["labels"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        inside, labelled = logits > 0, batch["labels"] > 0.5
        iou = (inside & labelled).sum() / (inside | labelled).sum().clamp(min=1)
        print(f"step {step}: loss {loss.item():.4f}, IoU {iou.item():.3f}")


if __name__ == "__main__":
    main()
