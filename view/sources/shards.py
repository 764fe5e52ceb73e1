"""A folder of shards: each scene with its views, samples, colours and true surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ...core.arrays import F32, U8
from ...core.errors import InputError
from ...datasets.loading.points import positions
from ...datasets.renders.layer_kinds import LayerKind
from ...datasets.shards.format import ALBEDO_SCALE
from ...datasets.shards.index import ShardEntry, read_index
from ...datasets.shards.pictures import load_picture
from ...datasets.shards.reader import ShardReader
from ...geometry.camera import camera_of
from ...geometry.mesh import PosedMesh
from ...render.light.shading import display_irradiance
from ..content import Body, CameraMark, Content, Control, Draw, Picture, Points
from .layers import PICTURE, layer_picture, layer_points, thumbnail
from .mining import MiningRun
from .recent import Recent

INSIDE, OUTSIDE = (226, 98, 40), (66, 126, 196)
COLOURS, NONE, ALL = "colour samples", "none", "all points"
BOTH, ONLY_INSIDE, ONLY_OUTSIDE = "both", "inside", "outside"
POINT_M = 0.006
SHOWN, HIDDEN = "shown", "hidden"


class Shards:
    """The scenes of a folder that `mpc sample` wrote.

    Args:
        folder: the folder.
        run: the run whose mining weights draw views; None for none.

    Raises:
        InputError: the folder's index, or the run, cannot be read.
    """

    def __init__(self, folder: Path, run: Path | None = None) -> None:
        self.folder, self.run = folder, run
        index = read_index(folder)
        self.mining = None if run is None else MiningRun(run, folder, index)
        self.draws: Sequence[Draw] = () if self.mining is None else self.mining.draws()
        self._bodies: Recent[Body] = Recent(3)
        self._marks: Recent[CameraMark] = Recent(200)
        self._readers: Recent[ShardReader] = Recent(16)
        self._entries: dict[str, ShardEntry] = {}

    @property
    def title(self) -> str:
        """See Source."""
        return f"shards {self.folder}" + (f", drawn by {self.run}" if self.run is not None else "")

    def names(self) -> Sequence[str]:
        """See Source; from the index alone."""
        index = read_index(self.folder)
        self._entries = {key: entry for entry in index.shards for key in entry.scenes}
        if not self._entries:
            raise InputError(self.folder, "holds no scenes")
        return sorted(self._entries)

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        reader, scene = self._find(name)
        sets = [info.name for info in reader.header.sets]
        controls = [
            Control("view", view_names(reader, scene), slider=True, rate=6.0, first=_by_number(reader, scene, chosen)),
            Control("layer", (PICTURE, *reader.header.layers)),
            Control("samples", (*sets, ALL, COLOURS, NONE)),
            Control("labels", (BOTH, ONLY_INSIDE, ONLY_OUTSIDE)),
        ]
        if _has_surface(reader, scene):
            controls.append(Control("true surface", (SHOWN, HIDDEN)))
        return controls

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        reader, scene = self._find(name)
        names = view_names(reader, scene)
        number = names.index(chosen["view"])
        view = reader.rows(scene, "view").start + number
        picture = _picture(reader, scene, view)
        pictures, points = [Picture(PICTURE, picture)], _samples(reader, scene, view, chosen)
        if chosen["layer"] != PICTURE:
            kind: LayerKind = reader.header.layers[chosen["layer"]]
            values = reader.layer(chosen["layer"], view)
            pictures.insert(0, Picture(chosen["layer"], layer_picture(kind, values)))
            calibration = np.asarray(reader.row("views/calibration", view), np.float64)
            cloud = layer_points(chosen["layer"], kind, values, calibration, picture)
            points += [] if cloud is None else [cloud]
        bodies: tuple[Body, ...] = ()
        if chosen.get("true surface") == SHOWN:
            bodies = (self._bodies.get((reader.path, reader.header.contents, scene), lambda: _surface(reader, scene)),)
        facts = _describe_view(reader, view) | _describe_scene(reader, scene)
        if self.mining is not None:
            facts |= self.mining.describe(name, number)
        content = Content(facts=facts, remarks=_remarks(reader, scene), bodies=bodies, points=points, pictures=pictures)
        return replace(content, later=lambda: replace(content, cameras=self._cameras(reader, scene, view), later=None))

    def _cameras(self, reader: ShardReader, scene: int, chosen: int) -> list[CameraMark]:
        first, marks = reader.rows(scene, "view").start, []
        for view, name in enumerate(view_names(reader, scene), first):
            key, mark = (reader.path, reader.header.contents, view, view == chosen), partial(_mark, reader, scene)
            marks.append(self._marks.get(key, partial(mark, name, view, view == chosen)))
        return marks

    def _find(self, name: str) -> tuple[ShardReader, int]:
        """The reader of a scene's shard, and its row there; a shard that was written anew is opened anew."""
        if name not in self._entries:
            self.names()
        entry = self._entries.get(name)
        if entry is None:
            raise InputError(self.folder, f"holds no scene {name}")
        path = self.folder / entry.file
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(path, f"cannot be read ({error.strerror})") from error
        reader = self._readers.get((path, status.st_mtime_ns, status.st_size), lambda: ShardReader(path))
        keys = [bytes(key).decode() for key in reader.tables["scenes/key"]]
        if name not in keys:
            raise InputError(path, f"holds no scene {name}, though the index says so; `mpc verify` tells more")
        return reader, keys.index(name)


def view_names(reader: ShardReader, scene: int) -> list[str]:
    """Names of a scene's views."""
    rows = reader.rows(scene, "view")
    return [bytes(name).decode() for name in reader.read("views/name", rows.start, rows.stop - rows.start)]


def _by_number(reader: ShardReader, scene: int, chosen: Mapping[str, str]) -> str:
    """The view that a number such as "#3" stands for; "" for another choice."""
    wanted, names = chosen.get("view", ""), view_names(reader, scene)
    number = wanted.removeprefix("#")
    return names[int(number)] if wanted != number and number.isdigit() and int(number) < len(names) else ""


def _picture(reader: ShardReader, scene: int, view: int) -> U8:
    """(H, H, 4) uint8 of a view."""
    size = int(reader.tables["scenes/image_size"][scene])
    try:
        whole = load_picture(reader.picture(view), reader.box(view), size, size)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(reader.path, f"view {view}: the picture is damaged ({error})") from error
    return np.ascontiguousarray(whole.transpose(1, 2, 0))


def _mark(reader: ShardReader, scene: int, name: str, view: int, chosen: bool) -> CameraMark:
    camera = camera_of(np.asarray(reader.row("views/calibration", view), np.float64))
    return CameraMark(name, camera, thumbnail(_picture(reader, scene, view)), chosen=chosen)


def _samples(reader: ShardReader, scene: int, view: int, chosen: Mapping[str, str]) -> list[Points]:
    """The chosen samples: of occupancy by their label, of colour under the view's light."""
    if chosen["samples"] == NONE:
        return []
    if chosen["samples"] == COLOURS:
        return [_colour_samples(reader, scene, view)]
    rows, start = reader.rows(scene, "point"), 0
    places: list[F32] = []
    inside: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []
    for info in reader.header.sets:
        if chosen["samples"] in (info.name, ALL):
            first = rows.start + start
            places.append(positions(reader, scene, reader.read("points/q", first, info.count)))
            bits = reader.read("points/inside", first // 8, info.count // 8)
            inside.append(np.unpackbits(np.asarray(bits, np.uint8)).astype(np.bool_))
        start += info.count
    where, labels = np.concatenate(places), np.concatenate(inside)
    kept = {BOTH: np.ones(len(labels), np.bool_), ONLY_INSIDE: labels, ONLY_OUTSIDE: ~labels}[chosen["labels"]]
    colours = np.where(labels[:, None], np.array(INSIDE, np.uint8), np.array(OUTSIDE, np.uint8))
    return [Points("samples", where[kept], np.ascontiguousarray(colours[kept], np.uint8), POINT_M)]


def _colour_samples(reader: ShardReader, scene: int, view: int) -> Points:
    from ...datasets.loading.points import positions

    rows = reader.rows(scene, "colour")
    count = rows.stop - rows.start
    albedo = reader.read("colours/albedo", rows.start, count).astype(np.float32) / np.float32(ALBEDO_SCALE)
    transfer = reader.read("colours/transfer", rows.start, count).astype(np.float32)
    shown = np.minimum(albedo * display_irradiance(transfer, reader.row("views/light", view)), 1.0)
    places = positions(reader, scene, reader.read("colours/q", rows.start, count))
    return Points(COLOURS, places, np.rint(shown * 255.0).astype(np.uint8), POINT_M)


def _has_surface(reader: ShardReader, scene: int) -> bool:
    faces = reader.rows(scene, "face")
    return bool(faces.stop > faces.start)


def _surface(reader: ShardReader, scene: int) -> Body:
    vertices, faces = reader.rows(scene, "vertex"), reader.rows(scene, "face")
    mesh = PosedMesh(
        reader.read("meshes/vertices", vertices.start, vertices.stop - vertices.start).astype(np.float64),
        reader.read("meshes/faces", faces.start, faces.stop - faces.start).astype(np.int32),
    )
    return Body("true surface", mesh)


def _describe_view(reader: ShardReader, view: int) -> dict[str, str]:
    yaw, pitch = (float(reader.row(f"views/{name}", view)) for name in ("yaw_deg", "pitch_deg"))
    name, light = (bytes(reader.row(f"views/{column}", view)).decode() for column in ("name", "light_name"))
    return {"view": f"{name}: yaw {yaw:.1f}°, pitch {pitch:.1f}°", "light": light}


def _describe_scene(reader: ShardReader, scene: int) -> dict[str, str]:
    tables = reader.tables
    facts = {
        "split": f"{reader.header.split}, in {reader.path.name}",
        "subject": f"{reader.text('scenes/subject', scene)} ({reader.text('scenes/kind', scene)})",
        "animation": f"{reader.text('scenes/animation', scene)}, frame {int(tables['scenes/frame'][scene])}",
        "samples": ", ".join(f"{info.name} {info.count:,}" for info in reader.header.sets),
        "labels by": reader.text("scenes/label_method", scene),
        "colours": "samples inside are orange, those outside blue",
    }
    return facts


def _remarks(reader: ShardReader, scene: int) -> list[str]:
    remarks = []
    share = float(reader.tables["scenes/ambiguous_share"][scene])
    if share > 0.0:
        remarks.append(f"for {share:.1%} of the volume inside and outside are hard to tell apart")
    if not _has_surface(reader, scene):
        remarks.append("the true surface is not kept for this split (mpc sample --meshes all)")
    return remarks
