"""Links open the same thing again, whatever letters its name holds; search finds names by their words."""

from urllib.parse import parse_qs, urlsplit

import pytest

from mpc.view.content import Control, Known
from mpc.view.place import Place, link, read_place, write_place

NAMES = ["scan_003/scan_0000", "a b", "100%", "x,y=z", "ä~é", "日本", "a#b?c&d+e", "~7E", "\udcff.obj", "", "../.."]


@pytest.mark.parametrize("name", NAMES)
def test_a_place_comes_back_from_its_path(name):
    place = Place(name, {"view": name, "a=b, c": "1,2"})
    path = write_place(place)
    assert read_place(path) == place
    assert set(path) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/~,=")


@pytest.mark.parametrize("path", ["/", "", "/other", "/at/", "/at/,,=,x"])
def test_any_path_is_read(path):
    assert read_place(path).name == ""


def test_a_link_names_the_websocket_of_the_page():
    place = Place("a&b #1", {"view": "090"})
    for origin, socket in (("http://127.0.0.1:8080", "ws://127.0.0.1:8080"), ("https://there", "wss://there")):
        query = parse_qs(urlsplit(link(place, origin)).query)
        assert list(query) == ["websocket"]
        assert query["websocket"][0].startswith(socket + "/at/")
        assert read_place(query["websocket"][0].removeprefix(socket)) == place


def test_names_are_found_by_all_their_words_whatever_the_case():
    known = Known(("rig_01/Walk_0001", "rig_01/wave_0002", "scan_02/scan_0000"))
    assert known.find("") == known.names
    assert known.find("RIG 0002") == ("rig_01/wave_0002",)
    assert known.find("scan") == ("scan_02/scan_0000",)
    assert known.find("scan walk") == ()


def test_a_choice_that_there_is_not_counts_as_the_first():
    control = Control("view", ("000", "090"), first="090")
    assert [control.value(chosen) for chosen in ({}, {"view": "000"}, {"view": "7"})] == ["090", "000", "090"]
    assert Control("view", ("000", "090")).value({"other": "090"}) == "000"
