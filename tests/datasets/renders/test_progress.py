"""Progress counts scenes, and the time it says is left comes true, on a clock that a simulation drives."""

import heapq
import re
from pathlib import Path

import numpy as np
import pytest

from mpc.cli import progress as shown
from mpc.core.guard import Lost
from mpc.datasets.renders import build
from mpc.datasets.renders.count import SceneProgress, SubjectPlan, plan_subjects
from mpc.datasets.renders.draw_subject import SubjectOutcome
from mpc.datasets.renders.settings import RenderSettings
from mpc.subjects.find import Found, Subject
from support.fbx_file import write_post

SCAN_S, BIG_SCAN_S, RIG_S, LOAD_S = 2.5, 21.0, 1.7, 1.0  # seconds of a scene, as measured, and of reading a file


class Simulation:
    """Workers that draw scenes on a clock of their own.

    Args:
        costs: seconds of each scene of each subject, by id.
        workers: how many draw at a time.
        kept: number of scenes of each subject that are there already, by id.
        lost: subjects that fail at once.
    """

    def __init__(self, costs, workers, kept=None, lost=()):
        self.costs, self.workers, self.kept, self.lost = costs, workers, kept or {}, set(lost)
        self.now, self.estimates = 0.0, []

    def run_guarded(self, _function, units, *, on_alive, **_):
        events, waiting, order = [], list(units)[::-1], 0

        def begin(time_s):
            nonlocal order
            if not waiting:
                return
            unit = waiting.pop()
            name = unit.subject.id
            new = self.costs[name][self.kept.get(name, 0) :]
            time_s += LOAD_S if name not in self.lost else 0.1
            for cost in [] if name in self.lost else new:
                time_s += cost
                order += 1
                heapq.heappush(events, (time_s, order, unit, False))
            order += 1
            heapq.heappush(events, (time_s, order, unit, True))

        for _ in range(self.workers):
            begin(0.0)
        while events:
            self.now, _, unit, ended = heapq.heappop(events)
            name = unit.subject.id
            if not ended:
                on_alive(unit, 1)
            elif name in self.lost:
                yield Lost(unit, "gone")
                begin(self.now)
            else:
                kept = self.kept.get(name, 0)
                yield SubjectOutcome(subject=name, rendered=len(self.costs[name]) - kept, kept=kept)
                begin(self.now)

    def render(self, out, monkeypatch):
        """Run `mpc render` with these workers; the share of the time that had passed, and the ratio of what was said
        to be left to what was left, for each line of progress."""
        subjects = [Subject(name, Path(f"{name}.glb"), "rigged", Path()) for name in self.costs]
        for name, count in self.kept.items():
            for frame in range(count):
                (out / name / f"walk_{frame:04d}").mkdir(parents=True)
                (out / name / f"walk_{frame:04d}" / "scene.json").write_text("{}")
        monkeypatch.setattr(build, "find_people", lambda *_, **__: Found(subjects, {}))
        monkeypatch.setattr(build, "claim_folder", lambda *_: None)
        monkeypatch.setattr(build, "finish_run", lambda *_, **__: ())
        plans = {name: SubjectPlan(len(costs)) for name, costs in self.costs.items()}
        monkeypatch.setattr(build, "plan_subjects", lambda *_, **__: plans)
        monkeypatch.setattr(build, "run_guarded", self.run_guarded)
        monkeypatch.setattr(shown, "SECONDS_BETWEEN_LINES", 0.0)
        monkeypatch.setattr(shown.time, "monotonic", lambda: self.now)
        said = []
        monkeypatch.setattr(shown.TerminalProgress, "_line", staticmethod(lambda text: said.append((self.now, text))))
        with shown.TerminalProgress() as told:
            build.render_models(
                Path("models"), out, RenderSettings(), renderer="embree", jobs=self.workers, progress=told
            )
        found = [(time_s, re.search(r"about (\d+) s left", text)) for time_s, text in said]
        return said, [
            (time_s / self.now, float(match[1]) / (self.now - time_s))
            for time_s, match in found
            if match and time_s < 0.97 * self.now  # the last seconds: whole numbers, and workers without work
        ]


def many_rigs_and_scans():
    """40 rigs of 24 clips, and 126 scans of varying size; in the order of their folders the rigs come first."""
    rng = np.random.default_rng(0)
    rigs = {}
    for number in range(40):
        each = RIG_S * float(rng.uniform(0.7, 1.4))
        rigs |= {f"a_rig_{number:03d}_{clip:02d}": [each] * 4 for clip in range(24)}
    return rigs | {f"scan_{number:03d}": [float(rng.lognormal(np.log(SCAN_S), 0.5))] for number in range(126)}


def big_scans_before_rigs():
    """500 large scans before 500 rigs of two scenes: in that order the time left would be overestimated threefold."""
    return {f"a_{n:03d}": [BIG_SCAN_S] for n in range(500)} | {f"b_{n:03d}": [RIG_S] * 2 for n in range(500)}


def eleven_subjects():
    """As the held-out people: 8 scans, and 33 clips of 3 rigs."""
    return {f"person_{letter}": [SCAN_S] for letter in "abcdefgh"} | {f"rig_{n}": [RIG_S] * 3 for n in range(33)}


def some(part, most=960):
    """Names of the first rigs."""
    return [name for name in many_rigs_and_scans() if name.startswith("a_rig")][:most:part]


CASES = {
    "rigs and scans": (many_rigs_and_scans(), 4, {}, ()),
    "big scans and rigs": (big_scans_before_rigs(), 8, {}, ()),
    "eleven subjects": (eleven_subjects(), 2, {}, ()),
    "continued, all rigs begun": (many_rigs_and_scans(), 4, dict.fromkeys(some(1), 3), ()),
    "continued, half of the people done": (many_rigs_and_scans(), 4, dict.fromkeys(some(1, 480), 4), ()),
    "a quarter of the rigs fails": (many_rigs_and_scans(), 4, {}, some(4)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_time_left_is_right_within_half_from_a_tenth_of_the_work_on(name, tmp_path, monkeypatch):
    simulation = Simulation(*CASES[name])
    said, found = simulation.render(tmp_path / "renders", monkeypatch)
    ratios = [ratio for share, ratio in found if share >= 0.1]
    assert len(ratios) > 50
    assert min(ratios) > 1 / 1.5
    assert max(ratios) < 1.5
    total = sum(len(costs) for costs in simulation.costs.values())
    assert f"render scenes: {total} done" in said[-1][1]


class Told:
    """Keeps what it is told."""

    def __init__(self):
        self.started, self.worked, self.skipped, self.notes = [], 0, 0, []

    def start(self, title, total):
        self.started.append((title, total))

    def advance(self, count=1, note=""):
        self.worked += count
        self.notes.append(note)

    def skip(self, count):
        self.skipped += count

    def finish(self):
        pass

    def message(self, text):
        pass


def test_scenes_are_counted_once_whatever_becomes_of_them(tmp_path):
    (tmp_path / "b" / "walk_0001").mkdir(parents=True)
    (tmp_path / "b" / "walk_0001" / "scene.json").touch()
    told = Told()
    scenes = SceneProgress(tmp_path, {"a": 4, "b": 3, "c": 5}, told)
    assert (told.started, told.skipped) == ([("render scenes", 12)], 1)
    scenes.drawn("a", 2)
    scenes.finish_subject("a", 4)  # the last two were not told while it worked
    scenes.drawn("b", 3)  # the one that was there is drawn again
    scenes.finish_subject("b", 3)
    scenes.drawn("c", 1)
    scenes.finish_subject("c", 1, "failed")
    assert (told.worked, told.skipped) == (4 + 2 + 1, 1 + 4)
    assert told.notes[-1] == "c failed"


def test_the_clips_of_an_fbx_rig_are_counted_before_it_is_drawn(tmp_path):
    pytest.importorskip("ufbx")
    write_post(tmp_path / "rig.fbx")
    (tmp_path / "broken.fbx").write_bytes((tmp_path / "rig.fbx").read_bytes()[:3000])
    rig = Subject("rig", tmp_path / "rig.fbx", "rigged", tmp_path)
    broken = Subject("broken", tmp_path / "broken.fbx", "rigged", tmp_path)
    told = Told()
    plans = plan_subjects([broken, rig], RenderSettings(frames_per_animation=2), jobs=1, progress=told)
    counts = {name: plan.scenes for name, plan in plans.items()}
    assert list(counts) == ["broken", "rig"]
    assert counts["broken"] == 1
    assert counts["rig"] > 1
    assert (told.started, told.worked) == ([("count the clips of FBX rigs", 2)], 2)
