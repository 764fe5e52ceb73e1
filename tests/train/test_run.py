"""Training runs: it learns, resumes exactly, splits over processes, and mines what is hard."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mpc.core.errors import InputError, SettingsError
from mpc.core.files import read_json
from mpc.core.locks import FolderBusyError, writing
from mpc.core.progress import NoProgress
from mpc.geometry.camera import camera_of
from mpc.models.features import normalise_images
from mpc.models.runs import load_run
from mpc.train.data import collate
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.log import read_lines
from mpc.train.losses import iou
from mpc.train.mining import MiningTable
from mpc.train.presets import preset
from mpc.train.run import read_settings, train_views
from mpc.train.settings import TrainSettings
from mpc.train.stages import SurfaceStage

SMALL_NETWORKS: dict[str, Any] = {
    "surface_network": {
        "encoder": {"stacks": 1, "depth": 1, "channels": 16, "features": 16, "stem": 8, "groups": 4,
                    # Batch norm sees the parts of a split batch one by one, so only group norm makes equal sums.
                    "norm": "group"},
        "depth": {"kind": "soft", "bins": 16}, "head": {"kind": "skip", "channels": [32, 16]},
        "summary": {"numbers": 8, "widths": [8, 8], "norm": "group"},
    },
    "texture_network": {"encoder": {"stem": 4, "blocks": 1}, "depth": {"bins": 16}, "head": {"channels": [16]}},
}  # fmt: skip


def small(**overrides: Any) -> TrainSettings:
    """Seconds on one core: 32x32 pictures, ten thousand weights."""
    base = preset("tiny", threads=1, device="cpu", **SMALL_NETWORKS)
    stage = {"batch": 4, "points": 128, "validation_views": 4}
    surface = {"steps": 12, **stage, **overrides.pop("surface", {})}
    texture = {"steps": 4, **stage, **overrides.pop("texture", {})}
    from mpc.core.settings import override

    return override(base, {"surface": surface, "texture": texture, **overrides})


def people(count: int = 3, first: int = 0, **options: Any) -> EllipsoidViews:
    return EllipsoidViews(
        ellipsoid_people(count, seed=0, first=first), **{"size": 32, "points": 128, "colour_points": 32, **options}
    )


def losses(run: Path) -> list[tuple[str, int, float]]:
    return [(line["stage"], line["step"], line["loss"]) for line in read_lines(run / "log.jsonl")]


def test_overfits_one_view() -> None:
    """100 steps on 4,096 points of one view (64x64 picture) reach an IoU above 0.98 on them, above 0.8 on new ones."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = EllipsoidViews(ellipsoid_people(1, seed=5), yaws_deg=(30.0,), size=64, points=4096, colour_points=1)
    encoder = {"channels": 16, "stem": 16, "features": 16, "depth": 2, "norm": "group", "groups": 8}
    depth = {"kind": "soft", "bins": 64}
    network = {"encoder": encoder, "depth": depth, "head": {"kind": "cbn", "channels": [64, 64]}}
    settings = preset("tiny", surface_network=network, surface={"loss": "bce"})
    stage = SurfaceStage(settings.surface_network, settings.surface, settings.mining)
    optimiser = torch.optim.AdamW(stage.network.parameters(), lr=0.0)
    batch, fresh = collate([data[(0, 0)]]), collate([data[(0, 1)]])
    for step in range(100):
        for entry in optimiser.param_groups:
            entry["lr"] = 1.5e-2 * min(1.0, (step + 1) / 8) * (1 - step / 100)
        loss, _ = stage.losses(stage.network, batch)
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
    network = stage.network.eval()
    scores = []
    with torch.no_grad():
        features = network.encode(normalise_images(batch["image"]))
        for item in (batch, fresh):
            occupancy = network.query(features, item["points"], item["calibration"])
            scores.append(iou(occupancy, item["labels"]).item())
    assert scores[0] > 0.98
    assert scores[1] > 0.8


def test_a_run_leaves_what_the_next_command_needs(tmp_path: Path) -> None:
    run = train_views(people(), people(2, first=10), tmp_path, small(), name="first")
    record = read_json(run / "run.json")
    camera = camera_of(people()[0]["calibration"].numpy())
    assert record["data"]["extent_m"] == pytest.approx(camera.extent_m, abs=1e-3)
    assert record["data"]["fov_deg"] == 0
    assert (record["format"], record["status"]) == ("mpc-run", "finished")
    assert read_settings(run) == small()
    assert record["baseline"]["iou"] > 0.1
    assert record["stages"]["surface"]["steps"] == 12
    assert record["stages"]["surface"]["views_drawn"] == 12  # unseen views come first
    assert len(record["stages"]["surface"]["hardest"]) == 12
    lines = read_lines(run / "log.jsonl")
    assert [line["step"] for line in lines if line["stage"] == "surface"] == list(range(1, 13))
    needed = {"stage", "step", "seconds", "loss", "iou", "weights_min", "weights_mean", "weights_max", "weights_ess"}
    assert needed | {"scores_histogram", "stale_steps"} <= lines[0].keys()
    assert "val_iou" in lines[11]
    assert "val_colour_error" in lines[-1]
    loaded = load_run(run)
    assert loaded.texture is not None
    item = collate([people(1, first=10)[0]])
    images = normalise_images(item["image"])
    surface = loaded.surface.encode(images)
    texture = loaded.texture.encode(images)
    assert loaded.surface.query(surface, item["points"], item["calibration"]).shape == (1, 128)
    assert loaded.texture.query(texture, surface, item["colour_points"], item["calibration"]).shape == (1, 32, 3)
    with pytest.raises(SettingsError, match="exists already"):
        train_views(people(), None, tmp_path, small(), name="first")


def test_equal_seeds_give_equal_runs(tmp_path: Path) -> None:
    runs = [
        train_views(people(), None, tmp_path, small(seed=seed, stages="surface"), name=f"{i}")
        for i, seed in enumerate((1, 1, 2))
    ]
    assert losses(runs[0]) == losses(runs[1])
    assert losses(runs[0]) != losses(runs[2])


class StopAfter(NoProgress):
    """Sends this process SIGINT when so many steps are done, as Ctrl-C would."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, count: int = 1, note: str = "") -> None:
        self.left -= count
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("steps", "workers"), [(5, 0), (14, 0), (5, 1)], ids=["surface", "texture", "prefetching"])
def test_an_interrupted_run_resumes_bit_for_bit(tmp_path: Path, steps: int, workers: int) -> None:
    settings = small(workers=workers, surface={"schedule": "cosine", "ema": 0.9})
    whole = train_views(people(), people(1, first=10), tmp_path, settings, name="whole")
    with pytest.raises(KeyboardInterrupt):
        train_views(people(), people(1, first=10), tmp_path, settings, name="cut", progress=StopAfter(steps))
    cut = tmp_path / "cut"
    assert read_json(cut / "run.json")["status"] == "interrupted"
    assert len(losses(cut)) < len(losses(whole))
    with (cut / "log.jsonl").open("a") as file:  # a crash may leave lines beyond the checkpoint
        file.write('{"stage": "texture", "step": 99, "loss": 0}\n{"stage": "tex')
    train_views(people(), people(1, first=10), tmp_path, settings, resume=cut)
    assert losses(cut) == losses(whole)
    for stage in ("surface", "texture"):
        one, two = ((run / stage / "last.json").read_text() for run in (whole, cut))
        assert json.loads(one)["sha256"] == json.loads(two)["sha256"]
    assert read_json(cut / "run.json")["status"] == "finished"
    if workers:
        assert {line["stale_steps"] for line in read_lines(cut / "log.jsonl")} <= set(range(2 * workers + 1))


def test_resume_refuses_other_data(tmp_path: Path) -> None:
    run = train_views(people(), None, tmp_path, small(stages="surface"), name="run")
    with pytest.raises(SettingsError, match="other views"):
        train_views(people(4), None, tmp_path, small(), resume=run)
    with pytest.raises(InputError, match="no such file"):
        train_views(people(), None, tmp_path, small(), resume=tmp_path / "none")
    with writing(run, tell=print), pytest.raises(FolderBusyError, match="process"):
        train_views(people(), None, tmp_path, small(), resume=run)


def test_stages_one_by_one_equal_both_at_once(tmp_path: Path) -> None:
    both = train_views(people(), None, tmp_path, small(), name="both")
    run = train_views(people(), None, tmp_path, small(stages="surface"), name="one")
    assert load_run(run).texture is None
    train_views(people(), None, tmp_path, small(stages="texture"), resume=run)
    assert losses(run) == losses(both)
    with pytest.raises(InputError, match="holds no surface network"):
        train_views(people(), None, tmp_path, small(stages="texture"), name="none")


def test_accumulation_changes_memory_not_the_result(tmp_path: Path) -> None:
    runs = [
        train_views(people(), None, tmp_path, small(stages="surface", surface={"accumulate": a}), name=str(a))
        for a in (1, 4)
    ]
    pairs = zip(losses(runs[0]), losses(runs[1]), strict=True)
    assert all(abs(a[2] - b[2]) < 1e-4 for a, b in pairs)
    with pytest.raises(SettingsError, match="cannot be split"):
        train_views(people(), None, tmp_path, small(surface={"accumulate": 3}), name="3")


def test_a_time_limit_ends_the_run_and_its_learning_rate(tmp_path: Path) -> None:
    settings = small(stages="surface", max_minutes=2 / 60, surface={"steps": 100_000, "schedule": "cosine", "batch": 2})
    run = train_views(people(), None, tmp_path, settings, name="timed")
    line = read_lines(run / "log.jsonl")[-1]
    assert line["step"] < 100_000
    assert line["seconds"] < 10
    assert line["rate"] < 0.3 * settings.surface.learning_rate


def test_mining_in_a_run_turns_to_the_hard_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One person's labels are noise and stay hard. Its share of the drawn views is what the weights of each moment say,
    within three standard deviations, and grows beyond its share of the data; uniform drawing keeps to the latter."""

    class OneHard(EllipsoidViews):
        def __getitem__(self, key: int | tuple[int, int]) -> dict[str, torch.Tensor]:
            item = super().__getitem__(key)
            if int(item["scene"]) == 0:
                item["labels"] = (torch.arange(len(item["labels"])) % 3 == 0).float()
            return item

    expected: dict[str, list[float]] = {"item": [], "none": []}
    shares = {}
    steps, batch = 70, 8
    draw = MiningTable.draw
    for mode in ("item", "none"):

        def watched(self: MiningTable, step: int, count: int, mode: str = mode) -> Any:
            expected[mode].append(float(self.probabilities()[:4].sum()))
            return draw(self, step, count)

        monkeypatch.setattr(MiningTable, "draw", watched)
        data = OneHard(ellipsoid_people(4, seed=0), size=32, points=256, colour_points=8)
        # Settings of its own, not the preset's: the other people must become easy within these steps.
        stage = {"steps": steps, "batch": batch, "points": 256, "loss": "balanced-bce", "learning_rate": 5e-3}
        settings = small(stages="surface", mining={"mode": mode, "surface_alpha": 0.1}, surface=stage)
        run = train_views(data, None, tmp_path, settings, name=mode)
        drawn = load_file(run / "surface" / "state.safetensors")["mining/drawn"]
        shares[mode] = float(drawn[:4].sum() / drawn.sum())
        deviation = sum(p * (1 - p) for p in expected[mode]) ** 0.5 / (steps * batch**0.5)
        assert abs(shares[mode] - sum(expected[mode]) / steps) < 3 * deviation
    assert expected["none"] == [0.25] * steps
    assert sum(expected["item"][-20:]) / 20 > 0.4
    assert shares["item"] > shares["none"] + 0.05


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    """torchrun with gloo: same losses as one process within 1e-5, same weights and mining table on both ranks."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import sys, torch
        from pathlib import Path
        from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
        from mpc.train import loop, run
        from mpc.core.settings import override
        from mpc.train.settings import TrainSettings
        import json, os
        out = Path(sys.argv[1])
        settings = override(TrainSettings(), json.loads((out / "settings.json").read_text()))
        tables = []
        real = loop.MinedBatches
        def watch(table, *a, **k):
            tables.append(table)
            return real(table, *a, **k)
        loop.MinedBatches = watch
        nets = []
        real_average = loop.MovingAverage
        def watch_average(network, decay):
            nets.append(network)
            return real_average(network, decay)
        loop.MovingAverage = watch_average
        data = EllipsoidViews(ellipsoid_people(3, seed=0), size=32, points=128, colour_points=32)
        run.train_views(data, None, out, settings, name="world" + os.environ.get("WORLD_SIZE", "1"))
        rank = os.environ.get("RANK", "0")
        weights = {f"{i}/{n}": v for i, net in enumerate(nets) for n, v in net.state_dict().items()}
        scores = {f"scores{i}": torch.from_numpy(t.scores) for i, t in enumerate(tables)}
        if os.environ.get("WORLD_SIZE", "1") != "1":
            from safetensors.torch import save_file
            save_file({**weights, **scores}, out / f"rank{rank}.safetensors")
        """)
    )
    from mpc.core.settings import to_table

    settings = small(seed=4, surface={"steps": 5, "clip": 1.0}, texture={"steps": 2})
    (tmp_path / "settings.json").write_text(json.dumps(to_table(settings)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("WORLD_SIZE", None)
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, env=environment, timeout=300)
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                 "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        assert [process.wait(timeout=300) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    one, two = losses(tmp_path / "world1"), losses(tmp_path / "world2")
    assert [entry[:2] for entry in one] == [entry[:2] for entry in two]
    assert max(abs(a[2] - b[2]) for a, b in zip(one, two, strict=True)) < 1e-5
    ranks = [load_file(tmp_path / f"rank{rank}.safetensors") for rank in (0, 1)]
    assert ranks[0].keys() == ranks[1].keys()
    assert all(torch.equal(ranks[0][name], ranks[1][name]) for name in ranks[0])
