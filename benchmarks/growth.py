"""What many scenes cost before any is worked on: start-up, memory, bytes, disk, and the price of one more person.

    python benchmarks/growth.py                      # 200, 800 and 16,498 scenes of 36 views, about an hour
    python benchmarks/growth.py --scenes 200         # a minute
    python benchmarks/growth.py --scenes 200 --points 20000     # heavier scenes, for what the disk holds meanwhile

The scenes are made up: balls of 80 faces, each with 36 pictures of 32x32, hard links to the same files. They are light,
so that what is measured is the handling of scenes and not their content. `mpc sample` packs each of them from rows that
were sampled once. Seconds are processor time, each step in a process of its own; memory is the peak of that process.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from mpc.datasets.renders import format as renders_format
from mpc.datasets.renders.format import read_scene
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.geometry.camera import orbit_cameras
from mpc.geometry.mesh import Material, PosedMesh

SIZE, VIEWS = 32, 36
# Every so many scenes the linked files are made anew: a file has at most 65,000 names on ext4.
LINKS = 60_000


def make_scene(root: Path, subject: str) -> Path:
    """Write one light scene as `mpc render` does."""
    try:
        write_scene = importlib.import_module("mpc.datasets.renders.write").write_scene
    except ModuleNotFoundError:  # earlier versions
        write_scene = renders_format.write_scene  # type: ignore[attr-defined]
    ball = trimesh.creation.icosphere(subdivisions=1, radius=0.5)
    mesh = PosedMesh(ball.vertices.astype(np.float32).astype(float), ball.faces.astype(np.int32), (Material(),))
    transfer = np.full((len(mesh.vertices), 9), 0.3, np.float32)
    views, pictures = [], {}
    for camera in orbit_cameras((0.0, 0.0, 0.0), 2.4, views=VIEWS, step_deg=360 / VIEWS):
        name = f"{round(camera.yaw_deg):03d}"
        pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
        pixels[8:24, 10:22] = (200, 100, 50, 255)
        pixels[12, 12, 0] = round(camera.yaw_deg) // 2
        pictures[name] = encode(pixels)
        view = {"name": name, "yaw_deg": camera.yaw_deg, "pitch_deg": 0.0, "light_name": "white"}
        light = np.full((9, 3), 0.123456789 * camera.yaw_deg)
        views.append(view | {"calibration": camera.calibration.tolist(), "light": light.tolist()})
    about = {"animation": "scan", "frame": 0, "kind": "scan", "centre_world": [0.0, 0.0, 0.0], "extent_m": 2.4}
    about |= {"subject": subject, "image_size": SIZE, "layers": [], "views": views, "notes": {}}
    return Path(write_scene(root, about, mesh, transfer, pictures))


def encode(pixels: np.ndarray) -> bytes:
    """PNG bytes as this version of mpc renders them."""
    try:
        box = importlib.import_module("mpc.formats.png_box")
    except ModuleNotFoundError:  # earlier versions
        import io

        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
        return buffer.getvalue()
    return bytes(box.encode_png_box(pixels))


def make_renders(root: Path, count: int) -> None:
    """A renders folder of `count` people with one light scene each, and the manifest of a finished run."""
    root.mkdir(parents=True)
    content = {"format": "mpc-renders", "version": renders_format.VERSION, "settings": {"seed": 0, "layers": []}}
    (root / "settings.json").write_text(json.dumps(content))
    for number in range(count):
        if number % LINKS == 0:
            first = make_scene(root, f"p{number:05d}")
        else:
            copy_scene(root, first, f"p{number:05d}")
    write_manifest(root)


def copy_scene(root: Path, first: Path, subject: str) -> Path:
    """The same scene under another subject's name."""
    folder = root / subject / first.name
    folder.mkdir(parents=True)
    for path in first.iterdir():
        if path.name != "scene.json":
            os.link(path, folder / path.name)
    text = (first / "scene.json").read_bytes().replace(f'"{first.parent.name}"'.encode(), f'"{subject}"'.encode())
    before = b',\n "sha256": "'
    if before in text:  # sealed, see core/sealed.py
        head = text.rpartition(before)[0]
        text = head + before + hashlib.sha256(head).hexdigest().encode() + b'"\n}\n'
    (folder / "scene.json").write_bytes(text)
    return folder


def write_manifest(root: Path) -> None:
    """What a finished run of `mpc render` leaves."""
    try:
        belonging = importlib.import_module("mpc.datasets.renders.belonging")
        manifest = importlib.import_module("mpc.datasets.renders.manifest")
    except ModuleNotFoundError:  # earlier versions
        importlib.import_module("mpc.datasets.renders.folder").write_manifest(root)
        return
    known = manifest.read_manifest(root) or {}
    new = [
        path.parent for path in sorted(root.glob("*/*/scene.json")) if str(path.parent.relative_to(root)) not in known
    ]
    manifest.append_manifest(root, (belonging.describe_scene(read_scene(folder)) for folder in new))


def settings(points: int, shard_scenes: int) -> SampleSettings:
    """Scenes of so many near points, and shards of about so many scenes."""
    size = points * 9 + points // 4 * 36 + 12_000  # positions, colours, pictures
    return SampleSettings(
        near_points=points, uniform_points=points // 2, colour_points=points // 4, shard_bytes=shard_scenes * size
    )


def sample(renders: Path, out: Path, points: str, shard_scenes: str) -> dict[str, Any]:
    """`mpc sample` with the rows of one scene for all, which are sampled by the first that comes."""
    try:
        module = importlib.import_module("mpc.datasets.shards.sample_unit")
    except ModuleNotFoundError:  # earlier versions
        module = importlib.import_module("mpc.datasets.shards.build")
    real, kept = module.sample_scene, {}

    def again(scene: Any, settings: SampleSettings, *, keep_mesh: bool) -> Any:
        if keep_mesh not in kept:
            kept[keep_mesh] = real(scene, settings, keep_mesh=keep_mesh)
        text = {"scenes/key": scene.key, "scenes/subject": scene.subject}
        rows = kept[keep_mesh].rows | {name: np.array([value.encode()], "S") for name, value in text.items()}
        return dataclasses.replace(kept[keep_mesh], rows=rows)

    module.sample_scene = again
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            most[0] = max(most[0], disk(out))

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.perf_counter()
    summary = sample_renders(renders, out, settings(int(points), int(shard_scenes)), jobs=1)
    took = time.perf_counter() - begin
    done.set()
    watcher.join()
    assert not summary.failures, summary.failures[0]
    shards = {entry.name: entry.stat().st_mtime_ns for entry in out.glob("*.h5")}
    return {"sampled": summary.sampled, "written": summary.written_shards, "shards": len(shards), "wall_s": took,
            "bytes": summary.bytes, "peak": max(most[0], disk(out)) / max(summary.bytes, 1)}  # fmt: skip


def disk(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:  # it has just been removed or renamed
                continue
    return total


def load(out: Path) -> dict[str, Any]:
    """Open the training split, look at items in random order in a forked worker, and pickle the data set."""
    import psutil

    from mpc.datasets.loading.views import ViewDataset

    start = time.process_time()
    dataset = ViewDataset(out, "train", points=8, colour_points=4)
    opened = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe, write = os.pipe()
    if os.fork() == 0:
        before = psutil.Process().memory_full_info().uss
        for view in np.random.default_rng(0).integers(0, len(dataset), 4800):
            dataset[int(view)]
        os.write(write, str(psutil.Process().memory_full_info().uss - before).encode())
        os._exit(0)
    os.wait()
    grown = int(os.read(pipe, 100))
    return {"views": len(dataset), "open_s": opened, "open_mb": memory / 1024, "worker_mb": grown / 2**20,
            "pickle_mb": len(pickle.dumps(dataset)) / 1e6}  # fmt: skip


# Processor seconds, imports included, until `mpc view` has its names and answers with its page.
LOOK = """
import sys, time
from pathlib import Path
from urllib.request import urlopen
from mpc.view.recognise import open_source
from mpc.view.serve import serve
from mpc.view.server import ServerSettings
with serve(open_source(Path(sys.argv[1])), ServerSettings(port=0)) as address, urlopen(address) as page:
    assert b"<html" in page.read()
    print(time.process_time())
"""


def child(step: str, *arguments: str) -> dict[str, Any]:
    """Run a step in a process of its own, whose time and memory are measured."""
    command = [sys.executable, __file__, "--step", step, *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    return dict(json.loads(answer))


def run_step(step: str, *arguments: str) -> None:
    """One step; what it measured as a line of JSON."""
    imports = time.process_time()
    places = [Path(argument) for argument in arguments[:2]]
    found = sample(places[0], places[1], *arguments[2:]) if step == "sample" else load(places[0])
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found |= {"cpu_s": time.process_time() - imports, "peak_mb": usage.ru_maxrss / 1024}
    print(json.dumps(found))


def measure(count: int, folder: Path, points: int, shard_scenes: int) -> dict[str, Any]:
    """All steps for one number of scenes."""
    own = str(points), str(shard_scenes)
    renders, out = folder / f"renders_{count}", folder / f"shards_{count}"
    make_renders(renders, count)
    first = child("sample", str(renders), str(out), *own)
    kept = child("sample", str(renders), str(out), *own)
    assert (kept["sampled"], kept["written"]) == (0, 0)
    copy_scene(renders, renders / "p00000" / "scan_0000", "a_guest")  # the first by name, and in train
    write_manifest(renders)
    added = child("sample", str(renders), str(out), *own)
    loaded = child("load", str(out))
    looks = [[sys.executable, "-c", LOOK, str(folder)] for folder in (renders, out)]
    viewed = [float(subprocess.run(look, check=True, stdout=subprocess.PIPE, text=True).stdout) for look in looks]
    shutil.rmtree(renders)
    shutil.rmtree(out)
    return {"scenes": count, "first": first, "kept": kept, "added": added, "loaded": loaded, "viewed": viewed}


def report(rows: list[dict[str, Any]]) -> None:
    """The table of docs/shard-format.md, in Markdown."""
    lines = [
        ("scenes", lambda row: f"{row['scenes']:,}"),
        ("`mpc sample`, all of it: s, peak MB", lambda r: f"{r['first']['cpu_s']:.0f}, {r['first']['peak_mb']:.0f}"),
        ("`mpc sample`, nothing to do: s, peak MB", lambda r: f"{r['kept']['cpu_s']:.1f}, {r['kept']['peak_mb']:.0f}"),
        ("one person more: scenes sampled, shards written", lambda r: "{sampled:,}, {written}".format(**r["added"])),
        ("one person more: s", lambda row: f"{row['added']['cpu_s']:.1f}"),
        ("shards: number, MB", lambda row: f"{row['first']['shards']}, {row['first']['bytes'] / 1e6:.1f}"),
        ("most on disk while sampling / result", lambda row: f"{row['first']['peak']:.2f}"),
        ("loader, opened: s, peak MB", lambda r: f"{r['loaded']['open_s']:.2f}, {r['loaded']['open_mb']:.0f}"),
        ("private memory of a worker after 600 batches: + MB", lambda row: f"{row['loaded']['worker_mb']:.0f}"),
        ("page of `mpc view`, of renders and of shards: s", lambda r: "{:.1f}, {:.1f}".format(*r["viewed"])),
        ("pickle of the data set: MB", lambda row: f"{row['loaded']['pickle_mb']:.1f}"),
    ]
    for number, (name, show) in enumerate(lines):
        print(f"| {name} | " + " | ".join(show(row) for row in rows) + " |")
        if number == 0:
            print("| --- |" + " ---: |" * len(rows))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, nargs="+", default=[200, 800, 16_498])
    parser.add_argument("--folder", type=Path, help="where to work; needs 1.5 GB [default: a temporary folder]")
    parser.add_argument("--points", type=int, default=64, help="near points of a scene")
    parser.add_argument("--shard-scenes", type=int, default=80, help="scenes of a shard, about")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run_step(*options.step)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = []
        for count in options.scenes:
            rows.append(measure(count, Path(folder), options.points, options.shard_scenes))
            print(json.dumps(rows[-1]), file=sys.stderr)
        report(rows)


if __name__ == "__main__":
    main()
