"""WebDataset tar shards (Aizman, Maltby and Breuel, 2020), two of each scene.

    <scene>/views.tar   a sample for each view: <scene>/<view>.png, .json, and .<layer>.png for each layer;
                        and one for each crop: <scene>/<view>@face.png ...
    <scene>/scene.tar   one sample: <scene>/scene.scene.json, .mesh.npz, .<hash>.png and .<hash>.npz
    train.txt ...       the views.tar of each split, one a line
    renders.json        the settings of the renders

The key of a member is its path up to the first dot of its file name; members of one key are one sample. Pictures are
whole PNG files, while those of a renders folder hold the box with the person alone. Equal scenes give equal bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import replacing, write_bytes, write_json
from ...core.sealed import parse_sealed_json
from ...formats.png import encode_png, encode_png_rows
from ...formats.png_box import decode_png_whole
from ..renders.crops import describe_crop, kinds_of_crops, read_crops
from ..renders.format import MESH, RENDERS, SCENE, TEXTURES, SceneRecord, ViewRecord
from ..renders.layer_files import read_picture
from ..renders.mesh_file import FACES_SUFFIX, read_faces, read_texture, texture_names
from ..shards.split import SPLITS
from .options import ExportOptions

VIEWS_TAR, SCENE_TAR, SETTINGS = "views.tar", "scene.tar", "renders.json"
# The key of a scene's own sample, in scene.tar.
WHOLE = "scene"
# What a view's JSON repeats of its scene.
OF_SCENE = ("subject", "animation", "frame", "kind", "centre_world", "extent_m", "image_size")


def write_shards(scene: SceneRecord, name: str, out: Path, options: ExportOptions) -> tuple[str, ...]:
    """Write the two shards of one scene; nothing in them is random, and no picture is drawn anew.

    Raises:
        InputError: the renders are damaged, or a view's name holds a dot, at which a key ends.
    """
    del options
    dotted = [view.name for view in scene.views if "." in view.name]
    if dotted:
        raise InputError(scene.folder, f"view {dotted[0]}: the names of a WebDataset's samples end at the first dot")
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    data = (scene.folder / SCENE).read_bytes()
    content = parse_sealed_json(scene.folder / SCENE, data)
    with replacing(folder / VIEWS_TAR) as temporary, tarfile.open(temporary, "w") as tar:
        for view, entry in zip(scene.views, content["views"], strict=True):
            described = {"scene": scene.key, **{of: content[of] for of in OF_SCENE}, "view": view.name, **entry}
            for extension, member in _view_members(scene, view, described):
                _add(tar, f"{name}/{view.name}.{extension}", member)
        for crops in (read_crops(scene, kind) for kind in kinds_of_crops(scene)):
            for crop in crops.views:
                described = {"scene": scene.key, **{of: content[of] for of in OF_SCENE}, "view": crop.name}
                described |= {"image_size": scene.crop_size, **describe_crop(crop)}
                for extension, member in _view_members(crops, crop, described):
                    _add(tar, f"{name}/{crop.name}.{extension}", member)
    with replacing(folder / SCENE_TAR) as temporary, tarfile.open(temporary, "w") as tar:
        _add(tar, f"{name}/{WHOLE}.{SCENE}", data)
        _add(tar, f"{name}/{WHOLE}.{MESH}", scene.read_file(MESH))
        for texture in sorted(texture_names(scene.folder / MESH)):
            path = scene.folder.parent / TEXTURES / texture
            read_faces(path) if path.suffix == FACES_SUFFIX else read_texture(path)  # which compare it with its name
            _add(tar, f"{name}/{WHOLE}.{texture}", path.read_bytes())
    return ()


def write_shard_lists(out: Path, names: dict[str, str], settings: dict[str, Any]) -> None:
    """Write train.txt, val.txt and test.txt, which list views.tar of the scenes, and renders.json."""
    for split in SPLITS:
        lines = [f"{name}/{VIEWS_TAR}\n" for name in sorted(names) if names[name] == split]
        write_bytes(out / f"{split}.txt", "".join(lines).encode())
    write_json(out / SETTINGS, RENDERS.content(settings))


def _view_members(scene: SceneRecord, view: ViewRecord, described: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Extensions and bytes of a view's members."""
    yield "json", (json.dumps(described, sort_keys=True) + "\n").encode()
    yield "png", encode_png(read_picture(scene, view))
    for file in sorted(scene.files):
        if file.startswith(f"{view.name}.") and file != view.path.name:
            try:
                codes = decode_png_whole(scene.read_file(file), scene.image_size, exact=True)
            except (OSError, SyntaxError, ValueError) as error:
                raise InputError(scene.folder / file, f"does not read as a layer ({error})") from error
            yield file.removeprefix(f"{view.name}."), encode_png_rows(codes)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a member; its time and owner are 0, so that equal content gives equal bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
