"""Processes that train together: one that fails ends the others, nccl is told its GPU, gradients keep their layout."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from mpc.core.errors import MpcError
from mpc.models.surface import SurfaceNetwork
from mpc.train import distributed
from mpc.train.data import collate
from mpc.train.distributed import open_group
from mpc.train.stages import MapsStage, SurfaceStage
from support.toy_runs import people, toy


def as_one_of_two(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> dict[str, Any]:
    """Let this process believe that it is the second of two on that device; returns what it calls with what."""
    called: dict[str, Any] = {}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "choose_device", lambda name: (device, "as asked"))
    monkeypatch.setattr(torch.cuda, "set_device", lambda chosen: called.update(cuda=chosen))
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda backend, **options: called.update(options, backend=backend)
    )
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: called.update(left=True))
    return called


@pytest.mark.parametrize(
    ("device", "backend"), [(torch.device("cuda", 1), "nccl"), (torch.device("cpu"), "gloo")], ids=["cuda", "cpu"]
)
def test_nccl_is_told_the_gpu_of_its_process(
    device: torch.device, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = as_one_of_two(monkeypatch, device)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    with open_group("auto") as group:
        assert (group.rank, group.world) == (1, 2)
        assert torch.backends.cudnn.benchmark is (backend == "nccl")
    assert called["backend"] == backend
    assert called["device_id"] == (device if backend == "nccl" else None)
    assert called["left"]


def test_a_process_that_fails_does_not_wait_to_leave_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    called = as_one_of_two(monkeypatch, torch.device("cpu"))
    with pytest.raises(MpcError, match="no picture"), open_group("auto"):
        raise MpcError("no picture")
    gone = "[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:2345"
    with pytest.raises(MpcError, match="another process of this run has ended; see its message"), open_group("auto"):
        raise RuntimeError(gone)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), open_group("auto"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert "left" not in called


@pytest.mark.slow
def test_an_error_of_one_process_ends_the_other_within_seconds(tmp_path: Path) -> None:
    """The picture of a view of rank 1 cannot be read at its second step, while rank 0 waits in a sum of gradients."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from mpc.core.errors import InputError, MpcError
        from mpc.train.run import train_views
        from support.toy_runs import people, toy

        def fails(data):
            class Failing(type(data)):
                def __getitem__(self, key):
                    self.asked = getattr(self, "asked", 0) + 1
                    if os.environ["RANK"] == "1" and self.asked > 14:
                        raise InputError("view.png", "is damaged")
                    return super().__getitem__(key)
            data.__class__ = Failing
            return data

        try:
            train_views(fails(people()), None, Path(sys.argv[1]), toy(stages="surface", surface={"steps": 500}))
        except MpcError as error:
            print(error, flush=True)
            sys.exit(1)
        """)
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": ""}  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)], env={**environment, "RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        failed = processes[1].communicate(timeout=300)[0]
        ended = time.monotonic()
        waiting = processes[0].communicate(timeout=120)[0]
        seconds = time.monotonic() - ended
    finally:
        for process in processes:
            process.kill()
    assert "view.png: is damaged" in failed
    assert "another process of this run has ended" in waiting
    assert seconds < 60  # gloo's own limit is half an hour
    assert [process.returncode for process in processes] == [1, 1]


FINE = {"fine_widths": [8, 8], "fine_size": 32, "fine_patch": 2, "fine_values": 2}


@pytest.mark.parametrize("kind", [MapsStage, SurfaceStage])
@pytest.mark.parametrize("encoder", [{"landmarks": 4}, {"view": 16}, FINE])
def test_every_weight_that_is_trained_has_a_gradient(
    kind: type[SurfaceStage], encoder: dict[str, Any], tmp_path: Path
) -> None:
    """Otherwise DDP waits for it, and refuses the second step."""
    size = 32 if encoder is FINE else 16
    settings = toy(surface_network={"encoder": encoder}, image_size=size)
    stage = kind(settings.surface_network, settings.maps, settings.mining)
    data = people(1, size=size)
    batch = {**collate([data[0], data[1]]), "landmarks": torch.zeros(2, 33, 7)}
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        model = DistributedDataParallel(stage.network.train())
        for _ in range(2):
            stage.losses(model, batch)[0].mean().backward()
    finally:
        torch.distributed.destroy_process_group()
    trained = [weight for weight in stage.network.parameters() if weight.requires_grad]
    assert len(trained) > 20
    assert all(weight.grad is not None for weight in trained)


@pytest.mark.parametrize("encoder", ["maps", "hourglass", "hrnet"])
def test_gradients_have_the_strides_of_channels_last_weights(encoder: str, tmp_path: Path) -> None:
    """Otherwise DDP copies them once more and warns; 1x1 kernels have two equally good layouts."""
    config = toy().surface_network
    if encoder != "maps":
        kinds: dict[str, Any] = {
            "hourglass": {"kind": "hourglass", "stacks": 1, "depth": 1, "channels": 16, "features": 16, "stem": 8},
            "hrnet": {"kind": "hrnet", "widths": [8, 8, 8, 8], "features": 16},
        }
        network = {"encoder": kinds[encoder], "head": {"kind": "skip", "channels": [8]}, "summary": {"numbers": 0}}
        config = toy(surface_network=network, stages="surface", image_size=32).surface_network
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        inner = SurfaceNetwork(config).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        model = DistributedDataParallel(inner)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            size = 16 if encoder == "maps" else 32
            points = torch.rand(2, 8, 3) - 0.5
            logits, _, features = model(torch.rand(2, 4, size, size), points, torch.eye(4).expand(2, 4, 4))
            loss = sum((value.mean() for value in (*logits, *features.maps)), torch.zeros(()))
            loss.backward()
        assert not [str(warning.message) for warning in told if "strides" in str(warning.message)]
        kernels = [weight for weight in inner.parameters() if weight.ndim == 4 and weight.grad is not None]
        assert any(weight.shape[2:] == (1, 1) for weight in kernels)
        assert all(weight.grad.stride() == weight.stride() for weight in kernels)
    finally:
        torch.distributed.destroy_process_group()
