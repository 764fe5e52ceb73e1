"""index.json of a shards folder: its shards with their checksums, the split, the settings and what failed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ... import __version__
from ...core.errors import InputError
from ...core.files import read_json_object, write_json
from ...core.folders import FolderFormat

FORMAT = "mpc-shards"
VERSION = 2
# Of version 1, entries do not say how many views each scene has.
READABLE = (1, 2)
NAME = "index.json"
PASSING = "passing"  # in place of a digest: another run may succeed with the same input
SHARDS = FolderFormat(FORMAT, VERSION, "shards")


class SceneFailure(NamedTuple):
    """A scene that cannot be sampled; in JSON a list of two.

    Attributes:
        digest: digest of its input and of the state of its files (shards/retry.py); as long as this is the same, the
            scene would fail again, unless it is PASSING.
        reason: in words.
    """

    digest: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """One shard.

    Attributes:
        file: its name in the folder.
        split: "train", "val" or "test".
        scenes: keys of its scenes, in the shard's order.
        views: number of views of all its scenes.
        bytes: size of the file.
        sha256: checksum of the file.
        contents: digest of settings and inputs (ShardHeader.contents).
        scene_views: number of views of each scene; empty in folders of version 1.
        image_sizes: smallest and largest edge of its pictures, pixels; empty in folders of version 1.
        scene_inputs: `input_mark` of each scene; empty where an earlier version wrote it.
    """

    file: str
    split: str
    scenes: tuple[str, ...]
    views: int
    bytes: int
    sha256: str
    contents: str
    scene_views: tuple[int, ...] = ()
    image_sizes: tuple[int, ...] = ()
    scene_inputs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ShardIndex:
    """A finished shards folder.

    Attributes:
        settings: the settings of `mpc sample`, as JSON.
        split: subject id to split.
        shards: the shards in order.
        failures: scenes that cannot be sampled and are in no shard, by key.
        notices: remarks on scenes (ambiguous volume, ...), sorted.
        ambiguous: ambiguous share of a scene's volume (sampling/inside.py) by key, where that is not 0.
        licences: what is known of the terms under which a subject's files came, by its id, where anything is.
        version: of the folder's format.
    """

    settings: dict[str, Any]
    split: dict[str, str]
    shards: tuple[ShardEntry, ...]
    failures: dict[str, SceneFailure]
    notices: tuple[str, ...]
    ambiguous: dict[str, float] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    version: int = VERSION


def write_index(folder: Path, index: ShardIndex) -> None:
    """Write index.json; after a crash it is the old one or the new one, never half of it."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "mpc_version": __version__,
        "settings": index.settings,
        "split": {split: sorted(s for s, own in index.split.items() if own == split) for split in _splits(index)},
        "shards": [asdict(entry) for entry in index.shards],
        "failures": index.failures,
        "notices": list(index.notices),
        "ambiguous": index.ambiguous,
        "licences": index.licences,
    }
    write_json(folder / NAME, {**content, "sha256": index_digest(content)}, shared=True)


def read_index(folder: Path) -> ShardIndex:
    """Read and check index.json.

    Raises:
        InputError: missing, damaged, or of another version.
    """
    if not (folder / NAME).is_file():
        raise InputError(folder, "holds no finished shards (no index.json); run `mpc sample` first")
    return read_index_file(folder / NAME)


def read_index_file(path: Path) -> ShardIndex:
    """Read and check a file as `write_index` writes it; raises as `read_index` does."""
    try:
        content = read_json_object(path)
        sealed = content.pop("sha256")
        found = content["format"], content["version"]
    except (InputError, KeyError) as error:
        reason = error.reason if isinstance(error, InputError) else f"no entry {error}"
        raise InputError(path, f"damaged index ({reason}); run `mpc sample` again, shards are kept") from error
    if found[0] != FORMAT or found[1] not in READABLE:
        raise InputError(path, f"is {found[0]} version {found[1]}, this mpc reads {FORMAT} up to version {VERSION}")
    if index_digest(content) != sealed:
        raise InputError(path, "damaged index (its checksum differs); run `mpc sample` again, shards are kept")
    split = {subject: name for name, subjects in content["split"].items() for subject in subjects}
    return ShardIndex(
        settings=content["settings"],
        split=split,
        shards=tuple(read_entry(entry) for entry in content["shards"]),
        failures={key: SceneFailure(digest, reason) for key, (digest, reason) in content["failures"].items()},
        notices=tuple(content["notices"]),
        ambiguous=content.get("ambiguous", {}),
        licences=content.get("licences", {}),
        version=found[1],
    )


def read_entry(content: dict[str, Any]) -> ShardEntry:
    """An entry from JSON, which has lists where the entry has tuples."""
    fields: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in content.items()}
    return ShardEntry(**fields)


def json_bytes(content: Any) -> bytes:
    """The bytes that `write_json` writes."""
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def input_mark(sha256: str) -> str:
    """What the index holds of the SHA-256 of a scene's input, to see whether it has changed."""
    return sha256[:16]


def index_digest(content: dict[str, Any]) -> str:
    """SHA-256 of the content as canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _splits(index: ShardIndex) -> list[str]:
    return sorted(set(index.split.values()) | {"train", "val", "test"})
