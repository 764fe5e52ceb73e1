"""Train, val and test: by subject, never by view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...core.errors import InputError, SettingsError
from ...core.files import read_json
from ...core.messages import first_few
from ...core.randomness import stable_hash

SPLITS = ("train", "val", "test")
SPLIT_RATIOS = (0.8, 0.1, 0.1)  # shares of train, val and test where the user does not choose
HASH_RANGE = 2.0**128


def split_subjects(
    subjects: Iterable[str], ratios: Sequence[float] = SPLIT_RATIOS, groups: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Assign each subject to a split by a stable hash of its id, so that a subject keeps its split as others are added.

    With few subjects a split may get none; then the subject whose hash is nearest moves to it from the largest split
    that has two or more, so that with three subjects or more each split with a ratio above 0 gets at least one.

    Args:
        subjects: ids.
        ratios: shares of train, val, test; they are divided by their sum.
        groups: the name of a group by subject; subjects of a group are split as one subject of that name would be. A
            subject that is not named is a group of its own.

    Returns:
        Subject id to "train", "val" or "test".

    Raises:
        SettingsError: a negative ratio, or all zero.
    """
    if len(ratios) != len(SPLITS) or min(ratios) < 0 or sum(ratios) <= 0:
        raise SettingsError(
            f"split ratios are {tuple(ratios)}, expected three shares for train, val, test, none negative"
        )
    of = {subject: (groups or {}).get(subject, subject) for subject in sorted(set(subjects))}
    assigned = _split_names(set(of.values()), ratios)
    return {subject: assigned[name] for subject, name in of.items()}


def _split_names(names: Iterable[str], ratios: Sequence[float]) -> dict[str, str]:
    place = {subject: stable_hash("split", subject) / HASH_RANGE for subject in sorted(names)}
    ends = [sum(ratios[: index + 1]) / sum(ratios) for index in range(len(SPLITS))]
    starts = [0.0, *ends[:-1]]
    assigned = {
        subject: next((s for s, end in zip(SPLITS, ends, strict=True) if u < end), _last(ratios))
        for subject, u in place.items()
    }
    for index, split in enumerate(SPLITS):
        if ratios[index] == 0 or split in assigned.values():
            continue
        sizes = {name: list(assigned.values()).count(name) for name in SPLITS}
        donors = [subject for subject, name in assigned.items() if sizes[name] == max(sizes.values())]
        if max(sizes.values()) < 2:
            continue
        middle = (starts[index] + ends[index]) / 2
        assigned[min(donors, key=lambda subject: (abs(place[subject] - middle), subject))] = split
    return assigned


def read_split(path: Path) -> dict[str, str]:
    """Read a user's split: a folder with train.txt, val.txt, test.txt (one subject a line), or a JSON object of lists.

    Returns:
        Subject id to split.

    Raises:
        InputError: there is nothing to read, or a subject is in two splits.
    """
    lists: dict[str, list[str]] = {}
    if path.is_dir():
        for split in SPLITS:
            if (path / f"{split}.txt").is_file():
                lines = (path / f"{split}.txt").read_text().splitlines()
                lists[split] = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not lists:
            raise InputError(path, "holds no train.txt, val.txt or test.txt")
    else:
        try:
            content = read_json(path)
        except InputError as error:
            raise InputError(path, f"is no folder of lists, and {error.reason}") from error
        if not isinstance(content, dict) or set(content) - set(SPLITS):
            raise InputError(path, 'expected {"train": [...], "val": [...], "test": [...]}')
        lists = {split: [str(subject) for subject in content[split]] for split in content}
    assigned: dict[str, str] = {}
    for split, subjects in lists.items():
        for subject in subjects:
            if assigned.setdefault(subject, split) != split:
                raise InputError(path, f"subject {subject} is in {assigned[subject]} and in {split}")
    return assigned


def choose_split(
    subjects: Iterable[str],
    ratios: Sequence[float],
    split_file: Path | None,
    groups: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Split subjects by the user's lists where given, else by the hash; subjects that are not listed are left out.

    Args:
        subjects: ids.
        ratios: see `split_subjects`.
        split_file: see `read_split`; None to split by hash.
        groups: see `split_subjects`.

    Returns:
        Subject id to split.

    Raises:
        SettingsError: no subject is listed, or the lists part a group.
    """
    if split_file is None:
        return split_subjects(subjects, ratios, groups)
    listed = read_split(split_file)
    # Lists of other toolkits name subjects "set/0000"; ids here are folder names, which have no slash.
    listed.update({name.replace("/", "_"): split for name, split in listed.items()})
    assigned = {subject: listed[subject] for subject in sorted(set(subjects)) if subject in listed}
    if not assigned:
        raise SettingsError(f"{split_file} lists none of the rendered subjects")
    first: dict[str, str] = {}
    for subject, group in sorted((groups or {}).items()):
        other = first.setdefault(group, subject) if subject in assigned else subject
        if assigned.get(other) != assigned.get(subject):
            raise SettingsError(
                f"{split_file}: {other} and {subject} are the same person, but {other} is in {assigned[other]} and "
                f"{subject} in {assigned[subject]}"
            )
    return assigned


def describe_lists(subjects: Iterable[str], split_file: Path | None) -> list[str]:
    """Say who is listed and not rendered, and who is rendered and not listed, where the user gives a split.

    Args:
        subjects: ids of the rendered people.
        split_file: see `read_split`; None where subjects are split by hash, and there is nothing to say.
    """
    if split_file is None:
        return []
    rendered, listed = set(subjects), read_split(split_file)
    missing = sorted(name for name in listed if not {name, name.replace("/", "_")} & rendered)
    unknown = sorted(rendered - {alias for name in listed for alias in (name, name.replace("/", "_"))})
    remarks = []
    if missing:
        told = f"{len(missing)} are listed in {split_file} and not rendered, so they are in no split"
        remarks.append(f"split, not rendered: {told}: {first_few(missing)}")
    if unknown:
        told = f"{len(unknown)} are rendered and not listed in {split_file}, so they are left out"
        remarks.append(f"split, not listed: {told}: {first_few(unknown)}")
    return remarks


def refuse_moves(out: Path, split_file: Path, before: Mapping[str, str], split: Mapping[str, str]) -> None:
    """Raise SettingsError where the user's lists move somebody who is in the shards of `out`; people may be added."""
    moved = [f"{name} {old} -> {split[name]}" for name, old in sorted(before.items()) if split.get(name, old) != old]
    if moved:
        raise SettingsError(
            f"{split_file} moves {len(moved)} people of {out}/ to another split ({first_few(moved)}), so what was "
            "trained on might be tested on; choose another --out"
        )


def group_twins(sources: Mapping[str, str]) -> dict[str, str]:
    """Group the subjects that were made from the same file under several names.

    Args:
        sources: SHA-256 of a subject's file, by the subject's id.

    Returns:
        For each subject that has twins the first of their ids.
    """
    names: dict[str, list[str]] = {}
    for subject, source in sorted(sources.items()):
        names.setdefault(source, []).append(subject)
    return {subject: twins[0] for twins in names.values() if len(twins) > 1 for subject in twins}


def describe_twins(groups: Mapping[str, str], split: Mapping[str, str]) -> list[str]:
    """A remark on each subject of `group_twins` but the first of its twins."""
    return [
        f"{subject}: the same file as {first}, so both are in {split[subject]}"
        for subject, first in groups.items()
        if subject != first and subject in split
    ]


def _last(ratios: Sequence[float]) -> str:
    return next(split for split, ratio in zip(reversed(SPLITS), reversed(ratios), strict=True) if ratio > 0)
