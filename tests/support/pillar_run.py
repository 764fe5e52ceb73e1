"""Shards and an untrained run to evaluate, and a network with a known answer in its place."""

import dataclasses
import json
from types import SimpleNamespace

import torch

from mpc.core.files import write_json
from mpc.evaluate import run as run_module
from mpc.evaluate.methods import candidate as candidate_module
from mpc.evaluate.run import evaluate
from mpc.evaluate.settings import EvaluationSettings, Workers
from mpc.models.features import PixelFeatures
from mpc.models.head import HeadConfig
from mpc.models.residual import ResidualConfig
from mpc.models.storage import save_network
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.models.texture import TextureConfig, TextureNetwork


def make_world(figure_shards, root):
    """Shards of five figures below `root`, and a run whose surface network never trained."""
    (root / "shards").symlink_to(figure_shards)
    torch.manual_seed(0)
    encoder, head = ResidualConfig(stem=8, blocks=1), HeadConfig(channels=(16, 8))
    surface = SurfaceConfig(encoder=encoder, head=head)
    texture = TextureConfig(encoder=encoder, head=head, surface_channels=surface.pixel_channels)
    run = root / "runs" / "untrained"
    save_network(run / "surface" / "best.safetensors", SurfaceNetwork(surface), surface, step=1)
    save_network(run / "texture" / "best.safetensors", TextureNetwork(texture), texture, step=1)
    write_json(run / "run.json", {"created": "2026", "settings": {"image_size": 64, "note": "<b>&"}})
    lines = [
        {"stage": "surface", "step": step, "loss": 1 / step, "iou": 0.1 * step, "weights_min": 1.0, "weights_mean": 2.0,
         "weights_max": 9.0, "weights_ess": 5.0, "scores_histogram": [1, 2, 0, 0, 0, 0, 0, 0, 0, 3]}
        for step in (1, 2, 3)
    ]  # fmt: skip
    lines.append({"stage": "texture", "step": 1, "loss": 0.3, "colour_error": 0.3})
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"cut sho')
    return root


class PillarNetwork(torch.nn.Module):
    """Stands for a trained surface network: believes in an upright ellipsoid, or in nothing for dark pictures."""

    def __init__(self, empty=False, nan=False, reads_landmarks=False, body_source="none"):
        super().__init__()
        self.empty, self.nan = empty, nan
        self.config = SimpleNamespace(reads_landmarks=reads_landmarks, body_source=body_source, predicts_maps=False)
        self.given, self.bodies = [], []
        self.weight = torch.nn.Parameter(torch.zeros(()))  # says where the network is, as those of any network do

    def encode(self, images, landmarks=None, body=None):
        self.given.append(landmarks)
        self.bodies.append(body)
        return PixelFeatures(stacks=(images[:, :1],))

    def depth_range(self, features, xy):
        return None

    def query(self, features, points, calibrations):
        size = torch.tensor([0.12, 0.75, 0.12])
        inside = 1.0 - (points / size).norm(dim=-1)
        if self.nan:
            return inside * float("nan")
        return torch.sigmoid(inside * 20.0) * (0.0 if self.empty else 1.0)


def measure_run(world, *, jobs=1, fresh=False, **settings):
    """Evaluate the run of `world` on the CPU."""
    workers = Workers(jobs=jobs, device="cpu")
    return evaluate(world / "runs", world / "shards", EvaluationSettings(**settings), workers=workers, fresh=fresh)


def pillar_run(monkeypatch, world, **options):
    """Let the evaluation load the pillar instead of the run's weights."""
    real = candidate_module.load_run

    def load(run, device="cpu"):
        return dataclasses.replace(real(run, device), surface=PillarNetwork(**options), texture=None)

    monkeypatch.setattr(candidate_module, "load_run", load)
    run_module._open_source.cache_clear()
