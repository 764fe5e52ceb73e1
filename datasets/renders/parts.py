"""What each part of a run leaves for the one that finishes: a file that says what became of its units.

renders/.parts/part-2-of-8.json    written when part 2/8 ends, removed when the run is finished
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import read_json_object, write_json
from ...core.messages import first_few
from ...core.parts import Part
from .belonging import SubjectScenes
from .draw_subject import SubjectOutcome

FOLDER = ".parts"


def begin_part(out: Path, part: Part) -> None:
    """Forget what an earlier run of this part left, and parts of another count."""
    for path in (out / FOLDER).glob("part-*.json"):
        if path.stem == part.name or not path.stem.endswith(f"-of-{part.count}"):
            path.unlink(missing_ok=True)


def write_part(out: Path, part: Part, names: Sequence[str], outcomes: Mapping[str, SubjectOutcome]) -> None:
    """Write what became of a part's units.

    Args:
        out: the renders folder.
        part: which part.
        names: of the units of all parts.
        outcomes: of the part's units, by name.
    """
    content = {"units": _digest(names), "outcomes": {name: asdict(one) for name, one in outcomes.items()}}
    write_json(out / FOLDER / f"{part.name}.json", content)


def read_parts(out: Path, names: Sequence[str]) -> dict[str, SubjectOutcome]:
    """What became of all units, by name, from the files of all parts.

    Args:
        out: the renders folder.
        names: of all units.

    Raises:
        InputError: a part has not finished, or worked on other models; says which, and what to do.
    """
    paths = {path.stem: path for path in (out / FOLDER).glob("part-*.json")}
    if not paths:
        raise InputError(out, "no part of a run has ended here; run `mpc render MODELS --part 1/N` to N/N first")
    count = int(next(iter(paths)).rpartition("-")[2])
    parts = [Part(number, count) for number in range(1, count + 1)]
    missing = [str(part) for part in parts if part.name not in paths]
    if missing:
        raise InputError(out, f"not all parts have ended; run --part {first_few(missing, 20)} first")
    outcomes: dict[str, SubjectOutcome] = {}
    for part in parts:
        content = read_json_object(paths[part.name])
        try:
            changed = content["units"] != _digest(names)
            outcomes |= {name: _outcome(one) for name, one in content["outcomes"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(paths[part.name], f"is damaged ({error!r}); run --part {part} again") from error
        if changed:
            raise InputError(out, f"part {part} worked on other models or options; run all parts again")
    lacking = [name for name in names if name not in outcomes]
    if lacking:
        raise InputError(out, f"the files of the parts lack {first_few(lacking)}; run all parts again")
    return outcomes


def remove_parts(out: Path) -> None:
    """Remove the files of all parts."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def _outcome(content: dict[str, Any]) -> SubjectOutcome:
    scenes = content["scenes"]
    return SubjectOutcome(
        subject=content["subject"],
        clip=content["clip"],
        rendered=content["rendered"],
        kept=content["kept"],
        failures=tuple((name, reason) for name, reason in content["failures"]),
        notices=tuple(content["notices"]),
        unfit=tuple(content["unfit"]),
        scenes=None if scenes is None else SubjectScenes(**scenes),
    )
