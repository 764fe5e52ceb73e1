"""Train, val and test: by subject, never by view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...core.errors import InputError, SettingsError
from ...core.files import read_json
from ...core.randomness import stable_hash

SPLITS = ("train", "val", "test")
SPLIT_RATIOS = (0.8, 0.1, 0.1)  # shares of train, val and test where the user does not choose
HASH_RANGE = 2.0**128


def split_subjects(subjects: Iterable[str], ratios: Sequence[float] = SPLIT_RATIOS) -> dict[str, str]:
    """Assign each subject to a split by a stable hash of its id, so that a subject keeps its split as others are added.

    With few subjects a split may get none; then the subject whose hash is nearest moves to it from the largest split
    that has two or more, so that with three subjects or more each split with a ratio above 0 gets at least one.

    Args:
        subjects: ids.
        ratios: shares of train, val, test; they are divided by their sum.

    Returns:
        Subject id to "train", "val" or "test".

    Raises:
        SettingsError: a negative ratio, or all zero.
    """
    if len(ratios) != len(SPLITS) or min(ratios) < 0 or sum(ratios) <= 0:
        raise SettingsError(
            f"split ratios are {tuple(ratios)}, expected three shares for train, val, test, none negative"
        )
    place = {subject: stable_hash("split", subject) / HASH_RANGE for subject in sorted(set(subjects))}
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


def choose_split(subjects: Iterable[str], ratios: Sequence[float], split_file: Path | None) -> dict[str, str]:
    """Split subjects by the user's lists where given, else by the hash; subjects that are not listed are left out.

    Args:
        subjects: ids.
        ratios: see `split_subjects`.
        split_file: see `read_split`; None to split by hash.

    Returns:
        Subject id to split.

    Raises:
        SettingsError: no subject is listed.
    """
    if split_file is None:
        return split_subjects(subjects, ratios)
    listed = read_split(split_file)
    # Lists of other toolkits name subjects "set/0000"; ids here are folder names, which have no slash.
    listed.update({name.replace("/", "_"): split for name, split in listed.items()})
    assigned = {subject: listed[subject] for subject in sorted(set(subjects)) if subject in listed}
    if not assigned:
        raise SettingsError(f"{split_file} lists none of the rendered subjects")
    return assigned


def _last(ratios: Sequence[float]) -> str:
    return next(split for split, ratio in zip(reversed(SPLITS), reversed(ratios), strict=True) if ratio > 0)
