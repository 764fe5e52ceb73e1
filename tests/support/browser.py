"""Headless Chromium, steered by its DevTools protocol: opens a page, clicks, waits, and takes its picture."""

from __future__ import annotations

import base64
import io
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# WebGL without a graphics card, and nothing that asks for the network.
FLAGS = (
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
START_S = 60.0


def find_chromium() -> str | None:
    """The browser's program; None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="chromium is not installed (apt-get install)")


class Browser:
    """A browser with one page.

    Args:
        profile: an empty folder for its files.
        size: of the page, pixels.
        flags: further flags of the program.
    """

    def __init__(self, profile: Path, size: tuple[int, int] = (1200, 800), flags: Sequence[str] = ()) -> None:
        from websockets.sync.client import connect

        program = find_chromium()
        assert program is not None
        window = f"--window-size={size[0]},{size[1]}"
        self._process = subprocess.Popen(
            [program, *FLAGS, *flags, window, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port = self._wait_for_port(profile / "DevToolsActivePort")
        self._numbers = itertools.count(1)
        self._socket = connect(self._page_address(port), max_size=None, open_timeout=START_S, proxy=None)
        self.ask("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)

    @property
    def pid(self) -> int:
        """Number of the browser's first process."""
        return self._process.pid

    def _wait_for_port(self, path: Path) -> int:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            lines = path.read_text().splitlines() if path.is_file() else []
            if len(lines) >= 2:
                return int(lines[0])
            assert self._process.poll() is None, "chromium ended at once"
            time.sleep(0.05)
        raise TimeoutError("chromium did not start")

    def _page_address(self, port: int) -> str:
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=START_S) as answer:
            pages = [entry for entry in json.load(answer) if entry["type"] == "page"]
        return str(pages[0]["webSocketDebuggerUrl"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol, and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=START_S))
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        """Go to an address."""
        self.ask("Page.navigate", url=address)

    def text(self) -> str:
        """What the page says, form fields included."""
        fields = "[...document.querySelectorAll('input,textarea')].map(e => e.value)"
        return str(self.run(f"(document.body ? document.body.innerText : '') + '\\n' + {fields}.join('\\n')"))

    def wait_for_text(self, *words: str, seconds: float = 30.0) -> str:
        """Wait until the page says all of these words; what it says then."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = self.text()
            if all(word in text for word in words):
                return text
            time.sleep(0.1)
        raise AssertionError(f"the page does not say {words}; it says {self.text()[:2000]}")

    def click(self, label: str) -> None:
        """Click the button with this label."""
        done = self.run(
            "(() => { const b = [...document.querySelectorAll('button, label, a')]"
            f".find(e => e.innerText.trim() === {json.dumps(label)}); if (b) b.click(); return !!b; }})()"
        )
        assert done, f"no button {label}"

    def write(self, label: str, text: str) -> None:
        """Type text into the field with this label, in place of what it holds."""
        found = self.run(
            "(() => { let p = [...document.querySelectorAll('*')].find(e => e.children.length === 0 && "
            f"e.textContent.trim() === {json.dumps(label)}); "
            "while (p && !p.querySelector('input, textarea')) p = p.parentElement; if (!p) return false; "
            "const f = p.querySelector('input, textarea'); f.focus(); f.select(); return true; })()"
        )
        assert found, f"no field {label}"
        self.ask("Input.insertText", text=text)

    def picture(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """(H, W, 3) uint8: what the page shows."""
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def close(self) -> None:
        """End the browser."""
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
