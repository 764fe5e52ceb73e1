"""How the three stages of `mpc live` work together, with stand-ins whose work takes as long as the test says."""

import logging
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from mpc.core.errors import MpcError
from mpc.view.live import pipeline as pipeline_module
from mpc.view.live.newest import Newest
from mpc.view.live.pipeline import SWITCH_S, Pipeline
from mpc.view.live.settings import LiveSettings, Look
from mpc.view.live.shots import Shot

LONG = 120.0  # nothing here takes so long, unless the machine is busy with other things
STAGES = ("find", "reconstruct", "draw")


class Stages:
    """A pipeline whose stages do nothing but what the test does in their place.

    Attributes:
        begun: numbers of the frames that each stage began with.
        shown: numbers of the frames that the viewer got.
        during: called with the number of a frame in the thread of a stage, by the stage's name.
        now: what the pipeline takes for the time, seconds.
    """

    def __init__(self, monkeypatch):
        self.begun, self.shown, self.now = {name: [] for name in STAGES}, [], 0.0
        self.during = dict.fromkeys(STAGES, lambda number: None)
        self._came = threading.Condition()
        stand_ins = {
            "StageOfFinding": lambda finder: SimpleNamespace(find=self._find),
            "StageOfSurfaces": lambda *words, **more: SimpleNamespace(reconstruct=self._reconstruct),
            "FramePaint": lambda surface: SimpleNamespace(surface=surface),
            "input_panel": lambda surface, size: None,
            "draw": self._draw,
            "encode_jpeg": lambda picture: b"",
            "time": SimpleNamespace(monotonic=lambda: self.now),
        }
        for name, stand_in in stand_ins.items():
            monkeypatch.setattr(pipeline_module, name, stand_in)
        self.pipeline = Pipeline(None, None, LiveSettings(), self._deliver)

    def put(self, number):
        """A frame comes, now."""
        self.pipeline.shots.put(Shot(number, self.now, b""))

    def wait_for(self, true):
        """Wait until something that the stages did is true."""
        with self._came:
            assert self._came.wait_for(lambda: true(self), LONG), (self.begun, self.shown, self.pipeline.note)

    def _begin(self, stage, number):
        with self._came:
            self.begun[stage].append(number)
            self._came.notify_all()
        self.during[stage](number)

    def _find(self, shot):
        self._begin("find", shot.number)
        return SimpleNamespace(shot=shot, note="")

    def _reconstruct(self, seen, resolution, mode):
        self._begin("reconstruct", seen.shot.number)
        return SimpleNamespace(seen=seen)

    def _draw(self, surface, look, size, paint):
        self._begin("draw", surface.seen.shot.number)

    def _deliver(self, viewer, picture):
        with self._came:
            self.shown.append(picture.surface.seen.shot.number)
            self._came.notify_all()


@pytest.fixture
def stages(monkeypatch):
    made = Stages(monkeypatch)
    yield made
    made.pipeline.close()


@pytest.fixture
def working(stages):
    """Stages at work, with one viewer."""
    stages.pipeline.look("anna", Look())
    stages.pipeline.start()
    return stages


@pytest.mark.parametrize(("slow", "shown"), [("find", [1, 50]), ("reconstruct", [1, 2, 50]), ("draw", [1, 2, 3, 50])])
def test_what_a_slow_stage_would_drop_is_not_begun(working, monkeypatch, slow, shown):
    """While a stage is held at frame 1, the stages before it go on by one frame each, and then wait."""
    held, waits, real = threading.Event(), [], working.pipeline._seen.wait_until_taken
    monkeypatch.setattr(working.pipeline._seen, "wait_until_taken", lambda: (waits.append(1), real()))
    working.during[slow] = lambda number: held.wait(LONG)
    ahead = shown[:-1]
    for number in ahead:
        working.put(number)
        working.wait_for(lambda stages, number=number: number in stages.begun["find"])
        if slow != "find" and number < ahead[-1]:
            working.wait_for(lambda stages, number=number: number in stages.begun["reconstruct"])
    for number in range(len(shown), 51):
        working.put(number)
    held.set()
    working.wait_for(lambda stages: 50 in stages.shown)
    assert working.shown == shown
    assert all(working.begun[stage] == shown for stage in STAGES)
    assert working.pipeline.shots.dropped == 50 - len(shown)
    assert len(waits) >= len(shown) - 1  # the last one may be on its way


@pytest.mark.parametrize("slow", STAGES)
def test_the_delay_does_not_grow_when_frames_come_ten_times_as_fast_as_a_stage_works(working, slow):
    """The slow stage takes one second of the test's own clock a frame, in which ten new frames come."""
    numbers, rounds, delays = iter(range(1, 10**6)), 40, []

    def work(number):
        for _ in range(10):
            working.now += 0.1
            working.put(next(numbers))

    working.during[slow] = work
    real = working.pipeline.meter.drawn
    working.pipeline.meter.drawn = lambda taken, now: (delays.append(now - taken), real(taken, now))
    working.put(next(numbers))
    working.wait_for(lambda stages: len(stages.shown) >= rounds)
    working.during[slow] = lambda number: None
    # A frame waits at most for the ones in the two stages before it, and for itself; a queue would be 9 s longer each.
    assert max(delays) <= 4.0 + 1e-6
    assert working.pipeline.meter.report(working.now)["delay_ms"] <= 4000
    assert working.shown == sorted(working.shown)
    assert working.pipeline.shots.dropped >= 8 * (rounds - 4)


def test_frames_go_on_where_nobody_looks(stages):
    surfaces, came = [], threading.Condition()

    def keep(surface):
        with came:
            surfaces.append(surface.seen.shot.number)
            came.notify_all()

    stages.pipeline.on_surface = keep
    stages.pipeline.start()
    for number in range(1, 4):
        stages.put(number)
        with came:
            assert came.wait_for(lambda number=number: number in surfaces, LONG)
    assert stages.begun == {"find": [1, 2, 3], "reconstruct": [1, 2, 3], "draw": []}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("error", "words"), [
    (MpcError("nobody is there"), "nobody is there"),
    (ZeroDivisionError("oh"), "a frame failed (ZeroDivisionError: oh)"),
])  # fmt: skip
def test_a_stage_that_fails_says_so_and_takes_the_next_frame(working, caplog, stage, error, words):
    def fail(number):
        if number == 1:
            raise error

    working.during[stage] = fail
    working.put(1)
    working.wait_for(lambda stages: stages.begun[stage] == [1])
    end = time.monotonic() + LONG
    while working.pipeline.note != words:
        assert time.monotonic() < end, working.pipeline.note
        time.sleep(0.005)
    working.put(2)
    working.wait_for(lambda stages: 2 in stages.shown)
    assert working.pipeline.note == ""
    assert working.shown == [2]
    working.pipeline.close()
    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(logged) == (0 if isinstance(error, MpcError) else 1)  # an error of ours, with where it was
    assert working.pipeline.meter.report(0.0)["frames"] == 1


@pytest.mark.parametrize("cores", [1, 2, 4, 5])
def test_each_stage_has_its_part_of_the_cores_and_the_program_has_them_back(monkeypatch, cores):
    before, seen = torch.get_num_threads(), {}
    try:
        torch.set_num_threads(cores)
        stages = Stages(monkeypatch)
        for name in STAGES:
            stages.during[name] = lambda number, name=name: seen.setdefault(name, torch.get_num_threads())
        stages.pipeline.look("anna", Look())
        stages.pipeline.start()
        stages.put(1)
        stages.wait_for(lambda stages: stages.shown == [1])
        stages.pipeline.close()
        assert seen == dict.fromkeys(STAGES, max(cores // 2, 1))
        later = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert (torch.get_num_threads(), later) == (cores, [cores])
    finally:
        torch.set_num_threads(before)


def test_threads_hand_on_pythons_lock_sooner_while_stages_work_and_only_then(monkeypatch):
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(0.02)  # of whoever uses the package
        stages = Stages(monkeypatch)
        assert sys.getswitchinterval() == pytest.approx(0.02)
        stages.pipeline.close()  # never started
        assert sys.getswitchinterval() == pytest.approx(0.02)
        stages = Stages(monkeypatch)
        stages.pipeline.start()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
        assert SWITCH_S < 0.005  # Python's own
        stages.pipeline.close()
        assert sys.getswitchinterval() == pytest.approx(0.02)
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("held", STAGES)
def test_closing_waits_for_the_stage_at_work_and_ends_those_that_wait(working, held):
    go = threading.Event()
    working.during[held] = lambda number: go.wait(LONG)
    for number in range(1, 4):
        working.put(number)
    working.wait_for(lambda stages: stages.begun[held])
    closing = threading.Thread(target=working.pipeline.close)
    closing.start()
    assert working.pipeline._threads[STAGES.index(held)].is_alive()
    go.set()
    closing.join(LONG)
    assert not closing.is_alive()
    assert not any(thread.is_alive() for thread in working.pipeline._threads)
    working.put(4)  # of a source that has not heard of it
    assert working.pipeline.shots.take(timeout=0.0) is None


def test_who_waits_until_a_value_is_taken_goes_on_then_or_when_the_place_closes():
    for end in (Newest.take, Newest.close):
        place, order = Newest(), []
        place.wait_until_taken()  # there is nothing to be taken
        place.put(1)
        thread = threading.Thread(target=lambda place=place, order=order: (place.wait_until_taken(), order.append(2)))
        thread.start()
        thread.join(0.02)
        order.append(1)
        end(place)
        thread.join(LONG)
        assert order == [1, 2]
