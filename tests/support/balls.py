"""A renders folder of balls, whose inside, colours and pictures are known in closed form."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from mpc.core.files import write_json
from mpc.datasets.renders.format import FORMAT, VERSION
from mpc.datasets.renders.layer_files import encode_layers
from mpc.datasets.renders.write import write_scene
from mpc.formats.png import decode_png
from mpc.formats.png_box import encode_png_box
from mpc.geometry.camera import Camera, PerspectiveCamera, orbit_cameras
from mpc.geometry.mesh import Material, PosedMesh
from mpc.render.layers import BODY_LAYERS, render_body_layers, render_layers

COLOUR = (51, 128, 204)
RADIUS = 0.5
EXTENT = 2.4
BODY_SHARE = 0.8  # the body below the clothes is a smaller ball
# Radiance 1 from everywhere: c / (2 sqrt(pi)) = 1.
WHITE = 2.0 * np.sqrt(np.pi)


def centre(number: int) -> tuple[float, float, float]:
    return 0.11 * number, 1.0 + 0.03 * number, -0.07 * number


def make_renders(
    root: Path,
    *,
    balls: int = 6,
    views: int = 4,
    size: int = 64,
    broken: tuple[int, ...] = (),
    cut: tuple[int, ...] = (),
    layers: tuple[str, ...] = (),
    boxed: bool = False,
    facing: dict[int, tuple[float, float, float]] | None = None,
    mirrored: tuple[int, ...] = (),
    fov_deg: float = 0.0,
    labels: dict[int, dict[str, Any]] | None = None,
) -> Path:
    """Subjects ball_0, ...; pictures are discs of one colour; view k has (k + 1) / 4 of white light; `cut`: open.

    `facing` says where some of them face; `mirrored`: a texture that is mirrored beyond [0, 1]; `fov_deg`: perspective
    cameras, whose layers are right while the pictures stay those of the others; `labels`: of
    scene.json.
    """
    root.mkdir(parents=True)
    settings = {"seed": 0, "layers": list(layers)}
    write_json(root / "settings.json", {"format": FORMAT, "version": VERSION, "settings": settings})
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=RADIUS)
    for number in range(balls):
        vertices = (sphere.vertices + centre(number)).astype(np.float32).astype(np.float64)
        material = Material(colour=(*(value / 255 for value in COLOUR), 1.0))
        faces = sphere.faces[sphere.triangles_center[:, 1] < 0.3 * RADIUS] if number in cut else sphere.faces
        mesh = PosedMesh(vertices, faces.astype(np.int32), (material,))
        if number in mirrored:
            pixels = np.full((2, 2, 4), (*COLOUR, 255), np.uint8)
            uv = (vertices[:, :2] - vertices[:, :2].min(axis=0)).astype(np.float32) * 2
            mirror = Material(texture=pixels, wrap=("mirror", "mirror"))
            mesh = PosedMesh(vertices, mesh.faces, (mirror,), uv=uv, face_uv=mesh.faces)
        transfer = np.zeros((len(vertices), 9), np.float32)
        transfer[:, 0] = 1.0 / WHITE
        entries, pictures = [], {}
        around: list[Camera] = [*orbit_cameras(centre(number), EXTENT, views=views, step_deg=360.0 / views)]
        for k, camera in enumerate(around):
            if fov_deg:
                camera = PerspectiveCamera(centre(number), EXTENT, camera.yaw_deg, fov_deg=fov_deg)
            name = f"{round(camera.yaw_deg):03d}"
            pictures[name] = disc(size, row_shift=k)
            if boxed:  # as `mpc render` writes them; the others are whole pictures by another program
                pictures[name] = encode_png_box(decode_png(pictures[name]))
            seen = render_layers(mesh, camera, size, size, [name for name in layers if name not in BODY_LAYERS])
            below = [name for name in layers if name in BODY_LAYERS]
            body = PosedMesh((vertices - centre(number)) * BODY_SHARE + centre(number), mesh.faces)
            seen = replace(seen, **render_body_layers(body, camera, size, size, below))
            drawn = encode_layers(seen, layers, centre(number), EXTENT)
            pictures |= {f"{name}.{layer}": data for layer, data in drawn.items()}
            light = np.zeros((9, 3))
            light[0] = WHITE * (k + 1) / 4
            entries.append(
                {
                    "name": name,
                    "yaw_deg": camera.yaw_deg,
                    "pitch_deg": 0.0,
                    "calibration": camera.calibration.tolist(),
                    "light": light.tolist(),
                    "light_name": f"white_{k}",
                }
            )
        description = {
            "subject": f"ball_{number}",
            "animation": "scan",
            "frame": 0,
            "kind": "scan",
            "centre_world": list(centre(number)),
            "extent_m": EXTENT,
            "image_size": size,
            "views": entries,
            "notes": {"facing_world": list(facing[number])} if facing and number in facing else {},
        }
        if labels and number in labels:
            description["labels"] = labels[number]
        folder = write_scene(root, description, mesh, transfer, pictures)
        if number in broken:
            (folder / "mesh.npz").write_bytes(b"not an archive")
    return root


def disc(size: int, row_shift: int) -> bytes:
    """PNG bytes of the ball seen from the side, with a half-transparent border pixel row, moved down by some pixels."""
    row, column = np.mgrid[:size, :size]
    distance = np.hypot((2 * column + 1) / size - 1, (2 * (row - row_shift) + 1) / size - 1)
    picture = np.zeros((size, size, 4), np.uint8)
    picture[distance < RADIUS / (EXTENT / 2)] = (*COLOUR, 255)
    picture[row_shift, size // 2] = (255, 0, 0, 128)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
