"""index.json of a shards folder: which shards, which split, made from what, with which checksums."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ... import __version__
from ...core.errors import InputError
from ...core.files import read_json_object, write_json
from ...core.folders import FolderFormat

FORMAT = "mpc-shards"
VERSION = 1
SHARDS = FolderFormat(FORMAT, VERSION, "shards")


@dataclass(frozen=True)
class ShardEntry:
    """One shard.

    Attributes:
        file: name in the folder.
        split: "train", "val" or "test".
        scenes: keys, in the shard's order.
        views: total of all scenes.
        bytes: of the file.
        sha256: of the file.
        contents: digest of settings and inputs (ShardHeader.contents).
    """

    file: str
    split: str
    scenes: tuple[str, ...]
    views: int
    bytes: int
    sha256: str
    contents: str


@dataclass(frozen=True)
class ShardIndex:
    """A finished shards folder.

    Attributes:
        settings: those of `mpc sample`.
        split: subject id to split.
        shards: sorted by file name.
        failures: scene key to (digest of its input, reason); these scenes are in no shard.
        notices: remarks on scenes (repaired orientation, ...), sorted.
        ambiguous: scene key to the ambiguous share of its volume (sampling/inside.py), where that is not 0.
    """

    settings: dict[str, Any]
    split: dict[str, str]
    shards: tuple[ShardEntry, ...]
    failures: dict[str, tuple[str, str]]
    notices: tuple[str, ...]
    ambiguous: dict[str, float] = field(default_factory=dict)


def write_index(folder: Path, index: ShardIndex) -> None:
    """Write index.json: old or new, never half."""
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
    }
    write_json(folder / "index.json", {**content, "sha256": index_digest(content)}, shared=True)


def read_index(folder: Path) -> ShardIndex:
    """Read and check index.json.

    Raises:
        InputError: missing, damaged, or of another version.
    """
    path = folder / "index.json"
    if not path.is_file():
        raise InputError(folder, "holds no finished shards (no index.json); run `mpc sample` first")
    try:
        content = read_json_object(path)
        sealed = content.pop("sha256")
        found = content["format"], content["version"]
    except (InputError, KeyError) as error:
        reason = error.reason if isinstance(error, InputError) else f"no entry {error}"
        raise InputError(path, f"damaged index ({reason}); run `mpc sample` again, shards are kept") from error
    if found != (FORMAT, VERSION):
        raise InputError(path, f"is {found[0]} version {found[1]}, this mpc reads {FORMAT} version {VERSION}")
    if index_digest(content) != sealed:
        raise InputError(path, "damaged index (its checksum differs); run `mpc sample` again, shards are kept")
    shards = tuple(ShardEntry(**{**entry, "scenes": tuple(entry["scenes"])}) for entry in content["shards"])
    split = {subject: name for name, subjects in content["split"].items() for subject in subjects}
    failures = {key: (digest, reason) for key, (digest, reason) in content["failures"].items()}
    notices, ambiguous = tuple(content["notices"]), content.get("ambiguous", {})
    return ShardIndex(content["settings"], split, shards, failures, notices, ambiguous)


def json_bytes(content: Any) -> bytes:
    """The bytes `write_json` writes."""
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def index_digest(content: dict[str, Any]) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _splits(index: ShardIndex) -> list[str]:
    return sorted(set(index.split.values()) | {"train", "val", "test"})
