"""The server of `mpc live`, a real one: what it serves, whom it refuses, and that no client disturbs the others."""

import http.client
import io
import json
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest
import trimesh
from PIL import Image

from mpc.core.errors import InputError, SettingsError
from mpc.models.runs import load_run
from mpc.view.live import session
from mpc.view.live.live import Certificate, serve_live
from mpc.view.live.settings import LiveSettings
from mpc.view.live.wire import FRAME_MESH, PICTURE, RECORDING, pack_shot, unpack_picture
from mpc.view.server import ServerSettings
from support.live_film import CountingFinder, jpeg, masked_frame
from support.sequence_files import scales_at

pytest.importorskip("websockets", reason="mpc live needs the extra view")
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

LONG = 120.0
SETTINGS = LiveSettings(resolution=65, size=64, clients=4)
HERE = ServerSettings(port=0)


class Walk:
    """Frames of the walking person, as fast as they are taken; the mask comes with them."""

    title = "a walk"

    def frames(self):
        for step in range(1_000_000):
            yield step / 50, masked_frame(step % 12)


@pytest.fixture(scope="module")
def run(run_folder):
    return load_run(run_folder)


@contextmanager
def serving(run, source=None, finder=CountingFinder, settings=SETTINGS):
    with serve_live(run, finder, settings, source=source, place=HERE) as served:
        served.session.pipeline.resolution = 33  # the surface of untrained networks is everywhere
        yield served


class Page:
    """What the page does, in Python."""

    def __init__(self, served, **more):
        address = served.address.replace("http", "ws", 1)
        self.socket = connect(
            f"{address}/socket", proxy=None, max_size=None, open_timeout=LONG, ping_interval=None, **more
        )
        self.state = {}

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.socket.close()

    def send(self, **table):
        self.socket.send(json.dumps(table))

    def wait_for(self, true, what="state"):
        """The first message of a kind (the state, or the first byte of a binary one) for which something is true."""
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            message = self.socket.recv(timeout=LONG)
            if isinstance(message, str):
                self.state = json.loads(message)
                if what == "next" and "next" in self.state:
                    return self.state
                if what == "state" and "next" not in self.state and true(self.state):
                    return self.state
            elif what == message[0] and true(message):
                return message
        raise AssertionError(f"nothing came; the last state is {self.state}")

    def picture(self):
        """The next picture: number, stamp, input and drawn as arrays."""
        number, stamp, *jpegs = unpack_picture(self.wait_for(lambda message: True, PICTURE))
        return number, stamp, *(np.asarray(Image.open(io.BytesIO(one))).astype(int) for one in jpegs)


def fetch(served, path, **headers):
    """Answer of the server to a request for a file: status, headers and content."""
    place = urlsplit(served.address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=LONG)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_the_page_and_whom_it_is_refused(run):
    with serving(run) as served:
        assert served.address.startswith("http://127.0.0.1:")
        for path, kind, words in (("/", "text/html", b"mpc live"), ("/live.js", "text/javascript", b"getUserMedia")):
            status, headers, content = fetch(served, path)
            assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
            assert words in content
            assert "default-src 'self'" in headers["Content-Security-Policy"]
            assert b"http://" not in content
        assert fetch(served, "/../../etc/passwd")[0] == 404
        assert fetch(served, "/live.py")[0] == 404
        # Another site's page, and another site's name for this machine.
        port = urlsplit(served.address).port
        assert fetch(served, "/", Origin="https://example.org")[0] == 403
        assert fetch(served, "/", Host=f"example.org:{port}", Origin=f"http://example.org:{port}")[0] == 403
        assert fetch(served, "/", Host=f"localhost:{port}", Origin=f"http://localhost:{port}")[0] == 200
        with pytest.raises(InvalidStatus):
            Page(served, origin="https://example.org")
        with Page(served) as page:
            assert "press" in page.wait_for(lambda state: True)["note"]


def test_viewers_get_pictures_turn_and_change_how_it_is_made(run):
    with serving(run, Walk()) as served, Page(served) as anna, Page(served) as bob:
        _, stamp, shown, drawn = anna.picture()
        assert (stamp, shown.shape, drawn.shape) == (0.0, (64, 64, 3), (64, 64, 3))
        red = (shown[..., 0] > 120) & (shown[..., 2] < 120)
        assert red.sum() == pytest.approx(64**2 * 1.7 * 0.425 / 2.4**2, rel=0.25)
        assert drawn.std() > 5
        anna.send(view={"yaw": 90, "pitch": 0, "zoom": 1})
        anna.send(mode="visible")
        state = bob.wait_for(lambda state: state["mode"] == "visible")
        assert (state["resolution"], state["clients"], state["source"], state["camera"]) == (33, 2, "a walk", False)
        bob.send(mode="fast")
        state = bob.wait_for(lambda state: state["fps"] > 0 and len(state["stages_ms"]) == 4)
        assert state["note"] == ""
        assert served.session.pipeline._looks["viewer 1"].yaw_deg == 90
        bob.socket.close()
        anna.wait_for(lambda state: state["clients"] == 1)
        anna.picture()
        anna.send(resolution=65)
        anna.wait_for(lambda state: state["resolution"] == 65)


@pytest.mark.parametrize("nonsense", ["", "[", "3", '{"view": 7}', '{"sudo": 1}', '{"resolution": 1e99}', "[" * 9999,
                                      '{"mode": ["fast"]}', b"", b"12345678", bytes(5000)])  # fmt: skip
def test_garbage_is_answered_and_nothing_ends(run, served_walk, nonsense):
    with Page(served_walk) as page:
        page.picture()
        page.socket.send(nonsense)
        assert page.wait_for(lambda state: state["note"])["note"]
        page.picture()


@pytest.fixture(scope="module")
def served_walk(run):
    with serving(run, Walk()) as served:
        yield served


def test_too_large_a_message_ends_one_connection_alone(served_walk):
    with Page(served_walk) as good, Page(served_walk) as bad:
        bad.socket.send(bytes(5 << 20))
        with pytest.raises(ConnectionClosed, match="1009"):
            bad.wait_for(lambda state: False)
        for _ in range(3):
            good.picture()


def test_no_more_browsers_than_allowed(served_walk):
    end = time.monotonic() + LONG
    while served_walk.session.clients and time.monotonic() < end:  # of the tests before
        time.sleep(0.01)
    pages = [Page(served_walk) for _ in range(4)]
    with Page(served_walk) as one_too_many, pytest.raises(ConnectionClosed, match="4 browsers are connected"):
        one_too_many.wait_for(lambda state: False)
    pages[0].socket.close()
    pages[1].wait_for(lambda state: state["clients"] == 3)
    with Page(served_walk) as another:
        another.picture()
    for page in pages[1:]:
        page.socket.close()


def test_who_does_not_read_stops_nobody(served_walk):
    """A client that opens a websocket, and then takes nothing from it; its buffers are as small as can be."""
    place = urlsplit(served_walk.address)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect((place.hostname, place.port))
        deaf.sendall(
            f"GET /socket HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        with Page(served_walk) as page:
            page.wait_for(lambda state: state["clients"] == 2)
            numbers = [page.picture()[0] for _ in range(12)]
        assert numbers == sorted(set(numbers))
        session = served_walk.session
        name = next(iter(session.clients))
        waiting = session.clients[name].socket.transport.get_write_buffer_size()
        assert waiting < 1 << 18  # a few pictures, not all


def test_a_browsers_camera(run):
    finder = CountingFinder()
    with serving(run, finder=lambda: finder) as served, Page(served) as anna, Page(served) as bob:
        bob.socket.send(pack_shot(1.0, jpeg(masked_frame())))
        assert "not in use" in bob.wait_for(lambda state: "camera of" in state["note"])["note"]
        anna.send(camera=True)
        anna.wait_for(None, "next")
        assert anna.wait_for(lambda state: state["using"])["source"] == "your camera"
        bob.send(camera=True)
        assert "another browser's camera is in use" in bob.wait_for(lambda state: "another" in state["note"])["note"]
        for step in range(3):
            anna.socket.send(pack_shot(100.0 + step, jpeg(masked_frame(step))))
            anna.wait_for(None, "next")  # it was taken: the next may come
        stamps = set()
        while 102.0 not in stamps:
            stamps.add(anna.picture()[1])
        assert stamps <= {100.0, 101.0, 102.0}
        assert bob.picture()[1] in stamps
        anna.socket.send(pack_shot(103.0, b"no picture"))
        assert "no picture" in anna.wait_for(lambda state: "no picture" in state["note"])["note"]
        anna.socket.close()  # lost: the camera is free again
        state = bob.wait_for(lambda state: state["clients"] == 1 and "camera yet" in state["note"])
        assert not state["using"]  # and what was wrong with the last frame of the other camera is no longer said
        bob.send(camera=True)
        bob.wait_for(None, "next")


def test_a_frame_and_a_sequence_are_saved(run, tmp_path):
    with serving(run, Walk()) as served, Page(served) as anna, Page(served) as bob:
        anna.send(record=True)
        anna.wait_for(lambda state: state["recording"] and int(state["progress"].split()[1]) >= 2)
        bob.send(record=True)
        assert "somebody else is recording" in bob.wait_for(lambda state: "somebody" in state["note"])["note"]
        anna.send(record=False)
        content = anna.wait_for(lambda message: True, RECORDING)[1:]
        (tmp_path / "all.glb").write_bytes(content)
        count = len(scales_at(tmp_path / "all.glb", 0.0))
        assert count >= 2
        assert [scale[0] for scale in scales_at(tmp_path / "all.glb", 0.0)] == [1.0] + [0.0] * (count - 1)
        assert [scale[0] for scale in scales_at(tmp_path / "all.glb", 1e6)] == [0.0] * (count - 1) + [1.0]
        bob.send(mesh=True)
        content = bob.wait_for(lambda message: True, FRAME_MESH)[1:]
        mesh = trimesh.load(io.BytesIO(content), file_type="glb", force="mesh")
        assert np.abs(mesh.vertices - [0, 0.85, 0]).max() < 1.3
        assert len(mesh.faces) > 50


def test_a_browser_has_one_file_made_at_a_time_and_is_told_of_one_that_fails(run, monkeypatch):
    with serving(run, Walk()) as served, Page(served) as anna, Page(served) as bob:
        surfaces, go, made = served.session.pipeline.surfaces, threading.Event(), []
        monkeypatch.setattr(session, "glb_of", lambda mesh: mesh)

        def mesh(surface):
            assert go.wait(LONG)
            made.append(surface)
            return b"glTF"

        monkeypatch.setattr(surfaces, "mesh", mesh)
        anna.picture()
        for _ in range(3):
            anna.send(mesh=True)
        assert "try again" in anna.wait_for(lambda state: "still being made" in state["note"])["note"]
        bob.send(mesh=True)
        go.set()
        for page in (anna, bob):
            assert page.wait_for(lambda message: True, FRAME_MESH)[1:] == b"glTF"
        assert len(made) == 2
        monkeypatch.setattr(surfaces, "mesh", lambda surface: 1 / 0)
        anna.send(mesh=True)
        anna.wait_for(lambda state: "could not be made (ZeroDivisionError" in state["note"])
        monkeypatch.setattr(surfaces, "mesh", mesh)
        anna.send(mesh=True)
        assert anna.wait_for(lambda message: True, FRAME_MESH)[1:] == b"glTF"


def test_addresses_and_certificates_that_cannot_be_used(run, tmp_path):
    with serving(run) as served:
        port = urlsplit(served.address).port
        with (
            pytest.raises(SettingsError, match=f"--port {port}: cannot be used"),
            serve_live(run, CountingFinder, place=ServerSettings(port=port)),
        ):
            pass
    (tmp_path / "a.pem").write_text("nonsense")
    with pytest.raises(InputError, match=r"a\.pem: is no certificate"):
        Certificate(tmp_path / "a.pem", tmp_path / "a.pem").context()
