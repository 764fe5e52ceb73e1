"""What the file names of results say: whose they are, from which view, and which are no results.

ICON and ECON write into obj/ a mesh for each stage of a reconstruction and the fitted body (`anna_recon`,
`anna_refine`, `anna_smpl_00`); PIFu and PIFuHD write `result_anna` and recon/`result_anna_512`, with the resolution of
their grid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Names of the stages of one reconstruction, from the first to the last.
STAGES = ("smpl", "recon", "if", "refine", "full")
_BODY = re.compile(r"(?:^|[_\-.])smplx?(?:[_\-.]?\d+)?$", re.IGNORECASE)
_PREFIX = "result_"


@dataclass(frozen=True)
class ResultName:
    """The name of a result, taken apart.

    Attributes:
        owner: name of the truth that it belongs to.
        view: the rest of the name, which tells views apart.
        stage: place in `STAGES`; -1 where the name has none.
    """

    owner: str
    view: str
    stage: int = -1

    @property
    def is_body(self) -> bool:
        """Whether it is the fitted body that a reconstruction began with."""
        return _BODY.search(self.view) is not None


def read_name(key: str, names: Iterable[str]) -> ResultName | None:
    """Find the truth that a result belongs to.

    It is the truth of the same name, or the longest name that the result's begins with and that is followed by "/",
    "_", "-" or ".". Folders above a result (obj/, recon/) and the prefix `result_` are left aside where the name with
    them is none.

    Args:
        key: name of the result, folders included.
        names: names of the truths.

    Returns:
        None where there is no such truth.
    """
    known, parts = list(names), key.split("/")
    for start in range(len(parts)):
        text = "/".join(parts[start:])
        for spelled in (text, text.removeprefix(_PREFIX)) if text.startswith(_PREFIX) else (text,):
            owners = [name for name in known if spelled == name or _begins(spelled, name)]
            if owners:
                owner = max(owners, key=len)
                view = spelled[len(owner) :].strip("/_-.")
                # The number behind PIFuHD's names is the grid's resolution, not a view.
                return _staged(owner, re.sub(r"^\d+$", "", view) if spelled != text else view)
    return None


def _begins(text: str, name: str) -> bool:
    return text.startswith(name) and text[len(name)] in "/_-."


def _staged(owner: str, view: str) -> ResultName:
    rest, separator, last = view.rpartition("_")
    if last.lower() in STAGES:
        return ResultName(owner, rest if separator else "", STAGES.index(last.lower()))
    return ResultName(owner, view)


def choose_results(found: dict[str, ResultName]) -> dict[str, str]:
    """Which results are left out, because they are fitted bodies or earlier stages of another.

    Args:
        found: names by key.

    Returns:
        The reason by key.
    """
    left = {key: "a fitted body, not a result" for key, name in found.items() if name.is_body or name.stage == 0}
    last: dict[tuple[str, str], str] = {}
    for key, name in found.items():
        if key not in left and name.stage > 0:
            other = last.get((name.owner, name.view))
            if other is None or found[other].stage < name.stage:
                last[name.owner, name.view] = key
    for key, name in found.items():
        final = last.get((name.owner, name.view))
        if key not in left and name.stage > 0 and final != key:
            left[key] = f"an earlier stage of {final}"
    return left
