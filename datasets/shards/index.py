"""index.json of a shards folder: which shards, which split, made from what, with which checksums."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ... import __version__
from ...core.errors import InputError, SettingsError
from ...core.files import write_json

FORMAT = "mpc-shards"
VERSION = 1


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
        content = json.loads(path.read_text())
        sealed = content.pop("sha256")
        found = content["format"], content["version"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(path, f"damaged index ({error}); run `mpc sample` again, shards are kept") from error
    if found != (FORMAT, VERSION):
        raise InputError(path, f"is {found[0]} version {found[1]}, this mpc reads {FORMAT} version {VERSION}")
    if index_digest(content) != sealed:
        raise InputError(path, "damaged index (its checksum differs); run `mpc sample` again, shards are kept")
    shards = tuple(ShardEntry(**{**entry, "scenes": tuple(entry["scenes"])}) for entry in content["shards"])
    split = {subject: name for name, subjects in content["split"].items() for subject in subjects}
    failures = {key: (digest, reason) for key, (digest, reason) in content["failures"].items()}
    notices, ambiguous = tuple(content["notices"]), content.get("ambiguous", {})
    return ShardIndex(content["settings"], split, shards, failures, notices, ambiguous)


def settings_content(settings: dict[str, Any]) -> dict[str, Any]:
    """What settings.json holds."""
    return {"format": FORMAT, "version": VERSION, "settings": settings}


def json_bytes(content: Any) -> bytes:
    """The bytes `write_json` writes."""
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def index_digest(content: dict[str, Any]) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def claim_folder(out: Path, settings: dict[str, Any]) -> None:
    """Make `out` a shards folder of these settings, or check that it is one already.

    Raises:
        InputError: it is a file, or holds something else.
        SettingsError: it was made with other settings.
    """
    if out.exists() and not out.is_dir():
        raise InputError(out, "is a file, expected a folder to write shards to")
    path = out / "settings.json"
    if not path.is_file():
        if out.is_dir() and any(child for child in out.iterdir() if not child.name.startswith(".settings.json")):
            raise InputError(out, "is not empty and not a shards folder; choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, settings_content(settings), shared=True)
        return
    try:
        content = json.loads(path.read_text())
        found = content["format"], content["version"]
        existing = content["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"does not read as a shards folder's settings ({error})") from error
    if found != (FORMAT, VERSION):
        raise InputError(path, f"is {found[0]} version {found[1]}, this mpc writes {FORMAT} version {VERSION}")
    names = sorted(set(existing) | set(settings))
    changed = [f"{n} {existing.get(n)} -> {settings.get(n)}" for n in names if existing.get(n) != settings.get(n)]
    if changed:
        raise SettingsError(f"{out} was sampled with other settings ({', '.join(changed)}); choose another --out")


def _splits(index: ShardIndex) -> list[str]:
    return sorted(set(index.split.values()) | {"train", "val", "test"})
