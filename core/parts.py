"""One of several writers that divide the work of one folder among them, as the tasks of a Slurm array do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from .errors import SettingsError

Unit = TypeVar("Unit")
MOST = 100_000


@dataclass(frozen=True)
class Part:
    """Part `number` of `count`, counted from 1, as in "2/8".

    Attributes:
        number: which part, 1 to `count`.
        count: how many parts there are.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= MOST:
            raise SettingsError(f"part {self.number}/{self.count}: expected K/N with K from 1 to N")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """The part as a file name."""
        return f"part-{self.number}-of-{self.count}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read "2/8".

        Raises:
            SettingsError: it is no such text.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None:
            raise SettingsError(f"part {text!r}: expected K/N, such as 2/8")
        return cls(int(found[1]), int(found[2]))

    def choose(self, units: Sequence[Unit]) -> list[Unit]:
        """The units of this part: every `count`-th, so that neighbours, which often cost alike, are spread evenly."""
        return list(units[self.number - 1 :: self.count])
