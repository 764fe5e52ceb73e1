"""The part of the panel that finds things: search by name, a list, a slider over what was found, next and previous."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .content import Draw, Known

if TYPE_CHECKING:
    import viser

LISTED = 40  # names in the list, around the one that is shown: a browser is slow with thousands
NEARBY = "the names around this one; what is typed into the search field finds all others"
PREVIOUS, NEXT, AGAIN = "previous", "next", "read again"


class Finder:
    """Controls that choose a thing by its name.

    Args:
        gui: of the browser.
        known: the names.
        choose: receives the name of a chosen thing, and what is to be chosen of its controls (None: as it is).
        read_again: called where somebody wants the thing to be read again.
        draws: buttons that pick a thing at random.
    """

    def __init__(
        self,
        gui: viser.GuiApi,
        known: Known,
        choose: Callable[[str, Mapping[str, str] | None], None],
        read_again: Callable[[], None],
        draws: Sequence[Draw] = (),
    ) -> None:
        self._known, self._choose = known, choose
        self._found = known.names
        self._name = known.names[0] if known.names else ""
        many = len(known.names) > 1
        with gui.add_folder("find"):
            self._search: Any = gui.add_text("search", "", visible=many, hint="words that the name holds")
            hint = NEARBY if len(known.names) > LISTED else None
            names = self._window()
            self._list: Any = gui.add_dropdown("name", names, initial_value=self._name, hint=hint, visible=many)
            self._slider: Any = gui.add_slider("number", 1, max(len(known.names), 2), 1, 1, visible=many)
            self._count = gui.add_html("", visible=many)
            buttons = gui.add_button_group("", (PREVIOUS, NEXT, AGAIN) if many else (AGAIN,))
            for draw in draws:
                self._add_draw(gui, draw)
        self._tell()
        self._search.on_update(lambda event: self._on_search() if event.client else None)
        self._list.on_update(lambda event: choose(self._list.value, None) if event.client else None)
        self._slider.on_update(lambda event: self._go(int(self._slider.value) - 1) if event.client else None)

        @buttons.on_click
        def _(event: viser.GuiEvent[viser.GuiButtonGroupHandle]) -> None:
            if event.target.value == AGAIN:
                read_again()
            else:
                self.step(1 if event.target.value == NEXT else -1)

    def _add_draw(self, gui: viser.GuiApi, draw: Draw) -> None:
        button = gui.add_button(draw.label)

        @button.on_click
        def _(_: object) -> None:
            self._choose(*draw.pick())

    def renew(self, known: Known) -> Known:
        """Search among these names from now on; returns them."""
        self._known, self._found = known, known.find(self._search.value)
        return known

    def show(self, name: str, *, passed: bool = False) -> None:
        """Say which thing is shown; one that somebody has passed by meanwhile leaves the controls as they are."""
        self._name = name
        if passed:
            return
        if name not in self._found and name in self._known.held:
            self._search.value, self._found = "", self._known.names
        self._refresh()

    def step(self, by: int) -> None:
        """Go to the next thing among those that were found, or to an earlier one; from the last to the first."""
        if self._found:
            place = self._found.index(self._name) if self._name in self._found else -1 if by > 0 else 0
            self._go((place + by) % len(self._found))

    def _go(self, place: int) -> None:
        if self._found:
            self._choose(self._found[min(max(place, 0), len(self._found) - 1)], None)

    def _on_search(self) -> None:
        self._found = self._known.find(self._search.value)
        if self._found and self._name not in self._found:
            self._go(0)
        else:
            self._refresh()

    def _refresh(self) -> None:
        window = self._window()
        if self._list.options != window:
            self._list.options = window
        if self._name in window:
            self._list.value = self._name
        self._slider.max = max(len(self._found), 2)
        if self._name in self._found:
            self._slider.value = self._found.index(self._name) + 1
        self._tell()

    def _window(self) -> tuple[str, ...]:
        """The names around the shown one; the shown one alone where nothing was found."""
        if not self._found:
            return (self._name,)
        place = self._found.index(self._name) if self._name in self._found else 0
        start = max(0, min(place - LISTED // 2, len(self._found) - LISTED))
        return self._found[start : start + LISTED]

    def _tell(self) -> None:
        total, found = len(self._known.names), len(self._found)
        number = self._found.index(self._name) + 1 if self._name in self._found else 0
        text = f"number {number:,} of {found:,}" if found else "no name holds these words"
        more = f", {total:,} in all" if found != total else ""
        self._count.content = f'<div style="font-size:12px;padding:0 0.75em;opacity:0.7">{text}{more}</div>'
