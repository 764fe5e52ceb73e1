"""Every one of many things can be reached by search, list, slider, next and previous, while the list stays short."""

from types import SimpleNamespace

import pytest

from mpc.view.content import Draw, Known
from mpc.view.finder import LISTED, Finder
from mpc.view.server import ServerSettings, open_server

pytest.importorskip("viser", reason="mpc view needs the extra view")

NAMES = tuple(f"p{number:05d}/scan_0000" for number in range(16_498))


@pytest.fixture(scope="module")
def server():
    with open_server("x", ServerSettings(port=0)) as opened:
        yield opened


class User:
    """Uses a finder as a page has it: whatever is chosen is shown."""

    def __init__(self, gui, names=NAMES, draws=()):
        self.chosen, self.again = [], 0
        self.handles, folder = {}, []
        for kind in ("add_text", "add_dropdown", "add_slider", "add_html", "add_button_group", "add_button"):
            setattr(self, kind, self._keeping(getattr(gui, kind)))
        self.add_folder = lambda *words: folder.append(gui.add_folder(*words)) or folder[0]
        self.finder = Finder(self, Known(tuple(names)), self._choose, self._read_again, draws)

    def _keeping(self, add):
        def added(*values, **more):
            handle = add(*values, **more)
            self.handles["count" if add.__name__ == "add_html" else values[0]] = handle
            return handle

        return added

    def _choose(self, name, chosen):
        self.chosen.append((name, chosen))
        self.finder.show(name)

    def _read_again(self):
        self.again += 1

    def sets(self, label, value):
        """Give a control a value, as a browser does."""
        handle = self.handles[label]
        handle.value = value
        self._tell(handle)

    def presses(self, label):
        """Press a button of the group, or one of its own."""
        if label in self.handles:
            self._tell(self.handles[label])
        else:
            self.handles[""]._impl.value = label
            self._tell(self.handles[""])

    def _tell(self, handle):
        for call in handle._impl.update_cb:
            call(SimpleNamespace(client=object(), target=handle))

    @property
    def name(self):
        """What is shown, which list, slider and text must agree on."""
        name, options = self.handles["name"].value, self.handles["name"].options
        assert name in options
        assert len(options) <= LISTED
        return name

    @property
    def number(self):
        """What the slider says, and the text beside it."""
        number, most = self.handles["number"].value, self.handles["number"].max
        assert f"number {number:,} of {most:,}" in self.handles["count"].content
        return number, most


@pytest.fixture
def user(server):
    return User(server.gui)


@pytest.mark.parametrize("place", [0, 1, 20, 40, 100, 8000, 16_477, 16_497])
def test_every_thing_is_reached_by_its_number_by_its_name_and_from_its_neighbours(user, place):
    user.sets("number", place + 1)
    assert (user.name, user.number) == (NAMES[place], (place + 1, 16_498))
    after, before = NAMES[(place + 1) % 16_498], NAMES[place - 1]
    user.presses("next")
    assert (user.name, user.chosen[-1]) == (after, (after, None))
    user.presses("previous")
    user.presses("previous")
    assert user.name == before
    user.finder.show(NAMES[place])  # as a link does
    assert (user.name, user.number) == (NAMES[place], (place + 1, 16_498))
    other = user.handles["name"].options[-1]
    user.sets("name", other)
    assert (user.name, user.number[0]) == (other, NAMES.index(other) + 1)
    user.sets("search", f"P{place:05d} scan")
    assert (user.name, user.handles["name"].options) == (NAMES[place], (NAMES[place],))
    assert "number 1 of 1, 16,498 in all" in user.handles["count"].content
    user.sets("search", "")
    assert (user.name, user.number) == (NAMES[place], (place + 1, 16_498))


def test_next_and_previous_go_round_and_through_what_was_found_alone(user):
    user.presses("previous")
    assert user.name == NAMES[-1]
    user.presses("next")
    assert user.name == NAMES[0]
    user.sets("search", "777")
    found = [name for name in NAMES if "777" in name]
    assert user.name == found[0]
    assert user.number == (1, len(found))
    seen = []
    for _ in found:
        user.presses("next")
        seen.append(user.name)
    assert seen == [*found[1:], found[0]]


def test_what_lies_outside_of_the_search_ends_it_and_words_that_nothing_holds_change_nothing(user):
    user.sets("search", "p00777")
    user.finder.show(NAMES[9000])  # a link, or a view drawn at random
    assert (user.name, user.number, user.handles["search"].value) == (NAMES[9000], (9001, 16_498), "")
    count = len(user.chosen)
    user.sets("search", "nobody")
    assert user.name == NAMES[9000]
    assert "no name holds these words, 16,498 in all" in user.handles["count"].content
    user.presses("next")
    user.sets("number", 2)
    assert len(user.chosen) == count


def test_what_was_passed_leaves_the_controls_and_renewed_names_are_searched(user):
    user.sets("number", 500)
    user.finder.show(NAMES[3], passed=True)  # somebody has dragged on meanwhile
    assert user.name == NAMES[499]
    user.presses("read again")
    assert user.again == 1
    user.sets("search", "p16497")
    user.finder.renew(Known((*NAMES, "p16497/scan_0001")))
    user.finder.show(NAMES[-1])
    assert user.handles["name"].options == (NAMES[-1], "p16497/scan_0001")
    assert "number 1 of 2, 16,499 in all" in user.handles["count"].content


def test_one_thing_needs_no_search_and_a_draw_opens_what_it_picks(server):
    one = User(server.gui, names=("alone",), draws=[Draw(label="draw", pick=lambda: ("alone", {"view": "3"}))])
    assert [one.handles[label].visible for label in ("search", "name", "number", "count")] == [False] * 4
    assert one.handles[""].options == ("read again",)
    one.presses("draw")
    assert one.chosen == [("alone", {"view": "3"})]
