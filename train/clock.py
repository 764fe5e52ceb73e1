"""The time that a stage of training takes: limits, checkpoints, progress and estimates."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from .checkpoint import Position
from .data import Item


class Clock:
    """The time a stage takes: over all its sessions, and in this one (since it was started or resumed).

    Args:
        position: where the stage stands at the start of this session.
        steps: steps of the whole stage.
        budget_s: time limit of the stage, seconds; 0 is no limit.
    """

    def __init__(self, position: Position, steps: int, budget_s: float) -> None:
        self.steps, self.budget_s, self.first_step = steps, budget_s, position.step
        self.session = time.monotonic()
        self.began = self.session - position.seconds
        self.waited, self.saved = 0.0, self.session

    def seconds(self) -> float:
        """Training time over all sessions, seconds."""
        return time.monotonic() - self.began

    def share_done(self, step: int, seconds: float) -> float:
        """Share of the stage that is over: by steps, or by the time limit where that is ahead."""
        return max(step / self.steps, seconds / self.budget_s if self.budget_s > 0 else 0.0)

    @property
    def title(self) -> str:
        """What a stage's progress counts: steps, or seconds where a time limit decides how many steps there are."""
        return "seconds" if self.budget_s else "steps"

    @property
    def total(self) -> int:
        """How many of those the whole stage has."""
        return max(1, round(self.budget_s)) if self.budget_s else self.steps

    def shown(self, position: Position) -> int:
        """How many of those are over; all of them once the stage is finished."""
        if position.finished:
            return self.total
        return min(self.total, int(position.seconds) if self.budget_s else position.step)

    def saving_is_due(self, minutes: float) -> bool:
        """Whether the last checkpoint is older than so many minutes; 0: never."""
        return minutes > 0 and time.monotonic() - self.saved >= minutes * 60.0

    def note_saved(self) -> None:
        """A checkpoint has been written now."""
        self.saved = time.monotonic()

    def wait_for(self, loader: Iterator[Item]) -> Item:
        """The next batch; the time until the loader has it ready counts as waiting."""
        before = time.monotonic()
        batch = next(loader)
        self.waited += time.monotonic() - before
        return batch

    def waiting_share(self) -> float:
        """Share of this session that was spent waiting for data."""
        return round(self.waited / max(time.monotonic() - self.session, 1e-9), 4)

    def steps_here(self, position: Position) -> int:
        """Steps done in this session."""
        return position.step - self.first_step

    def estimate(self, position: Position, device: torch.device) -> str:
        """One line for the user: the time of a step, and the time to go."""
        each = (time.monotonic() - self.session) / self.steps_here(position)
        left = (self.steps - position.step) * each
        left = min(left, self.budget_s - position.seconds) if self.budget_s else left
        return f"{each:.2f} s a step on {device}, about {left / 60:.1f} minutes to go"
