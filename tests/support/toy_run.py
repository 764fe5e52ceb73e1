"""Untrained networks as a run, and a person of two colours to reconstruct."""

from pathlib import Path

import numpy as np
import torch

from mpc.core.files import write_json
from mpc.models.head import HeadConfig
from mpc.models.residual import ResidualConfig
from mpc.models.storage import save_network
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.models.texture import TextureConfig, TextureNetwork
from mpc.reconstruct.capture.framing import cut, frame_person


def red_person(height=200, width=160, box=(20, 180, 60, 100)):
    """A red person before blue, as RGBA: rows 20 to 180, columns 60 to 100."""
    picture = np.zeros((height, width, 4), np.uint8)
    picture[..., 2] = 200
    top, bottom, left, right = box
    picture[top:bottom, left:right] = (180, 30, 40, 255)
    return picture


def write_toy_run(run: Path) -> Path:
    """Write untrained networks whose field is inside at about half of the points."""
    torch.manual_seed(0)
    encoder, head = ResidualConfig(stem=8, blocks=1), HeadConfig(channels=(16, 8))
    surface_config = SurfaceConfig(encoder=encoder, head=head)
    texture_config = TextureConfig(encoder=encoder, head=head, surface_channels=surface_config.pixel_channels)
    surface = SurfaceNetwork(surface_config).eval()
    picture = cut(red_person(), frame_person(red_person(), height_m=1.6), 32)
    points = torch.rand(1, 2000, 3) * 2 - 1
    with torch.inference_mode():
        pixels = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
        features = surface.encode((pixels[:, :3] / 127.5 - 1) * (pixels[:, 3:] / 255))
        surface.head.layers[-1].bias -= surface.logits_all(features, points, torch.eye(4)[None])[0][-1].median()
    save_network(run / "surface" / "best.safetensors", surface, surface_config, step=1)
    save_network(run / "texture" / "best.safetensors", TextureNetwork(texture_config), texture_config, step=1)
    write_json(run / "run.json", {"created": "2026", "settings": {"image_size": 32}})
    return run
