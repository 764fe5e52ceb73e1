"""Training throughput: items a second and peak memory, beside the plain implementation.

    python benchmarks/train.py                          # a size that suits the machine
    python benchmarks/train.py --encoder hrnet --size 512 --batch 8 --steps 20

"plain" is full precision, no channels-last, no compilation. On CUDA "tuned" is bfloat16 autocast and channels-last;
on a CPU the two are the same code, and the ratio shows the noise.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time

import torch

from mpc.models.depth import DepthConfig
from mpc.models.registry import default_encoder
from mpc.models.surface import SurfaceConfig, SurfaceNetwork
from mpc.train.losses import occupancy_loss


def measure(
    encoder: str, size: int, batch: int, points: int, steps: int, device: torch.device, *, tuned: bool
) -> dict[str, float]:
    """Median seconds of one training step (forward, backward, RMSprop) on random data, and what follows from it."""
    torch.manual_seed(0)
    config = SurfaceConfig(encoder=default_encoder(encoder), depth=DepthConfig())
    network = SurfaceNetwork(config).to(device).train()
    cuda = device.type == "cuda"
    layout = torch.channels_last if tuned and cuda else torch.contiguous_format
    network = network.to(memory_format=layout)
    optimiser = torch.optim.RMSprop(network.parameters(), lr=1e-3)
    images = torch.randn(batch, 3, size, size, device=device).contiguous(memory_format=layout)
    where = torch.rand(batch, points, 3, device=device) * 2 - 1
    labels = (torch.rand(batch, points, device=device) > 0.5).float()
    eye = torch.eye(4, device=device).expand(batch, 4, 4)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(steps + 2):
        started = time.perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=tuned and cuda):
            logits, inside, _ = network(images, where, eye)
            loss = occupancy_loss(logits, inside, labels, kind="mse").mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    each = sorted(seconds[2:])[steps // 2]
    memory = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds_a_step": each, "items_a_second": batch / each, "peak_memory_GiB": memory / 2**30}


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("--encoder", nargs="+", default=["hourglass", "hrnet"])
    parser.add_argument("--size", type=int, default=512 if cuda else 128)
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 8] if cuda else [2])
    parser.add_argument("--points", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20 if cuda else 3)
    options = parser.parse_args()
    device = torch.device("cuda" if cuda else "cpu")
    name = torch.cuda.get_device_name() if cuda else f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    print(json.dumps({"device": name, "torch": torch.__version__, **vars(options)}))
    for encoder in options.encoder:
        for batch in options.batch:
            results = {
                label: measure(
                    encoder, options.size, batch, options.points, options.steps, device, tuned=label == "tuned"
                )
                for label in ("plain", "tuned")
            }
            ratio = results["tuned"]["items_a_second"] / results["plain"]["items_a_second"]
            print(json.dumps({"encoder": encoder, "batch": batch, **results, "ratio": round(ratio, 2)}), flush=True)


if __name__ == "__main__":
    main()
