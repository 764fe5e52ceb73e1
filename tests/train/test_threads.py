"""The choice of threads on machines that are idle, busy, or become one or the other; times are made up."""

from __future__ import annotations

from mpc.train.threads import AGAIN, TRIAL, ThreadChooser


class Machine:
    """Does steps whose time depends on the number of threads.

    Attributes:
        times: seconds of a step by number of threads.
        seconds: of all steps so far.
    """

    def __init__(self, times: dict[int, float]) -> None:
        self.times, self.seconds, self.threads = times, 0.0, 2
        self.chooser = ThreadChooser(2, self.use)

    def use(self, threads: int) -> None:
        self.threads = threads

    def run(self, steps: int) -> float:
        """Seconds that so many steps take."""
        before = self.seconds
        for _ in range(steps):
            self.seconds += self.times[self.threads]
            self.chooser.note(self.times[self.threads])
        return self.seconds - before


def test_an_idle_machine_uses_all_threads_and_a_busy_one_one() -> None:
    for times, best in (({2: 0.12, 1: 0.2}, 2), ({2: 9.0, 1: 0.25}, 1)):
        machine = Machine(times)
        machine.run(2 * TRIAL)
        assert machine.threads == best


def test_a_machine_that_becomes_busy_or_idle_is_noticed() -> None:
    machine = Machine({2: 0.12, 1: 0.2})
    machine.run(50)
    assert machine.threads == 2
    machine.times = {2: 9.0, 1: 0.25}  # another process begins: three slow steps, and a trial of both
    machine.run(3 + 2 * TRIAL)
    assert machine.threads == 1
    machine.times = {2: 0.12, 1: 0.2}  # it ends, which is noticed at the next trial
    machine.run(AGAIN + 2 * TRIAL)
    assert machine.threads == 2


def test_trials_cost_little() -> None:
    """1,000 steps on an idle machine take at most 2 % longer than with the better number throughout."""
    machine = Machine({2: 0.12, 1: 0.2})
    assert machine.run(1000) < 1.02 * 1000 * 0.12
    busy = Machine({2: 9.0, 1: 0.25})
    # The first trial costs four slow steps and each later one two; two threads throughout would cost 36 times as much.
    assert busy.run(1000) < 1000 * 0.25 + (4 + 3 * 2) * 9.0 + 1


def test_one_thread_leaves_nothing_to_choose() -> None:
    used: list[int] = []
    chooser = ThreadChooser(1, used.append)
    for _ in range(1000):
        chooser.note(1.0)
    assert used == []
