"""Choose among the people of a model directory by their names, and obey what the user says of single ones."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import InputError, SettingsError
from ..core.messages import first_few
from .find import Found, Subject, search_models
from .fixes import read_fixes


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which subjects a command works on; in a pattern * and ? stand for other letters.

    Attributes:
        only: patterns of ids, of which one must match; none for everybody.
        exclude: patterns of ids, of which none may match.
        fixes: TOML file with what the user says of single subjects (subjects/fixes.py); None for none.
    """

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    fixes: Path | None = None

    def people(self, subjects: Sequence[Subject]) -> list[Subject]:
        """Those that the user does not exclude for good, with what is said of each in `Subject.given`.

        Args:
            subjects: all people of the model directory.

        Raises:
            InputError: the file of fixes cannot be read.
            SettingsError: it holds an unknown subject, key or value.
        """
        if self.fixes is None:
            return list(subjects)
        fixes = read_fixes(self.fixes, [subject.id for subject in subjects])
        return [
            replace(subject, given=fixes[subject.id].placement) if subject.id in fixes else subject
            for subject in subjects
            if subject.id not in fixes or not fixes[subject.id].exclude
        ]

    def choose(self, subjects: Sequence[Subject]) -> list[Subject]:
        """Those that this run works on, in their order.

        Args:
            subjects: as `people` returns them.

        Raises:
            SettingsError: a pattern matches nobody, or nobody is left.
        """
        names = [subject.id for subject in subjects]
        for pattern in (*self.only, *self.exclude):
            if not _match(names, (pattern,)):
                near = difflib.get_close_matches(pattern, names, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise SettingsError(f"no subject matches {pattern!r}{hint}; there are {first_few(names)}")
        wanted = _match(names, self.only) if self.only else set(names)
        wanted -= _match(names, self.exclude)
        if not wanted:
            raise SettingsError("nobody is left to work on: --only, --exclude and --fixes leave out every subject")
        return [subject for subject in subjects if subject.id in wanted]


def find_people(models: Path, selection: Selection, *, prune: bool = False) -> Found:
    """Find all subjects below a folder that the user does not exclude for good, with what is said of each.

    Args:
        models: the folder.
        selection: whom the user excludes, and what is said of the others.
        prune: scenes of people who are not found are to be removed: then all folders must be there to be looked into.

    Raises:
        InputError: there is none.
        SettingsError: the file of fixes holds an unknown subject, key or value; or a folder could not be looked into,
            with `prune`.
    """
    found = search_models(models)
    unseen = first_few([f"{path} {reason}" for path, reason in found.told], 3)
    if unseen and prune:
        raise SettingsError(f"--prune: {unseen}, so who is gone is not known; put that right, or do without --prune")
    if not found.subjects:
        reason = "holds no scan or rigged person (.obj, .ply, .stl, .glb, .gltf, .fbx)"
        raise InputError(models, f"{reason}; {unseen}" if unseen else reason)
    return replace(found, subjects=selection.people(found.subjects))


def _match(names: Sequence[str], patterns: Sequence[str]) -> set[str]:
    return {name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)}
