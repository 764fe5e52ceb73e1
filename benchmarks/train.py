"""Measure training: pictures a second and peak memory, beside the plain implementation.

    python benchmarks/train.py                                  # a size that suits the machine
    python benchmarks/train.py --size 512 --batch 4 8 --steps 2 --encoder hrnet
    python benchmarks/train.py --shards shards/ --preset paper  # the loop itself: time waiting for data, share of peak

"plain": full precision, and PIFu's head as published, 1x1 convolutions over (batch, channels, points) with the input
concatenated before each. "tuned" is what `mpc train` does: on CUDA bfloat16 autocast and channels-last, on a CPU
neither (see docs/training.md), and everywhere a head that multiplies the input by its part of each layer's weights.
"bf16", "channels-last" and "compile" are "tuned" with that switched on. Each is measured in a process of its own;
`kept_GiB` are the tensors that the way there keeps for the gradient, counted without computing. On a CPU the ratio
is that of CPU seconds, so that a busy machine matters less. A step that does not fit --limit-gib says so.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from mpc.models.cost import count_cost
from mpc.models.head import SkipHead
from mpc.models.registry import default_encoder
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.train.data import open_views
from mpc.train.log import read_lines
from mpc.train.losses import occupancy_loss
from mpc.train.presets import preset
from mpc.train.run import train_views
from mpc.train.settings import resolve_settings

# Dense bfloat16 tensor-core operations a second, from the makers' data sheets.
PEAK_TFLOPS = {
    "H200": 989.0, "H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "L40": 181.0,
    "L4": 121.0, "RTX 4090": 165.0,
}  # fmt: skip


class NaiveHead(nn.Module):
    """PIFu's classifier: the input is concatenated again before each 1x1 convolution."""

    def __init__(self, head: SkipHead) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(layer.in_features, layer.out_features, 1) for layer in head.layers)

    def forward(self, pixel: Tensor, depth: Tensor) -> Tensor:
        given = torch.cat([pixel, depth], dim=-1).transpose(1, 2)
        x = given
        for index, layer in enumerate(self.layers):
            x = layer(x if index == 0 else torch.cat([x, given], dim=1))
            x = functional.leaky_relu(x) if index + 1 < len(self.layers) else x
        return x.transpose(1, 2)


def build(encoder: str, variant: str) -> SurfaceNetwork:
    """The published encoder with Soft-Z and the published head."""
    network = SurfaceNetwork(SurfaceConfig(encoder=default_encoder(encoder)))
    if variant == "plain":
        assert isinstance(network.head, SkipHead)
        network.head = NaiveHead(network.head)
    return network.train()


def kept_bytes(encoder: str, variant: str, size: int, batch: int, points: int) -> int:
    """Bytes that autograd keeps from the way there, weights left out."""
    seen: dict[int, Tensor] = {}
    with FakeTensorMode(), saved_tensors_hooks(lambda t: seen.setdefault(t.untyped_storage()._cdata, t), lambda t: t):
        network = build(encoder, variant)
        own = {p.untyped_storage()._cdata for p in network.parameters()}
        network(torch.zeros(batch, 3, size, size), torch.zeros(batch, points, 3), torch.zeros(batch, 4, 4))
    return sum(t.untyped_storage().nbytes() for key, t in seen.items() if key not in own)


def measure(encoder: str, variant: str, batch: int, options: argparse.Namespace) -> dict[str, float | str]:
    """Median of one training step (forward, backward, RMSprop) on random data, and what follows from it."""
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cuda = device.type == "cuda"
    if options.limit_gib and not cuda:
        resource.setrlimit(resource.RLIMIT_DATA, (int(options.limit_gib * 2**30),) * 2)
    size, points = options.size, options.points
    fast = cuda and variant != "plain"
    layout = torch.channels_last if fast or variant == "channels-last" else torch.contiguous_format
    network = build(encoder, variant).to(device).to(memory_format=layout)
    model = torch.compile(network) if variant == "compile" else network
    optimiser = torch.optim.RMSprop(network.parameters(), lr=1e-3)
    images = torch.randn(batch, 3, size, size, device=device).contiguous(memory_format=layout)
    where = torch.rand(batch, points, 3, device=device) * 2 - 1
    labels = (torch.rand(batch, points, device=device) > 0.5).float()
    eye = torch.eye(4, device=device).expand(batch, 4, 4)
    walls, cpus = [], []
    try:
        for _ in range(options.steps + options.warm_up):
            started, cpu = time.perf_counter(), time.process_time()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast or variant == "bf16"):
                logits, inside, _ = model(images, where, eye)
                loss = occupancy_loss(logits, inside, labels, kind="mse").mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if cuda:
                torch.cuda.synchronize()
            walls.append(time.perf_counter() - started)
            cpus.append(time.process_time() - cpu)
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        return {"does_not_fit_GiB": options.limit_gib or "the device"}
    wall, cpu = (sorted(s[options.warm_up :])[options.steps // 2] for s in (walls, cpus))
    memory = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    flops = count_cost(network.config, size).step_flops(batch, points)
    return {
        "items_a_second": round(batch / wall, 4), "cpu_seconds_a_step": round(cpu, 3),
        "peak_memory_GiB": round(memory / 2**30, 2), "TFLOPS": round(flops / (wall if cuda else cpu) / 1e12, 4),
    }  # fmt: skip


def in_own_process(encoder: str, variant: str, batch: int, options: argparse.Namespace) -> dict[str, float | str]:
    """`measure` where peak memory starts afresh."""
    command = [sys.executable, __file__, "--encoder", encoder, "--batch", str(batch), "--one", variant]
    for name in ("size", "points", "steps", "warm_up", "limit_gib"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    kept = kept_bytes(encoder, variant, options.size, batch, options.points)
    return {**found, "kept_GiB": round(kept / 2**30, 2)}


def loop(options: argparse.Namespace) -> dict[str, float | str]:
    """The real surface stage on shards: pictures a second, share of time waiting for data, share of the peak."""
    batch = options.batch[0] if options.batch else preset(options.preset).surface.batch
    settings = preset(
        options.preset, stages="surface", picture_every=-1, log_every=1,
        surface={"steps": options.steps + options.warm_up, "batch": batch},
    )  # fmt: skip
    settings = resolve_settings(settings, assignments=options.assignments)
    views = open_views(options.shards, "train", settings, settings.surface.points, 1, train=True)
    with tempfile.TemporaryDirectory() as folder:
        lines = read_lines(train_views(views, None, Path(folder), settings, name="run") / "log.jsonl")
    first, last = lines[options.warm_up - 1], lines[-1]
    steps, elapsed = last["step"] - first["step"], last["seconds"] - first["seconds"]
    seconds = elapsed / steps
    # After the first steps, in which the loader's processes start.
    waited = (last["waiting_share"] * last["seconds"] - first["waiting_share"] * first["seconds"]) / elapsed
    flops = count_cost(settings.surface_network, views.image_size).step_flops(batch, settings.surface.points) / seconds
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    peak = next((value for key, value in PEAK_TFLOPS.items() if key in name), 0.0) * 1e12
    return {
        "preset": options.preset, "batch": batch, "items_a_second": round(batch / seconds, 3),
        "waiting_share": round(waited, 4), "stale_steps": max(line["stale_steps"] for line in lines),
        "TFLOPS": round(flops / 1e12, 3), **({"flops_utilisation": round(flops / peak, 3)} if peak else {}),
    }  # fmt: skip


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("--encoder", nargs="+", default=["hourglass", "hrnet"])
    parser.add_argument("--variants", nargs="+", default=["plain", "tuned"])
    parser.add_argument("--size", type=int, default=512 if cuda else 128)
    parser.add_argument("--batch", type=int, nargs="+", default=[])
    parser.add_argument("--points", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20 if cuda else 3)
    parser.add_argument("--warm-up", type=int, default=3 if cuda else 1)
    parser.add_argument("--limit-gib", type=float, default=0.0, help="memory of a process on the CPU; 0: no limit")
    parser.add_argument("--shards", type=Path, help="measure the training loop on these")
    parser.add_argument("--preset", default="paper" if cuda else "tiny")
    parser.add_argument("--set", dest="assignments", nargs="+", default=[], help="with --shards: settings, KEY=VALUE")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.encoder[0], options.one, options.batch[0], options)))
        return
    name = torch.cuda.get_device_name() if cuda else f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    print(json.dumps({"device": name, "torch": torch.__version__, "size": options.size, "points": options.points}))
    if options.shards:
        print(json.dumps(loop(options)))
        return
    for encoder in options.encoder:
        for batch in options.batch or ([4, 8] if cuda else [2]):
            first: dict[str, float | str] = {}
            for variant in options.variants:
                found = in_own_process(encoder, variant, batch, options)
                first = first or found
                key = "items_a_second" if cuda else "cpu_seconds_a_step"
                ratios = {}
                if key in first and key in found:
                    ratio = float(found[key]) / float(first[key])
                    ratios = {"speed_ratio": round(ratio if cuda else 1 / ratio, 2)}
                    ratios["memory_ratio"] = round(float(found["peak_memory_GiB"]) / float(first["peak_memory_GiB"]), 2)
                print(
                    json.dumps({"encoder": encoder, "batch": batch, "variant": variant, **found, **ratios}), flush=True
                )


if __name__ == "__main__":
    main()
