"""List the scenes of a renders folder by what planning needs to know of them, without reading each scene.json.

The manifest holds that much. A scene.json is read only where it is newer than the manifest, as after a run that was
stopped, or where the manifest's line is of an earlier version. So listing costs one file and the state of one file a
scene. Whoever then reads a scene compares its scene.json with the checksum listed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import InputError
from .format import MESH, SCENE, SceneRecord, read_scene
from .manifest import NAME as MANIFEST
from .manifest import Line
from .read import Renders, read_listed, walk_renders

PICTURES = "pictures"
FACTS = ("subject", "scene_sha256", "views", "image_size", "sizes", "source_sha256", "licence")
"""Entries of a manifest's line that a listed scene is made from."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ListedScene:
    """What planning needs to know of a scene.

    Attributes:
        key: "<subject>/<animation>_<frame>".
        subject: the subject's id.
        folder: where the scene's files are.
        sha256: SHA-256 of scene.json.
        views: number of views.
        image_size: edge of the pictures, pixels.
        sizes: bytes of all pictures ("pictures"), of each layer, and of "mesh.npz".
        source_sha256: see Provenance; None where it is not recorded.
        licence: of the subject, in words; None where it is not recorded.
    """

    key: str
    subject: str
    folder: Path
    sha256: str
    views: int
    image_size: int
    sizes: dict[str, int]
    source_sha256: str | None
    licence: str | None

    def read(self) -> SceneRecord:
        """Read the scene.

        Raises:
            InputError: scene.json is missing, damaged, or not the one that is listed.
        """
        scene = read_scene(self.folder)
        if scene.sha256 != self.sha256:
            raise InputError(self.folder / SCENE, "has changed since it was listed; run the command again")
        return scene


def list_renders(folder: Path) -> Renders[ListedScene]:
    """List the scenes that `read_renders` reads, and refuse those that it refuses; raises as it does."""
    try:
        written = (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        written = 0

    def list_one(place: Path, key: str, line: Line | None) -> ListedScene:
        known = _from_line(place, key, line, written)
        return list_scene(read_listed(place, key, line)) if known is None else known

    return walk_renders(folder, list_one)


def list_scene(scene: SceneRecord) -> ListedScene:
    """What planning needs to know of a scene that was read."""
    return _listed(scene.folder, scene.key, {"scene_sha256": scene.sha256, **scene_facts(scene)})


def scene_facts(scene: SceneRecord) -> Line:
    """What the manifest holds for listing, besides the checksums."""
    layers = {name.split(".")[1] for name in scene.files if name.count(".") == 2}
    names = {PICTURES: [view.path.name for view in scene.views], MESH: [MESH]}
    names |= {layer: [f"{view.name}.{layer}.png" for view in scene.views] for layer in sorted(layers)}
    return {
        "subject": scene.subject,
        "views": len(scene.views),
        "image_size": scene.image_size,
        "sizes": {kind: _bytes(scene, own) for kind, own in names.items()},
        "source_sha256": scene.source_sha256,
        "licence": scene.notes.get("licence"),
    }


def _bytes(scene: SceneRecord, names: Iterable[str]) -> int:
    """Bytes of files as they were written, which damage does not change; of earlier versions' as they are."""
    total = 0
    for name in names:
        try:
            total += scene.sizes[name] if name in scene.sizes else (scene.folder / name).stat().st_size
        except OSError:  # reading the scene tells the reason
            continue
    return total


def _from_line(place: Path, key: str, line: Line | None, written_ns: int) -> ListedScene | None:
    """The scene as the manifest's line has it; None where the line does not tell enough, or may be older."""
    if not line or not all(name in line for name in FACTS):
        return None
    try:
        if (place / SCENE).stat().st_mtime_ns > written_ns:
            return None
    except OSError:
        return None
    return _listed(place, key, line)


def _listed(folder: Path, key: str, line: Line) -> ListedScene:
    return ListedScene(
        key=key,
        subject=line["subject"],
        folder=folder,
        sha256=line["scene_sha256"],
        views=line["views"],
        image_size=line["image_size"],
        sizes=line["sizes"],
        source_sha256=line["source_sha256"],
        licence=line["licence"],
    )
