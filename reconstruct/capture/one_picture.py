"""One picture file to one mesh in memory, for use from Python."""

from __future__ import annotations

from pathlib import Path

from ...core.arrays import U8
from ...core.pictures import mask_of
from ...geometry.mesh import PosedMesh
from ...models.runs import LoadedRun
from ..localise.localise import localise
from ..picture_to_mesh import mesh_of_grid
from ..view_field import ViewEncoder, batch_points, memory_bound
from .body import measure_body
from .frame_pictures import frame_picture, with_alpha
from .framing import cut, cut_photo
from .given_landmarks import LandmarkGiver, body_of
from .people import choose_people, find_people, lazy_finder, mask_bytes
from .pictures import read_picture
from .settings import CaptureSettings


def reconstruct_picture(
    run: LoadedRun, picture: Path | str | U8, *, mask: Path | None = None, settings: CaptureSettings | None = None
) -> PosedMesh:
    """Rebuild the person in a picture: the mesh that `mpc reconstruct` writes, without a texture.

    Args:
        run: the networks, from `load_run`.
        picture: a file, or (H, W, 4) uint8 RGBA with straight alpha. Alpha is the mask of the person; where there is
            none, or for (H, W, 3), the person is found by the networks of `mpc fetch`.
        mask: file of the mask, where the picture has no alpha channel.
        settings: resolution, assumed height, number of the person and more; files, formats, films and turntables in
            them are ignored.

    Returns:
        PosedMesh in world metres, y up, feet at y = 0. Vertex colours are display values under the picture's light;
        None where the run has no texture network.

    Raises:
        InputError: the picture or mask cannot be read.
        MpcError: there is no mask, and nobody is found, or the networks were not fetched.
        FramingError: the mask is empty.
        NoSurfaceError: the network sees nobody in the picture.
        SettingsError: a height that the view cube does not hold.

    Example:
        >>> mesh = reconstruct_picture(load_run(Path("runs")), "person.png")  # doctest: +SKIP
        >>> write_mesh(Path("person.glb"), mesh, lit=False)  # doctest: +SKIP
    """
    settings = settings or CaptureSettings()
    image = read_picture(Path(picture), mask) if isinstance(picture, (str, Path)) else picture
    body, person, finder = None, None, lazy_finder()
    if image.shape[2] == 3:
        ((_, person),) = choose_people(find_people(finder(), image), settings.person)
        image, body = with_alpha(image, mask_bytes(person)), measure_body(person)
    framing = frame_picture(run, image, settings, body=body)
    square = cut(image, framing, int(run.settings.get("image_size", 512)))
    points = batch_points(run.surface, run.texture, memory_bound(run.device, settings.memory_gib))
    encoder = ViewEncoder(
        run.surface, run.texture, batch=points, speed=settings.speed(run.device), both_ways=settings.both_ways
    )
    giver = LandmarkGiver(run, finder)
    landmarks = giver.of_mask(image, framing) if person is None else giver.of_person(person, framing)
    (view,) = encoder.encode([square], [landmarks], [body_of(run, square, landmarks, framing)])
    silhouette = mask_of(square) if settings.use_mask else None
    grid = localise(
        view.occupancy,
        settings.resolution,
        mode=settings.mode,
        mask=silhouette,
        bracket=view.depth_range,
        max_batch=max(points, 1024),
    )
    photo = cut_photo(image, framing, len(square)) if settings.photo_colours else None
    return mesh_of_grid(
        grid, view, framing.calibration, largest_component=settings.largest_component, photo=photo
    ).posed
