"""The page of one browser: controls that choose what is shown, and a worker that shows the newest choice."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.messages import describe_failure
from .content import Content, Control, Known, Picture, Source
from .draw import Stage
from .finder import Finder
from .panel import facts_html, link_html, title_html
from .place import Place
from .server import Caller
from .shelf import Shelf

if TYPE_CHECKING:
    import viser

# Contents of one thing that stay in the browser, so that a clip plays smoothly from its second turn on: so many, and so
# many faces and points together, which is a few hundred megabytes.
KEPT_FRAMES, KEPT_FACES = 64, 4_000_000


class Page:
    """What one browser sees of a source.

    Callbacks of viser only note what is wanted. The page's own thread shows it, and of several wishes the newest, so
    that a slider that is dragged never waits for what it has passed.

    Args:
        client: the browser.
        source: what is looked at.
        known: its names.
        caller: how the browser came here.
        place: what is shown first.
    """

    def __init__(
        self, client: viser.ClientHandle, source: Source, known: Known, *, caller: Caller, place: Place
    ) -> None:
        self._client, self._source, self._known, self._origin = client, source, known, caller.origin
        self._wake = threading.Condition()
        self._drawing = threading.RLock()  # both threads of the page draw
        self._wanted: Place | None = None
        self._unfinished: tuple[Place, Content] | None = None
        self._closed = self._again = False
        self._shown, self._content = place, Content()
        self._kept: OrderedDict[str, Content] = OrderedDict()
        self._stage = Stage(client, lambda name, value: self.choose({name: value}))
        gui = client.gui
        gui.add_html(title_html(source.title))
        self._finder = Finder(gui, known, self.open, self.read_again, source.draws)
        self._shelf = Shelf(gui, self.choose)
        self._facts = gui.add_html("")
        self._pictures: list[tuple[str, Any]] = []
        self._picture_folder = gui.add_folder("pictures", visible=False)
        self._link = gui.add_html("")
        self.open(place.name or (known.names[0] if known.names else ""), place.chosen)
        for task in (self._work, self._finish):
            threading.Thread(target=task, name=f"page {client.client_id}", daemon=True).start()

    def open(self, name: str, chosen: Mapping[str, str] | None = None) -> None:
        """Show a thing, with the controls as they are, or as `chosen` says."""
        self._want(Place(name, self._shown.chosen if chosen is None else chosen))

    def choose(self, chosen: Mapping[str, str]) -> None:
        """Show the same thing with other choices."""
        with self._wake:
            place = self._wanted or self._shown
        self._want(Place(place.name, {**place.chosen, **chosen}))

    def read_again(self) -> None:
        """Read from the disk what is shown."""
        with self._wake:
            self._again = True
        self._want(self._shown)

    def close(self) -> None:
        """End the page's thread; the browser has gone."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _want(self, place: Place) -> None:
        with self._wake:
            self._wanted = place
            self._wake.notify_all()

    def _work(self) -> None:
        due = 0.0
        while True:
            with self._wake:
                rate = self._shelf.rate
                while self._wanted is None and not self._closed and not (rate and time.monotonic() >= due):
                    self._wake.wait(max(due - time.monotonic(), 0.001) if rate else 0.25)
                    rate = self._shelf.rate
                if self._closed:
                    return
                again, self._again = self._again, False
                place, self._wanted = self._wanted, None
            if place is None:
                place = Place(self._shown.name, {**self._shown.chosen, **self._shelf.step()})
            due = time.monotonic() + 1.0 / (rate or 1.0)
            try:
                self._show(place, again=again)
            except Exception as error:  # of the page itself; the next choice may be shown all the same
                self._facts.content = facts_html(Content(problem=describe_failure(error)))

    def _show(self, place: Place, *, again: bool) -> None:
        if again:
            self._known = self._finder.renew(Known(tuple(self._source.names())))
        if again or place.name != self._shown.name:
            self._kept.clear()
        controls, chosen, failed = self._controls(place)
        self._shown = place = Place(place.name, chosen)
        with self._wake:
            passed = self._wanted is not None  # a slider that is being dragged is not drawn back
        self._shelf.show(controls, chosen, passed=passed)
        self._finder.show(place.name, passed=passed)
        content = failed or self._read(place)
        self._draw(content, busy=content.later is not None)
        self._link.content = link_html(place, self._origin)
        with self._wake:
            self._unfinished = None if content.later is None else (place, content)
            self._wake.notify_all()

    def _finish(self) -> None:
        """Replace contents by those that take longer to make: of several the newest, unless something else is shown."""
        while True:
            with self._wake:
                while self._unfinished is None and not self._closed:
                    self._wake.wait()
                if self._closed or self._unfinished is None:
                    return
                (place, first), self._unfinished = self._unfinished, None
            assert first.later is not None
            try:
                content = first.later()
            except Exception as error:
                content = replace(first, remarks=(*first.remarks, describe_failure(error)), later=None)
            with self._drawing:
                if self._content is first and not self._closed:
                    self._keep(place, content)
                    self._draw(content, busy=False)

    def _controls(self, place: Place) -> tuple[Sequence[Control], dict[str, str], Content | None]:
        if place.name not in self._known.held:  # a link may name anything
            return (), dict(place.chosen), Content(problem=f"there is no {place.name or 'thing'} here")
        try:
            controls = self._source.controls(place.name, place.chosen)
        except Exception as error:
            return (), dict(place.chosen), Content(problem=describe_failure(error))
        return controls, {control.name: control.value(place.chosen) for control in controls}, None

    def _read(self, place: Place) -> Content:
        key = repr(place)
        content = self._kept.get(key)
        if content is None:
            try:
                content = self._source.show(place.name, place.chosen)
            except Exception as error:
                content = Content(problem=describe_failure(error))
            self._keep(place, content)
        return content

    def _keep(self, place: Place, content: Content) -> None:
        with self._drawing:
            self._kept[repr(place)] = content
            while len(self._kept) > 1 and (len(self._kept) > KEPT_FRAMES or _count(self._kept.values()) > KEPT_FACES):
                self._kept.popitem(last=False)

    def _draw(self, content: Content, *, busy: bool) -> None:
        with self._drawing:
            self._content = content
            self._stage.draw(content, self._shelf.style, self._kept.values())
            self._facts.content = facts_html(content, busy=busy)
            self._draw_pictures(content.pictures)

    def _draw_pictures(self, pictures: Sequence[Picture]) -> None:
        """Show pictures in the panel: in the places of those that are there, where they have the same titles."""
        if [picture.title for picture in pictures] == [title for title, _ in self._pictures]:
            for (_, handle), picture in zip(self._pictures, pictures, strict=True):
                handle.image = picture.pixels
            return
        for _, handle in self._pictures:
            handle.remove()
        gui = self._client.gui
        with self._picture_folder:
            self._pictures = [(one.title, gui.add_image(one.pixels, label=one.title, format="png")) for one in pictures]
        self._picture_folder.visible = bool(pictures)


def _count(contents: Collection[Content]) -> int:
    """Number of faces and points of contents; a surface that they share counts once."""
    bodies = {id(body): len(body.mesh.faces) for content in contents for body in content.bodies}
    return sum(bodies.values()) + sum(len(cloud.places) for content in contents for cloud in content.points)
