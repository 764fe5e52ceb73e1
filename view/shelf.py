"""The part of the panel with the controls of the thing that is shown, made anew where another thing has others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .content import Control
from .draw import STYLES, Style

if TYPE_CHECKING:
    import viser


class Shelf:
    """Controls of one page.

    Args:
        gui: of the browser.
        choose: receives what is chosen of single controls.
    """

    def __init__(self, gui: viser.GuiApi, choose: Callable[[Mapping[str, str]], None]) -> None:
        self._gui, self._choose = gui, choose
        self._controls: tuple[Control, ...] = ()
        self._handles: dict[str, Any] = {}
        self._folder = gui.add_folder("show")
        with self._folder:
            self._style = gui.add_dropdown("surface", STYLES)
        self._play: Any = None
        self._style.on_update(lambda event: choose({}) if event.client else None)

    @property
    def style(self) -> Style:
        """How surfaces are drawn."""
        return self._style.value

    @property
    def rate(self) -> float:
        """Values a second of the control that is being played; 0 where none is."""
        played = self._played
        return played.rate if played is not None and self._play is not None and self._play.value else 0.0

    def step(self) -> dict[str, str]:
        """The next value of the control that is being played; after the last comes the first."""
        played = self._played
        if played is None:
            return {}
        place = int(self._handles[played.name].value) - 1
        return {played.name: played.values[(place + 1) % len(played.values)]}

    def show(self, controls: Sequence[Control], chosen: Mapping[str, str], *, passed: bool = False) -> None:
        """Show these controls with what is chosen, unless somebody has chosen something else meanwhile (`passed`)."""
        if tuple(controls) != self._controls:
            self._rebuild(tuple(controls), chosen)
        for control in () if passed else controls:
            handle, value = self._handles[control.name], chosen[control.name]
            handle.value = control.values.index(value) + 1 if control.slider else value

    @property
    def _played(self) -> Control | None:
        return next((control for control in self._controls if control.rate and len(control.values) > 1), None)

    def _rebuild(self, controls: tuple[Control, ...], chosen: Mapping[str, str]) -> None:
        playing = bool(self._play is not None and self._play.value)
        for handle in (*self._handles.values(), *([] if self._play is None else [self._play])):
            handle.remove()
        self._handles, self._play, self._controls = {}, None, controls
        with self._folder:
            for control in controls:
                self._handles[control.name] = self._add(control, control.value(chosen))
            if self._played is not None:
                self._play = self._gui.add_checkbox("play", playing)

    def _add(self, control: Control, value: str) -> Any:
        several = len(control.values) > 1
        if control.slider:
            place = control.values.index(value) + 1
            handle: Any = self._gui.add_slider(
                control.name, 1, max(len(control.values), 2), 1, place, disabled=not several
            )
        else:
            handle = self._gui.add_dropdown(control.name, tuple(control.values), initial_value=value)

        def tell(event: Any) -> None:
            if event.client:
                place = min(int(handle.value), len(control.values)) - 1 if control.slider else 0
                self._choose({control.name: control.values[place] if control.slider else handle.value})

        handle.on_update(tell)
        return handle
