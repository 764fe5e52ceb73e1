"""Subjects that are one person stay together in the split: known by their names, or by the same file.

A data set may hold one person many times, in several poses, clothes or takes, each under a name of its own. A network
that has seen the person in training is then tested on a face and a body that it knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...core.errors import SettingsError
from ...core.messages import first_few

# Group 1 is the person. The names are those of data sets that are sold or published.
NAMES = (
    # Frames that are numbers alone, below folders (subjects/loose_frames.py): 4d.00032.hips.f000000, anna.walk.f000000
    re.compile(r"^(?:[^.]+\.)*?(\d{3,}|(?:subject|person|actor|s|p)[_-]?\d+)\.(?:.+\.)?f\d{3,}$", re.IGNORECASE),
    re.compile(r"^([^.]+)\.(?:.+\.)?f\d{3,}$"),
    # RenderPeople: rp_aaron_posed_001, rp_mei_rigged_002, rp_sophia_animated_003_idling
    re.compile(r"(?:^|_)(rp_[a-z0-9]+)_[a-z]+_\d{3}(?!\d)", re.IGNORECASE),
    # 4D scans (4D-DRESS, X-Humans, ActorsHQ): 00122_Inner_Take2, 00016_Take1, Actor01_Sequence1
    re.compile(r"^(.*\d.*?)[_-](?:(?:inner|outer|train|test)[_-])?(?:take|seq|sequence)[_-]?\d+", re.IGNORECASE),
    # CAPE and BUFF: 00032_shortlong_hips, the person and the lengths of sleeves and trousers
    re.compile(r"^(\d{5})[_-](?:short|long|blazer|jersey|polo|polka)[a-z]*[_-]", re.IGNORECASE),
    # Loose 4D scans, one file a frame: 00032.hips.000000, 00032_hips_000000; the person stands first
    re.compile(r"^(\d{3,}|(?:subject|person|actor|s|p)[_-]?\d+)[._-].*[a-z].*[._-]\d{4,}$", re.IGNORECASE),
    # Frames of one scanned sequence: 0012_mesh-f00101
    re.compile(r"^(.*\d.*?)[_-](?:mesh-)?f\d{5}$", re.IGNORECASE),
)


def group_by_name(subjects: Iterable[str], pattern: str | None = None) -> dict[str, str]:
    """Group subjects by the person that their names name.

    Args:
        subjects: ids.
        pattern: regular expression that is searched in each id: its first group is the person, or all that it matches
            where it has no group. None for the names of known data sets.

    Returns:
        The person by subject; subjects whose names tell of nobody are left out.

    Raises:
        SettingsError: the pattern is no regular expression, or matches no subject.
    """
    if pattern is None:
        rules: tuple[re.Pattern[str], ...] = NAMES
    else:
        try:
            rules = (re.compile(pattern),)
        except re.error as error:
            raise SettingsError(f"--group-by {pattern!r} is no regular expression ({error})") from error
    names = sorted(set(subjects))
    groups = {}
    for name in names:
        match = next((found for rule in rules if (found := rule.search(name))), None)
        person = None if match is None else match.group(1) if match.re.groups else match.group()
        if person:
            groups[name] = person if pattern is not None else person.lower()
    if pattern is not None and names and not groups:
        raise SettingsError(f"--group-by {pattern!r} matches no subject; there are {first_few(names)}")
    return groups


def join_groups(*groupings: Mapping[str, str]) -> dict[str, str]:
    """Join groups that share a subject, whoever says that they belong together.

    Args:
        groupings: each the group of subjects by the subjects' ids.

    Returns:
        The group by subject; of groups that were joined the first name in the order of the alphabet.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for number, groups in enumerate(groupings):
        for subject, group in sorted(groups.items()):
            # Marked, since a group may have the name of a subject that is not in it.
            first, second = sorted((root(f"subject {subject}"), root(f"{number} {group}")))
            parent[second] = first
    members: dict[str, list[str]] = {}
    for groups in groupings:
        for subject, group in groups.items():
            members.setdefault(root(f"subject {subject}"), []).append(group)
    return {subject: min(members[root(f"subject {subject}")]) for groups in groupings for subject in groups}


def describe_groups(groups: Mapping[str, str]) -> list[str]:
    """A remark on the people that `group_by_name` found more than once."""
    members: dict[str, list[str]] = {}
    for subject, person in sorted(groups.items()):
        members.setdefault(person, []).append(subject)
    several = {person: names for person, names in members.items() if len(names) > 1}
    if not several:
        return []
    person, names = next(iter(several.items()))
    count = sum(len(own) for own in several.values())
    return [
        f"split: by their names, {count} subjects are {len(several)} people, who are not parted, such as {person}: "
        f"{first_few(names, 3)} (--group-by changes this)"
    ]


def choose_groups(
    subjects: Iterable[str], pattern: str | None, split_file: Path | None, twins: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The groups that a split must not part.

    Args:
        subjects: ids.
        pattern: see `group_by_name`. Without one, the user's own split is left as it is.
        split_file: the user's own split; None where subjects are split by hash.
        twins: see `split.group_twins`.

    Returns:
        The group by subject, and remarks for the user.

    Raises:
        SettingsError: see `group_by_name`.
    """
    if split_file is not None and pattern is None:
        return join_groups(twins), []
    named = group_by_name(subjects, pattern)
    numbers = sorted(name for name in set(subjects) if name.isdigit() and name not in named)
    remarks = describe_groups(named)
    if len(numbers) > 1 and pattern is None:
        remarks.append(
            f"split: {len(numbers)} subjects are named by numbers alone ({first_few(numbers, 3)}), which tells "
            "nothing of who is who; where several are one person, keep them together with --group-by or --split-file"
        )
    return join_groups(twins, named), remarks
