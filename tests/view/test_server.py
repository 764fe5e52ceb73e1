"""The server listens where it is told, or says why it cannot; text of files cannot become part of the page."""

import socket
import sys

import pytest
from click.testing import CliRunner

from mpc.cli.main import main
from mpc.core.errors import MpcError, SettingsError
from mpc.view.content import Content
from mpc.view.panel import facts_html, link_html, title_html
from mpc.view.place import Place
from mpc.view.server import HERE, ServerSettings, address, is_own, open_server


def test_a_port_that_is_taken_is_refused_by_its_number():
    with socket.socket() as other:
        other.bind((HERE, 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=rf"port {port} of 127.0.0.1 is taken .* --port 0"),
            open_server("x", ServerSettings(port=port)),
        ):
            pass


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(SettingsError, match=f"--host {host}"), open_server("x", ServerSettings(host=host)):
        pass


def test_a_missing_viser_is_named_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(MpcError, match=r"pip install 'mpc\[view\]'"), open_server("x"):
        pass


def test_the_server_listens_on_this_machine_alone_and_prints_nothing(capsys):
    with open_server("x", ServerSettings(port=0)) as server:
        assert address(server) == f"http://127.0.0.1:{server.get_port()}"
        assert server.request_share_url() is None
        port = server.get_port()
        with socket.create_connection((HERE, port), timeout=10):
            pass
        with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.2", port), timeout=10):
            pass
    with socket.socket() as after:
        after.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        after.bind((HERE, port))
    assert capsys.readouterr() == ("", "")


def test_text_of_files_is_escaped():
    evil = "<img src=x onerror=alert(1)>\"'&"
    content = Content(facts={evil: evil}, remarks=[evil], problem=evil)
    for html in (facts_html(content), title_html(evil), link_html(Place(evil, {evil: evil}), "http://h")):
        assert "<img" not in html
    assert facts_html(content).count("&lt;img") == 4


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["notes.txt"], "is not known; mpc view shows a model directory"),
        ([".", "--run", "."], "--run: no effect"),
        ([".", "--shards", "."], "--shards: no effect"),
        (["."], "holds nobody"),
        (["missing"], "does not exist"),
    ],
)
def test_what_cannot_be_shown_is_one_clear_line(words, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no mesh")
    result = CliRunner().invoke(main, ["view", *words, "--port", "0"])
    assert result.exit_code in (1, 2)
    assert reason in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("origin", "host", "bound", "own"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", HERE, True),
        ("http://localhost:9000", "localhost:9000", HERE, True),  # a forwarded port
        ("http://[::1]:8080", "[::1]:8080", "::1", True),
        ("http://evil.example", "127.0.0.1:8080", HERE, False),
        ("http://127.0.0.1:8080.evil.example", "127.0.0.1:8080", HERE, False),
        ("http://evil.example:8080", "evil.example:8080", HERE, False),  # whose name points to this machine
        ("http://server:8080", "server:8080", "0.0.0.0", True),
        ("http://evil.example", "server:8080", "0.0.0.0", False),
    ],
)
def test_only_pages_of_this_server_are_answered(origin, host, bound, own):
    assert is_own(origin, host, bound) == own


def test_letters_that_cannot_be_sent_are_written_out():
    assert "a\\xffb" in facts_html(Content(facts={"file": "a\udcffb"}))
