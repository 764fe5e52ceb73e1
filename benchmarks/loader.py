"""Measure loading: milliseconds an item, bytes a view and a scene, beside loading the mesh each time.

    python benchmarks/loader.py SHARDS RENDERS [--items N] [--scenes N] [--faces N]

One thread is used, and times are of the processor, so that other work on the machine counts less. An item is one stored
picture and 5,000 points (and no colours); batches of 8 go through the default collate function. The ways of the peers
are restated in a few lines. Their time grows with the number of faces, which --faces sets (a RenderPeople scan has some
110,000); mpc reads no meshes here.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py
import numpy as np
import torch
import trimesh
from label_shapes import fewer
from PIL import Image
from scipy.spatial import cKDTree

from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.format import SceneRecord, read_scene_mesh
from mpc.datasets.renders.read import read_renders
from mpc.datasets.shards.index import ShardEntry, read_index, write_index
from mpc.formats.png import decode_png, encode_png_rows
from mpc.geometry.mesh import PosedMesh

POINTS = 5000
LIMIT = 2 << 30


def milliseconds(work: Callable[[int], object], repeats: int) -> float:
    """Median of `repeats` calls with different arguments."""
    work(0)
    times = []
    for number in range(repeats):
        start = time.process_time()
        work(number)
        times.append(time.process_time() - start)
    return float(np.median(times)) * 1000.0


def scene_mesh(scene: SceneRecord, faces: int) -> trimesh.Trimesh:
    """The scene's mesh, with about so many faces unless 0."""
    posed, _ = read_scene_mesh(scene)
    if faces:
        while len(posed.faces) < faces:
            vertices, finer = trimesh.remesh.subdivide(posed.vertices, posed.faces)
            posed = PosedMesh(vertices, finer.astype(np.int32))
        posed = fewer(posed, faces)
    return trimesh.Trimesh(posed.vertices, posed.faces, process=False)


def pifu_route(renders: Path, faces: int) -> Callable[[int], object]:
    """As PIFu's loader: meshes in memory; decode the whole picture, draw surface points, test them with trimesh."""
    scene = read_renders(renders).scenes[0]
    mesh = scene_mesh(scene, faces)
    print(f"the peers' mesh has {len(mesh.faces)} faces")

    def work(number: int) -> object:
        picture = read_picture(scene.views[number % len(scene.views)].path)
        rng = np.random.default_rng(number)
        points = mesh.sample(POINTS, seed=number) + rng.normal(0.0, 0.05, (POINTS, 3))
        return picture, points, mesh.contains(points)

    return work


def monoport_route(renders: Path, folder: Path, faces: int) -> Callable[[int], object]:
    """As MonoPort's loader: the OBJ is read for each item, labels are the sign of the nearest vertex's normal."""
    scene = read_renders(renders).scenes[0]
    path = folder / "mesh.obj"
    scene_mesh(scene, faces).export(path)

    def work(number: int) -> object:
        picture = read_picture(scene.views[number % len(scene.views)].path)
        mesh = trimesh.load(path, process=False, force="mesh")
        tree, normals = cKDTree(mesh.vertices), mesh.vertex_normals
        rng = np.random.default_rng(number)
        count = POINTS * 16 // 17
        points, faces = trimesh.sample.sample_surface(mesh, count, seed=number)
        points = points + mesh.face_normals[faces] * rng.normal(0.0, 0.05, (count, 1))
        points = np.concatenate([points, rng.uniform(*mesh.bounds, (POINTS - count, 3))])
        nearest = tree.query(points)[1]
        return picture, points, ((points - mesh.vertices[nearest]) * normals[nearest]).sum(axis=1) < 0

    return work


def read_picture(path: Path) -> object:
    """Decoded by Pillow, as there."""
    with Image.open(path) as picture:
        return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1) / np.float32(255.0))


def fancy_index(path: Path) -> Callable[[int], object]:
    """h5py's fancy indexing of 5,000 random points of a scene."""
    file = h5py.File(path)
    count = int(file["offsets/point"][1])

    def work(number: int) -> object:
        rows = np.sort(np.random.default_rng(number).choice(count, POINTS, replace=False))
        return file["points/q"][rows]

    return work


def bounded(shards: Path, scenes: int, folder: Path) -> None:
    """Load every view of so many scenes (the training shards over and over) once, in a process that may not grow."""
    index = read_index(shards)
    entries: list[ShardEntry] = []
    while sum(len(entry.scenes) for entry in entries) < scenes:
        for entry in (entry for entry in index.shards if entry.split == "train"):
            name = f"train-{len(entries):05d}.h5"
            (folder / name).symlink_to((shards / entry.file).resolve())
            entries.append(replace(entry, file=name))
    write_index(folder, replace(index, shards=tuple(entries)))
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        dataset = ViewDataset(folder, "train", points=POINTS)
        order = np.random.default_rng(1).permutation(len(dataset)).tolist()
        views = sum(len(batch["view"]) for batch in torch.utils.data.DataLoader(dataset, batch_size=8, sampler=order))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        size = sum(entry.bytes for entry in entries) / 1e6
        print(f"{len(dataset.scene_keys)} scenes, {len(entries)} shards of {size:.0f} MB, {views} views loaded "
              f"under a limit of 2 GiB: peak {peak} MiB ({before} before)", flush=True)  # fmt: skip
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print("loading did not end well under a limit of 2 GiB")


def codecs(dataset: ViewDataset) -> None:
    """Lossless codecs on stored pictures: bytes and milliseconds to decode."""
    crops = []
    for view in range(0, len(dataset), max(1, len(dataset) // 8)):
        ref = dataset.views[view]
        data = dataset._readers[ref.shard].picture(ref.row)
        crops.append(np.ascontiguousarray(np.asarray(Image.open(io.BytesIO(data)))))
    print("\ncodec of the cropped picture    kB    ms to decode")
    for level in (1, 4, 6, 9):
        coded = []
        for crop in crops:
            buffer = io.BytesIO()
            Image.fromarray(crop).save(buffer, "PNG", compress_level=level)
            coded.append(buffer.getvalue())
        took = milliseconds(lambda k, coded=coded: decode_png(coded[k % len(coded)]), 24)  # type: ignore[misc]
        print(f"PNG, zlib {level}                {np.mean([len(c) for c in coded]) / 1000:7.1f}   {took:6.2f}")
    coded = [encode_png_rows(crop) for crop in crops]
    took = milliseconds(lambda k, coded=coded: decode_png(coded[k % len(coded)]), 24)  # type: ignore[misc]
    print(f"PNG as stored              {np.mean([len(c) for c in coded]) / 1000:7.1f}   {took:6.2f}")
    coded = [zlib.compress(crop.tobytes(), 4) for crop in crops]
    took = milliseconds(lambda k: zlib.decompress(coded[k % len(coded)]), 24)
    print(f"raw, zlib 4                {np.mean([len(c) for c in coded]) / 1000:7.1f}   {took:6.2f}")
    try:
        import blosc2
        import lz4.frame
    except ImportError as error:
        print(f"not installed: {error.name}")
    else:
        for name, codec, level in (("Zstd 5", blosc2.Codec.ZSTD, 5), ("LZ4 5", blosc2.Codec.LZ4, 5)):
            coded = [blosc2.compress2(crop, codec=codec, clevel=level, typesize=4, nthreads=1) for crop in crops]
            took = milliseconds(lambda k, coded=coded: blosc2.decompress2(coded[k % len(coded)]), 24)  # type: ignore[misc]
            size = np.mean([len(c) for c in coded]) / 1000
            print(f"Blosc2, shuffle, {name:6s}     {size:7.1f}   {took:6.2f}")
        coded = [lz4.frame.compress(crop.tobytes()) for crop in crops]
        took = milliseconds(lambda k: lz4.frame.decompress(coded[k % len(coded)]), 24)
        print(f"raw, LZ4                   {np.mean([len(c) for c in coded]) / 1000:7.1f}   {took:6.2f}")
    print(f"raw                        {np.mean([crop.nbytes for crop in crops]) / 1000:7.1f}     0.00")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path)
    parser.add_argument("renders", type=Path)
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--faces", type=int, default=0, help="of the peers' meshes; 0 leaves them as they are")
    parser.add_argument("--scenes", type=int, default=0, help="load so many under a limit of memory, and nothing else")
    options = parser.parse_args()
    if options.scenes:
        with tempfile.TemporaryDirectory() as folder:
            bounded(options.shards, options.scenes, Path(folder))
        return
    torch.set_num_threads(1)
    dataset = ViewDataset(options.shards, "train", points=POINTS)
    order = np.random.default_rng(0).integers(len(dataset), size=10_000)
    item = milliseconds(lambda k: dataset[(int(order[k]), k)], options.items)
    picture = milliseconds(lambda k: dataset.picture(int(order[k])), options.items)
    loader = torch.utils.data.DataLoader(dataset, batch_size=8, sampler=[int(k) for k in order[: options.items]])
    start = time.process_time()
    count = sum(len(batch["view"]) for batch in loader)
    batched = (time.process_time() - start) / count * 1000
    few = max(5, options.items // 8)
    pifu = milliseconds(pifu_route(options.renders, options.faces), few)
    with tempfile.TemporaryDirectory() as folder:
        monoport = milliseconds(
            monoport_route(options.renders, Path(folder), options.faces), max(5, options.items // 8)
        )
    fancy = milliseconds(fancy_index(next(options.shards.glob("train*.h5"))), few)
    print(f"{len(dataset)} views of {dataset.image_size} pixels, {POINTS} points")
    print(f"item                            {item:7.2f} ms   {1000 / item:6.0f} items/s a core")
    print(f"  of which the picture          {picture:7.2f} ms")
    print(f"item in batches of 8, collated  {batched:7.2f} ms   {1000 / batched:6.0f} items/s a core")
    print(f"PIFu's way, mesh in memory      {pifu:7.2f} ms   x{pifu / batched:.0f}")
    print(f"MonoPort's way, OBJ an item     {monoport:7.2f} ms   x{monoport / batched:.0f}")
    print(f"h5py fancy indexing alone       {fancy:7.2f} ms   x{fancy / batched:.1f}")
    size = sum(path.stat().st_size for path in options.shards.glob("train*.h5"))
    print(f"bytes a view {size / len(dataset) / 1000:.0f} kB, a scene {size / len(dataset.scene_keys) / 1e6:.2f} MB")
    codecs(dataset)


if __name__ == "__main__":
    main()
