"""The stages at work at the same time, each in its own thread: finding, surfaces, drawing.

While a frame is drawn, the next one is localised, and in the one after that the person is looked for, as in the
pipeline of MonoPort (Li et al., ECCV 2020, section 5). Between two stages there is room for one frame, and a stage
begins with a frame only when the next stage has taken the one before: what would be dropped is not computed. Frames
that come meanwhile are dropped before the first stage, which takes the newest.

Each stage runs the networks on its own part of the cores. Were all of them to use all cores, their threads would wait
for one another at the end of each layer.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch

from ...core.errors import MpcError
from ...models.person.finder import PersonFinder
from ...models.runs import LoadedRun
from .draw import draw, input_panel
from .find import StageOfFinding
from .meter import Meter
from .newest import Newest
from .paint import FramePaint
from .reconstruct import StageOfSurfaces
from .settings import LiveSettings, Look
from .shots import Seen, Shot, Surface, encode_jpeg

_log = logging.getLogger(__name__)
# So many of the three stages are at work at a time, one with another; each has this part of the cores.
BUSY_STAGES = 2
# How long a thread keeps Python's lock while others wait for it, seconds. Stages need it for moments between calls that
# release it; with Python's own 5 ms, a sixth fewer frames a second are drawn.
SWITCH_S = 5e-4


@dataclass(frozen=True, eq=False)
class Picture:
    """What a viewer is shown.

    Attributes:
        surface: what was drawn.
        look: from where.
        input: JPEG of the frame.
        drawn: JPEG of the surface.
    """

    surface: Surface
    look: Look
    input: bytes
    drawn: bytes


Deliver = Callable[[str, Picture], None]
"""Takes a viewer's name and its picture; called from the thread that draws."""


class Pipeline:
    """Turns shots into pictures for all viewers until it is closed.

    Args:
        run: the networks.
        finder: opens the networks that find people.
        settings: how to reconstruct.
        deliver: receives the pictures.

    Attributes:
        resolution: of the next frames; may be changed at any time.
        mode: of the next frames; may be changed at any time.
        meter: frames a second, delays and times.
        note: what the viewers should know about the last frame.
        latest: the newest surface.
        on_taken: called when the first stage takes a shot, so that a camera may send the next.
        on_surface: called with each surface.
    """

    def __init__(
        self, run: LoadedRun, finder: Callable[[], PersonFinder], settings: LiveSettings, deliver: Deliver
    ) -> None:
        self.resolution, self.mode = settings.resolution, settings.mode
        self.meter, self.note = Meter(), ""
        self.latest: Surface | None = None
        self.on_taken: Callable[[Shot], None] = lambda shot: None
        self.on_surface: Callable[[Surface], None] = lambda surface: None
        self._size, self._deliver = settings.size, deliver
        self._photo = settings.photo_colours
        self._paint: FramePaint | None = None  # of the newest surface
        self._finding = StageOfFinding(finder)
        self.surfaces = StageOfSurfaces(
            run, settings.height_m, self.meter, photo_colours=settings.photo_colours, fit_bodies=settings.fit_bodies
        )
        self.shots: Newest[Shot] = Newest()
        self._seen: Newest[Seen] = Newest()
        self._wake = threading.Condition()
        self._looks: dict[str, Look] = {}
        self._shown: dict[str, tuple[int, Look]] = {}  # what each viewer was sent last
        self._fresh = False  # the newest surface has not been taken by the stage that draws
        self._closed = False
        self._cores, self._switch_s = torch.get_num_threads(), sys.getswitchinterval()
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=f"live-{work.__name__.strip('_')}", daemon=True)
            for work in (self._find, self._reconstruct, self._draw)
        ]

    def start(self) -> None:
        """Begin to work."""
        sys.setswitchinterval(SWITCH_S)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop all stages, and wait until they have."""
        self.shots.close()
        self._seen.close()
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        for thread in self._threads:
            with suppress(RuntimeError):  # never started
                thread.join()
        sys.setswitchinterval(self._switch_s)
        torch.set_num_threads(self._cores)  # what a thread sets is what later ones begin with

    def look(self, viewer: str, look: Look) -> None:
        """Let a viewer look from another place; it gets a picture even if no frame comes."""
        with self._wake:
            self._looks[viewer] = look
            self._wake.notify_all()

    def leave(self, viewer: str) -> None:
        """Draw no more for a viewer."""
        with self._wake:
            self._looks.pop(viewer, None)
            self._shown.pop(viewer, None)
            self._wake.notify_all()

    def _run(self, work: Callable[[], None]) -> None:
        """A stage's thread."""
        torch.set_num_threads(max(self._cores // BUSY_STAGES, 1))  # of this thread
        work()

    def _find(self) -> None:
        while (shot := self.shots.take()) is not None:
            self.on_taken(shot)
            with self._told(), self.meter.stage("find"):
                self._seen.put(self._finding.find(shot))
            self._seen.wait_until_taken()

    def _reconstruct(self) -> None:
        while (seen := self._seen.take()) is not None:
            with self._told():
                surface = self.surfaces.reconstruct(seen, self.resolution, self.mode)
                self.note = seen.note
                with self._wake:
                    self.latest, self._fresh = surface, True
                    self._wake.notify_all()
                self.on_surface(surface)
            with self._wake:
                self._wake.wait_for(lambda: self._closed or not self._fresh or not self._waiting())

    def _draw(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._waiting())
                if self._closed:
                    return
                surface, waiting, self._fresh = self.latest, self._waiting(), False
                self._wake.notify_all()
            if surface is not None:
                with self._told():
                    self._draw_round(surface, waiting)

    def _waiting(self) -> dict[str, Look]:
        """The viewers who have not seen the newest surface from where they look."""
        if self.latest is None:
            return {}
        number = self.latest.seen.shot.number
        return {viewer: look for viewer, look in self._looks.items() if self._shown.get(viewer) != (number, look)}

    def _draw_round(self, surface: Surface, waiting: dict[str, Look]) -> None:
        """Draw one surface for all who wait, once for each place from which somebody looks."""
        number = surface.seen.shot.number
        with self._wake:  # also where drawing fails: the next frame is another chance
            fresh = all(shown[0] != number for shown in self._shown.values())
            self._shown |= {viewer: (number, look) for viewer, look in waiting.items() if viewer in self._looks}
        if self._photo and (self._paint is None or self._paint.surface is not surface):
            self._paint = FramePaint(surface)
        with self.meter.stage("draw"):
            shown = encode_jpeg(input_panel(surface, self._size))
            for look in dict.fromkeys(waiting.values()):
                drawn = encode_jpeg(draw(surface, look, self._size, self._paint))
                for viewer in (name for name, place in waiting.items() if place == look):
                    self._deliver(viewer, Picture(surface, look, shown, drawn))
        if fresh:
            self.meter.drawn(surface.seen.shot.taken, time.monotonic())

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the viewers what went wrong with a frame, and go on with the next one."""
        try:
            yield
        except MpcError as error:
            self.note = str(error)
        except Exception as error:
            _log.warning("a frame failed", exc_info=error)
            self.note = f"a frame failed ({type(error).__name__}: {error})"
