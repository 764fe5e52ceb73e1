"""The page in a browser: what is drawn is seen in its pixels, and what is asked for is shown."""

import time

import numpy as np
import pytest
import trimesh

from mpc.formats.mesh_files import write_mesh
from mpc.geometry.mesh import PosedMesh
from mpc.view.place import Place, link
from mpc.view.recognise import open_source
from mpc.view.serve import serve
from mpc.view.server import ServerSettings
from support.browser import Browser, needs_chromium

pytestmark = [needs_chromium, pytest.mark.slow]
COLOURS = {"blue": (20, 40, 230), "green": (30, 200, 40), "red": (230, 30, 20)}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Three men of one colour each, and one who is damaged."""
    root = tmp_path_factory.mktemp("people")
    body = trimesh.creation.capsule(height=1.3, radius=0.22, count=(12, 12))
    body.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
    for name, colour in COLOURS.items():
        colours = np.tile(np.array([*colour, 255], np.uint8), (len(body.vertices), 1))
        mesh = PosedMesh(np.array(body.vertices), np.array(body.faces, np.int32), vertex_colours=colours)
        write_mesh(root / f"{name} man.ply", mesh)
    (root / "hurt.ply").write_text("damaged")
    with serve(open_source(root), ServerSettings(port=0)) as place:
        yield place


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"), (1000, 700))
    yield opened
    opened.close()


def share_of(browser, name):
    """Share of the page's left part that has the colour of one of the men."""
    picture = browser.picture()[:, :650].astype(int)
    channel = list(COLOURS[name]).index(max(COLOURS[name]))
    others = np.delete(picture, channel, axis=2).max(axis=2)
    return float((picture[..., channel] > others + 60).mean())


def wait_for_colour(browser, name, seconds=90.0):
    """Wait until one of the men is seen; the share of the page that he covers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        share = share_of(browser, name)
        if share > 0.02:
            return share
        time.sleep(0.2)
    raise AssertionError(f"the {name} man is not drawn; the page says {browser.text()[:1000]}")


def test_people_are_drawn_and_found(address, browser):
    browser.open(address)
    text = browser.wait_for_text("blue_man", "number 1 of 4", "1.74 m", seconds=90)
    assert "models" in text
    assert 0.02 < wait_for_colour(browser, "blue") < 0.5
    browser.click("next")
    browser.wait_for_text("green_man", "number 2 of 4", seconds=60)
    wait_for_colour(browser, "green")
    assert share_of(browser, "blue") < 0.001
    browser.click("next")
    browser.wait_for_text("hurt.ply", "number 3 of 4", seconds=60)
    browser.write("search", "RED m")
    browser.wait_for_text("number 1 of 1, 4 in all", seconds=60)
    wait_for_colour(browser, "red")


def test_a_link_opens_the_same_thing_again(address, browser):
    browser.open(link(Place("red_man"), address))
    browser.wait_for_text("number 4 of 4", seconds=90)
    wait_for_colour(browser, "red")
    target = browser.run("[...document.querySelectorAll('a')].find(a => a.innerText.includes('link to')).href")
    browser.open("about:blank")
    browser.open(target)
    browser.wait_for_text("number 4 of 4", seconds=90)
    wait_for_colour(browser, "red")


def test_a_page_of_another_server_sees_nothing(address, browser):
    browser.open(address.replace("127.0.0.1", "localhost") + "/?websocket=" + address.replace("http", "ws") + "/")
    text = browser.wait_for_text("may not show what is here", seconds=90)
    assert "blue_man" not in text
    assert "models" not in text
