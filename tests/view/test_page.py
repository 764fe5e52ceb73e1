"""The page in a browser: what is drawn is seen in its pixels, and what is asked for is shown."""

import time

import numpy as np
import pytest
import trimesh

from mpc.formats.mesh_files import write_mesh
from mpc.geometry.mesh import PosedMesh
from mpc.view.content import Content, Control
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


class Many:
    """As many scenes as MonoPort's data set has, without anything to be seen."""

    title, draws = "many", ()

    def names(self):
        return [f"p{number:05d}" for number in range(16_498)]

    def controls(self, name, chosen):
        return [Control("view", ("000", "090"))]

    def show(self, name, chosen):
        return Content(facts={"shown": f"{name} from {chosen['view']}"})


def test_of_many_scenes_each_is_reached_and_few_names_are_in_the_page(browser):
    with serve(Many(), ServerSettings(port=0)) as address:
        browser.open(address)
        browser.wait_for_text("number 1 of 16,498", "p00000 from 000", seconds=90)
        browser.click("previous")
        browser.wait_for_text("number 16,498 of 16,498", "p16497 from 000", seconds=60)
        browser.write("search", "P123 4")
        browser.wait_for_text("number 1 of 19, 16,498 in all", "p12304 from 000", seconds=60)
        browser.click("next")
        browser.wait_for_text("number 2 of 19", "p12314 from 000", seconds=60)
        target = browser.run("[...document.querySelectorAll('a')].find(a => a.innerText.includes('link to')).href")
        assert target == link(Place("p12314", {"view": "000"}), address)
        browser.open("about:blank")
        browser.open(link(Place("p12314", {"view": "090"}), address))
        browser.wait_for_text("number 12,315 of 16,498", "p12314 from 090", seconds=90)
        names = browser.run("(document.documentElement.outerHTML.match(/p[0-9]{5}/g) || []).length")
        assert names < 200


def test_a_page_of_another_server_sees_nothing(address, browser):
    browser.open(address.replace("127.0.0.1", "localhost") + "/?websocket=" + address.replace("http", "ws") + "/")
    text = browser.wait_for_text("may not show what is here", seconds=90)
    assert "blue_man" not in text
    assert "models" not in text
