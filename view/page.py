"""The page of one browser: controls that choose what is shown, and a worker that shows the newest choice."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.messages import describe_failure
from .content import Content, Control, Known, Source
from .draw import Stage
from .finder import Finder
from .panel import facts_html, link_html, title_html
from .place import Place
from .server import Caller
from .shelf import Shelf

if TYPE_CHECKING:
    import viser

logger = logging.getLogger(__name__)

KEPT_FRAMES = 64  # contents of one thing that stay in the browser, so that a clip plays smoothly from its second turn


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
        self._client, self._source, self._origin = client, source, caller.origin
        self._wake = threading.Condition()
        self._wanted: Place | None = None
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
        threading.Thread(target=self._work, name=f"page {client.client_id}", daemon=True).start()

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
            except Exception:  # of the page itself; the next choice may be shown all the same
                logger.exception("the page could not show %s", place)

    def _show(self, place: Place, *, again: bool) -> None:
        if again or place.name != self._shown.name:
            self._kept.clear()
        controls, chosen, failed = self._controls(place)
        self._shown = place = Place(place.name, chosen)
        self._finder.show(place.name)
        self._shelf.show(controls, chosen)
        content = failed or self._read(place)
        self._draw(content, busy=content.later is not None)
        self._link.content = link_html(place, self._origin)
        if content.later is not None:
            threading.Thread(target=self._add_later, args=(place, content), daemon=True).start()

    def _controls(self, place: Place) -> tuple[Sequence[Control], dict[str, str], Content | None]:
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
        self._kept[repr(place)] = content
        while len(self._kept) > KEPT_FRAMES:
            self._kept.popitem(last=False)

    def _add_later(self, place: Place, first: Content) -> None:
        """Replace a content by the one that took longer to make, unless something else is shown by then."""
        assert first.later is not None
        try:
            content = first.later()
        except Exception as error:
            content = replace(first, remarks=(*first.remarks, describe_failure(error)), later=None)
        with self._wake:
            current = self._content is first and not self._closed
        if current:
            self._keep(place, content)
            self._draw(content, busy=False)

    def _draw(self, content: Content, *, busy: bool) -> None:
        self._content = content
        self._stage.draw(content, self._shelf.style, self._kept.values())
        self._facts.content = facts_html(content, busy=busy)
        titles = [picture.title for picture in content.pictures]
        if titles != [title for title, _ in self._pictures]:
            for _, handle in self._pictures:
                handle.remove()
            with self._picture_folder:
                self._pictures = [
                    (picture.title, self._client.gui.add_image(picture.pixels, label=picture.title, format="png"))
                    for picture in content.pictures
                ]
            self._picture_folder.visible = bool(titles)
        else:
            for (_, handle), picture in zip(self._pictures, content.pictures, strict=True):
                handle.image = picture.pixels
