"""Measure the cost of lighting and drawing, each beside its alternative in the same run.

    python benchmarks/render.py            # minutes; figures for docs/rendering.md
    python benchmarks/render.py --tiny     # seconds; proves that it runs

The peer's route to radiance transfer (PIFu, apps/prt_util.py) is restated in `uniform_random_transfer`: 1,600 uniform
random directions shared by all vertices, the whole sphere of them cast through trimesh in 40 chunks. It is timed on
every n-th vertex (--reference-stride) and multiplied, since its rays do not depend on one another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import trimesh
from PIL import Image

from mpc.core.arrays import F32
from mpc.datasets.renders.build import render_models, threads_each
from mpc.datasets.renders.draw_scene import prepare_scene, store_scene
from mpc.datasets.renders.draw_views import Drawing, draw_views
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.renders.write import Provenance
from mpc.geometry.camera import OrthographicCamera, orbit_cameras
from mpc.geometry.directions import fibonacci_directions
from mpc.geometry.mesh import Material, PosedMesh
from mpc.geometry.rays import RayScene
from mpc.render.gl_probe import find_gl
from mpc.render.light.harmonics import sh_basis
from mpc.render.light.lights import builtin_lights, rotate_light
from mpc.render.light.shading import display_irradiance
from mpc.render.renderer import choose_renderer, open_renderer
from mpc.render.transfer import OFFSET_SHARE, radiance_transfer
from mpc.subjects.find import find_subjects
from mpc.subjects.load import load_subject
from mpc.subjects.scenes import list_scenes, pose_scene

REFERENCE_DIRECTIONS = 65_536


def body(target_faces: int, *, textured: bool = True) -> PosedMesh:
    """A person-like figure of overlapping rounded limbs, of about so many faces, with a 2k texture where asked."""
    limbs = [
        ((0.0, 0.95, 0.0), (0.0, 1.35, 0.0), 0.16),
        ((-0.1, 0.1, 0.0), (-0.09, 0.9, 0.0), 0.08),
        ((0.1, 0.1, 0.08), (0.09, 0.9, 0.0), 0.08),
        ((-0.2, 1.4, 0.0), (-0.42, 0.9, 0.1), 0.05),
        ((0.2, 1.4, 0.0), (0.45, 1.05, 0.25), 0.05),
        ((0.0, 1.58, 0.02), (0.0, 1.64, 0.02), 0.11),
    ]
    sections = max(8, round(np.sqrt(target_faces / (8 * len(limbs)))))
    parts = []
    for start, end, radius in limbs:
        axis = np.subtract(end, start)
        part = trimesh.creation.capsule(float(np.linalg.norm(axis)), radius, count=[2 * sections, 2 * sections])
        matrix = trimesh.geometry.align_vectors([0, 0, 1], axis)
        matrix[:3, 3] = np.add(start, end) / 2
        parts.append(part.apply_transform(matrix))
    joined = trimesh.util.concatenate(parts)
    vertices = np.asarray(joined.vertices, np.float64)
    # Wrinkles, so that rays meet more than smooth capsules.
    vertices += 0.004 * np.sin(vertices[:, [1, 2, 0]] * 70.0)
    faces = np.asarray(joined.faces, np.int32)
    if not textured:
        return PosedMesh(vertices, faces)
    rows, columns = np.mgrid[0:2048, 0:2048]
    stripes = 128 + 90 * np.sin(rows / 19.0) * np.cos(columns / 23.0)
    texture = np.dstack([stripes, 255 - stripes, 0.5 * stripes + 60, np.full_like(stripes, 255)]).astype(np.uint8)
    uv = np.ascontiguousarray(vertices[:, :2] * 0.5 + 0.5, np.float32)
    return PosedMesh(vertices, faces, (Material(texture=texture),), uv=uv, face_uv=faces)


def uniform_random_transfer(mesh: PosedMesh, chosen: np.ndarray, side: int = 40) -> np.ndarray:
    """PIFu's route: jittered uniform directions, one set for all vertices, every one cast from every vertex."""
    rng = np.random.default_rng(0)
    u, v = rng.random((2, side * side))
    polar, azimuth = np.arccos(1 - 2 * u), 2 * np.pi * v
    directions = np.stack([np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)], axis=1)
    tester = trimesh.ray.ray_pyembree.RayMeshIntersector(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False))
    normals = mesh.vertex_normals[chosen]
    origins = mesh.vertices[chosen] + 1e-3 * normals
    total = np.zeros((len(chosen), 9))
    for part in np.array_split(np.arange(side * side), side):
        rays = np.repeat(directions[part][None], len(chosen), axis=0)
        starts = np.repeat(origins[:, None], len(part), axis=1)
        blocked = tester.intersects_any(starts.reshape(-1, 3), rays.reshape(-1, 3)).reshape(len(chosen), -1)
        cosine = np.clip(normals @ directions[part].T, 0, None)
        total += (cosine * ~blocked) @ sh_basis(directions[part])
    return total * 4.0 / side**2


def reference_transfer(mesh: PosedMesh, chosen: np.ndarray, count: int) -> np.ndarray:
    """Brute force from the chosen vertices, same normals and offset as mpc's."""
    scene = RayScene(mesh)
    directions = fibonacci_directions(count)
    basis = sh_basis(directions) * (4.0 / count)
    offset = 2 * scene.radius_m * OFFSET_SHARE
    found = np.empty((len(chosen), 9))
    for row, vertex in enumerate(chosen):
        normal = mesh.vertex_normals[vertex]
        cosine = directions @ normal
        front = np.flatnonzero(cosine > 0)
        start = np.broadcast_to(mesh.vertices[vertex] + normal * offset, (len(front), 3))
        seen = ~scene.occluded(start, directions[front])
        found[row] = (cosine[front] * seen) @ basis[front]
    return found


def cpu_seconds(work: Callable[[], object]) -> float:
    """Time of one core spent by this process (both routes run in one thread): what else runs matters little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_of_transfer(faces: int, rays: int) -> float:
    """MiB that the transfer adds to a process that holds the mesh; to be called in a fresh process."""
    mesh = body(faces, textured=False)
    before = psutil.Process().memory_info().rss
    radiance_transfer(mesh, rays=rays)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before / 2**20


def bench_transfer(faces: int, stride: int, repeats: int, reference: int) -> None:
    mesh = body(faces, textured=False)
    count = len(mesh.vertices)
    routes = {rays: lambda rays=rays: radiance_transfer(mesh, rays=rays) for rays in (240, 224)}
    times: dict[int, list[float]] = {rays: [] for rays in (0, *routes)}
    for turn in range(repeats):  # by turns, and the best of each, so that both meet the same machine
        some = np.arange(turn * stride // repeats, count, stride)
        times[0].append(cpu_seconds(lambda some=some: uniform_random_transfer(mesh, some)) * count / len(some))  # type: ignore[misc]
        for rays, route in routes.items():
            times[rays].append(cpu_seconds(route))
    peer = min(times[0])
    chosen = np.random.default_rng(1).choice(count, min(400, count), replace=False)
    truth = reference_transfer(mesh, chosen, reference)

    def error(found: np.ndarray) -> float:
        return 100 * float(np.sqrt(((found - truth) ** 2).sum() / (truth**2).sum()))

    print(
        f"transfer {count:7,} vertices, 1,600 uniform random directions: {peer:6.2f} s of a core, "
        f"{count * 1600 / peer / 1e6:.1f} M directions/s, error {error(uniform_random_transfer(mesh, chosen)):.1f} %"
    )
    for rays, route in routes.items():
        ours = min(times[rays])
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            extra = fresh.submit(peak_of_transfer, faces, rays).result()
        print(
            f"transfer {count:7,} vertices, {rays:3} directions: {ours:6.2f} s, {count * rays / 2 / ours / 1e6:4.1f} "
            f"M directions/s, +{extra:.0f} MiB, error {error(route()[chosen]):.1f} %, {peer / ours:.0f} times faster"
        )


def bench_views(faces: int, size: int, views: int) -> None:
    mesh = body(faces)
    light = builtin_lights().coefficients[0]
    transfer = radiance_transfer(mesh, rays=32)
    for name in renderers():
        with open_renderer(choose_renderer(name), mesh, size) as renderer:
            renderer.colour(OrthographicCamera((0, 0.9, 0), 2.4), display_irradiance(transfer, light))
            start = time.perf_counter()
            for camera in orbit_cameras((0.0, 0.9, 0.0), 2.4, views=views, step_deg=360 / views):
                lit = display_irradiance(transfer, rotate_light(light, np.radians(camera.yaw_deg)))
                renderer.colour(camera, lit)
            each = (time.perf_counter() - start) / views
        print(f"view {size}x{size}, {len(mesh.faces):7,} faces, {name:8}: {1000 * each:6.1f} ms")


def write_scan(folder: Path, mesh: PosedMesh) -> None:
    """An OBJ with its texture, as scanners deliver."""
    folder.mkdir(parents=True)
    assert mesh.uv is not None
    Image.fromarray(mesh.materials[0].texture).convert("RGB").save(folder / "texture.jpg", quality=90)
    (folder / "mesh.mtl").write_text("newmtl skin\nmap_Kd texture.jpg\n")
    lines = ["# units: m", "mtllib mesh.mtl", "usemtl skin"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in mesh.uv.tolist()]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in (mesh.faces + 1).tolist()]
    (folder / "mesh.obj").write_text("\n".join(lines) + "\n")


def bench_scene(faces: int, size: int, views: int) -> None:
    """A whole scene from an OBJ on disk to pictures on disk, and what each stage takes of it."""
    # The figure's sides are long strips, which no scan has, so they are left as they are.
    settings = RenderSettings(size=size, views=views, step_deg=360 / views, longest_edge_m=1.0)
    with tempfile.TemporaryDirectory() as root:
        write_scan(Path(root) / "models" / "one", body(faces))
        for name in renderers():
            drawing = Drawing(choose_renderer(name), threads_each(1, 1))
            builtin_lights()  # (half a second, once a process)
            times, cores = [time.perf_counter()], time.process_time()
            subject = find_subjects(Path(root) / "models")[0]
            loaded = load_subject(subject)
            times.append(time.perf_counter())
            spec = list_scenes(subject, seed=0)[0]
            scene = pose_scene(loaded, spec)
            prepared = prepare_scene(scene, settings, builtin_lights(), drawing.threads)
            times.append(time.perf_counter())
            pictures = draw_views(prepared, settings, drawing, prepared.cameras)
            provenance = Provenance(source=subject.path.name, source_sha256="", source_files={}, renderer=name)
            store_scene(Path(root) / name, scene, prepared, settings, pictures, provenance)
            times.append(time.perf_counter())
            parts = zip(("load", "transfer", "views and files"), np.diff(times), strict=True)
            print(
                f"scene {len(prepared.mesh.faces):,} faces, {views} views, {name:8}: {times[-1] - times[0]:5.2f} s ("
                + ", ".join(f"{part} {spent:.2f}" for part, spent in parts)
                + f"), {time.process_time() - cores:.2f} s of a core, load of the machine {os.getloadavg()[0]:.1f}"
            )


def bench_folder(people: int, faces: int, size: int, views: int) -> None:
    """A folder of people with one and two workers."""
    # The figure's sides are long strips, which no scan has, so they are left as they are.
    settings = RenderSettings(size=size, views=views, step_deg=360 / views, longest_edge_m=1.0)
    with tempfile.TemporaryDirectory() as root:
        write_scan(Path(root) / "models" / "p0", body(faces))
        for number in range(1, people):
            shutil.copytree(Path(root) / "models" / "p0", Path(root) / "models" / f"p{number}")
        for jobs in (1, 2):
            start = time.perf_counter()
            render_models(Path(root) / "models", Path(root) / str(jobs), settings, renderer="embree", jobs=jobs)
            spent = time.perf_counter() - start
            print(
                f"folder of {people} people, {faces:,} faces, {views} views, {jobs} workers: "
                f"{people / spent * 60:5.1f} scenes a minute, load of the machine {os.getloadavg()[0]:.1f}"
            )


def bench_agreement(faces: int, sizes: tuple[int, ...], models: Path | None) -> None:
    """How far the two renderers' pictures are apart, at several sizes: of the body, or of the people below a folder."""
    if len(renderers()) < 2:
        print(f"agreement: no OpenGL here ({find_gl().reason})")
        return
    people = {"body": body(faces)}
    if models is not None:
        people = {subject.id: load_subject(subject).mesh for subject in find_subjects(models)}
    found: dict[int, dict[str, tuple[float, float]]] = {size: {} for size in sizes}
    for name, mesh in people.items():
        transfer = radiance_transfer(mesh, rays=32)
        for size in sizes:
            found[size][name] = agreement(mesh, transfer, size)
    for size, rows in found.items():
        differences = np.array([difference for difference, _ in rows.values()])
        print(
            f"agreement at {size} pixels, {len(rows)} people: mean difference {differences.mean():.2f} of 255 inside, "
            f"{differences.min():.2f} to {differences.max():.2f} a person, least mask IoU "
            f"{min(iou for _, iou in rows.values()):.5f}"
        )


def agreement(mesh: PosedMesh, transfer: F32, size: int) -> tuple[float, float]:
    """Mean difference of the renderers inside both masks, of 255, and the masks' IoU, over four views and lights."""
    low, high = mesh.bounds
    x, y, z = ((low + high) / 2).tolist()
    pictures: list[list[npt.NDArray[np.int64]]] = []
    for name in renderers():
        with open_renderer(choose_renderer(name), mesh, size) as renderer:
            pictures.append(
                [
                    renderer.colour(
                        OrthographicCamera((x, y, z), 2.4, 90.0 * view),
                        display_irradiance(transfer, builtin_lights().coefficients[17 * view]),
                    ).astype(np.int64)
                    for view in range(4)
                ]
            )
    differences, common, either = [], 0, 0
    for first, second in zip(*pictures, strict=True):
        both = (first[..., 3] == 255) & (second[..., 3] == 255)
        differences.append(np.abs(first - second)[both][:, :3].ravel())
        common += ((first[..., 3] > 127) & (second[..., 3] > 127)).sum()
        either += ((first[..., 3] > 127) | (second[..., 3] > 127)).sum()
    return float(np.concatenate(differences).mean()), float(common / either)


def renderers() -> list[str]:
    """Those that work here."""
    return ["pyrender", "embree"] if find_gl().platform else ["embree"]


def main(arguments: list[str]) -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="small meshes and few views: seconds")
    parser.add_argument("--reference-stride", type=int, default=16, help="every n-th vertex for the peer's route")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "agreement"], help="some of the parts")
    parser.add_argument("--models", type=Path, help="folder of people for the agreement of the renderers")
    options = parser.parse_args(arguments)
    for part in options.only or [*PARTS, "agreement"]:
        if part == "agreement":
            sizes = (128,) if options.tiny else (128, 256, 512)
            bench_agreement(4_000 if options.tiny else 110_000, sizes, options.models)
        else:
            PARTS[part](options.tiny, options.reference_stride)


PARTS: dict[str, Callable[[bool, int], None]] = {
    "transfer": lambda tiny, stride: [  # type: ignore[func-returns-value]
        bench_transfer(faces, 8 if tiny else stride, 1 if tiny else 3, 4096 if tiny else REFERENCE_DIRECTIONS)
        for faces in ((4_000,) if tiny else (54_000, 110_000, 200_000))
    ],
    "views": lambda tiny, _: [  # type: ignore[func-returns-value]
        bench_views(faces, 128 if tiny else 512, 2 if tiny else 12)
        for faces in ((4_000,) if tiny else (27_000, 110_000, 439_000))
    ],
    "scene": lambda tiny, _: bench_scene(*((4_000, 128, 2) if tiny else (110_000, 512, 36))),
    "folder": lambda tiny, _: bench_folder(*((2, 2_000, 64, 2) if tiny else (20, 27_000, 512, 36))),
}


if __name__ == "__main__":
    main(sys.argv[1:])
