"""Meshes of two folders, matched by their names."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.files import find_files, legible
from ..formats.mesh_files import READ_SUFFIXES
from .result_names import choose_results, read_name

# An FBX is a rig, which packs of scans hold beside the mesh of the same name.
SUFFIXES = tuple(suffix for suffix in READ_SUFFIXES if suffix != ".fbx")


@dataclass(frozen=True)
class FilePair:
    """A predicted file and the true file that it is measured against.

    Attributes:
        key: name of the prediction; of the truth where there is no prediction.
        true_key: name of the truth.
        predicted: file of the prediction; None where there is none.
        true: file of the truth.
        view: what the name of the prediction says beyond the name of the truth.
    """

    key: str
    true_key: str
    predicted: Path | None
    true: Path
    view: str = ""


def find_meshes(folder: Path) -> dict[str, Path]:
    """Find the mesh files below a folder.

    The name of a mesh is its path below the folder without the suffix, or the path of its subfolder where that holds
    just one mesh. Names are in Unicode's composed form, since some systems store accents as separate characters.
    Hidden files, whose names begin with a dot, are skipped.

    Args:
        folder: searched recursively.

    Returns:
        Files by name.

    Raises:
        InputError: there are no meshes, two of the same name, or a folder cannot be listed.
    """
    paths = [path for path in find_files(folder, SUFFIXES) if not path.name.startswith(".")]
    if not paths:
        raise InputError(folder, f"holds no meshes ({', '.join(SUFFIXES)})")
    in_folder: dict[Path, int] = {}
    for path in paths:
        in_folder[path.parent] = in_folder.get(path.parent, 0) + 1
    found: dict[str, Path] = {}
    for path in paths:
        alone = path.parent != folder and in_folder[path.parent] == 1
        key = plain_name((path.parent if alone else path.with_suffix("")).relative_to(folder).as_posix())
        if key in found:
            raise InputError(path, f"has the same name as {found[key]}")
        found[key] = path
    return found


def match_files(
    predicted: dict[str, Path], true: dict[str, Path], predicted_folder: Path, true_folder: Path
) -> tuple[list[FilePair], dict[str, str]]:
    """Match predictions with truths by name.

    How names match is said by `result_names.read_name`; one truth may have several predictions (anna_000, anna_090).
    Fitted bodies and earlier stages that a tool wrote beside its results are left out. A truth without a prediction
    gives a pair too, which counts as failed.

    Args:
        predicted: files of predictions by name.
        true: files of truths by name.
        predicted_folder: for the message.
        true_folder: for the message.

    Returns:
        The pairs, and by name of the predictions that are left out why.

    Raises:
        InputError: no names match.
    """
    names = {}
    for key, path in predicted.items():
        # The only mesh of a folder has the folder's name, which may be that of a stage ("obj").
        name = read_name(key, true) or read_name(_file_key(path, predicted_folder), true)
        if name is not None:
            names[key] = name
    left = choose_results(names)
    pairs = [
        FilePair(key, name.owner, predicted[key], true[name.owner], name.view)
        for key, name in names.items()
        if key not in left
    ]
    met = {pair.true_key for pair in pairs}
    left |= {key: "no true mesh of that name" for key in predicted if key not in names}
    if not pairs:
        raise InputError(
            predicted_folder,
            f"no mesh has the name of one in {true_folder} ({', '.join(list(predicted)[:3])} … and "
            f"{', '.join(list(true)[:3])} …)",
        )
    pairs += [FilePair(name, name, None, path) for name, path in true.items() if name not in met]
    return sorted(pairs, key=lambda pair: pair.key), left


def _file_key(path: Path, folder: Path) -> str:
    return plain_name(path.with_suffix("").relative_to(folder).as_posix()) if path.is_relative_to(folder) else path.stem


def plain_name(text: str) -> str:
    """Compose a text's characters and escape bytes that are no UTF-8, so that every file and terminal can hold it."""
    return unicodedata.normalize("NFC", legible(text))
