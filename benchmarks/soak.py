"""Let `mpc live --film` run for long with many browsers, and record its memory: does it stay as it was?

    python benchmarks/soak.py --film walk.mp4 --minutes 60
    python benchmarks/soak.py --film walk.mp4 --minutes 0.2 --clients 2

Beside the clients that look (each turns a little after each picture) there is one that opens a websocket and never
reads, and one that sends garbage, again and again, and comes back when it is thrown out. Printed are, for each part of
the time, the server's resident memory, its processor time and frames so far, frames a second and delay as it states
them, and the pictures that each client got. At the end: the slope of the memory over the last two thirds, and clients
that were lost.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

ROWS = 20
GARBAGE = (b"", bytes(100_000), "[" * 5000, '{"view": 1}', '{"resolution": 7}', "\u0000", '{"sudo": true}')


class Watcher(threading.Thread):
    """A client that looks.

    Attributes:
        pictures: number of pictures that came.
        state: what the server said last.
        lost: why the connection ended; "" while it holds.
    """

    def __init__(self, address: str, number: int) -> None:
        super().__init__(daemon=True)
        self.address, self.number = address, number
        self.pictures, self.lost = 0, ""
        self.state: dict[str, Any] = {}

    def run(self) -> None:
        try:
            with connect(self.address, max_size=None, proxy=None, open_timeout=60, ping_interval=None) as page:
                for message in page:
                    if isinstance(message, str):
                        self.state |= json.loads(message)
                    else:
                        self.pictures += 1
                        page.send(json.dumps({"view": {"yaw": 10 * (self.pictures // 30) + 36 * self.number}}))
            self.lost = "the server closed"
        except (WebSocketException, OSError) as error:
            self.lost = str(error) or type(error).__name__


def send_garbage(address: str, stop: threading.Event, sent: list[int]) -> None:
    """Send garbage until told to stop; too large messages end the connection, which is opened again."""
    while not stop.is_set():
        try:
            with connect(address, max_size=None, proxy=None, open_timeout=60) as page:
                for number in range(10):
                    page.send(GARBAGE[(sent[0] + number) % len(GARBAGE)])
                    stop.wait(0.5)
                sent[0] += 10
                page.send(bytes(5 << 20))
                page.recv(timeout=5)
        except (WebSocketException, OSError, TimeoutError):
            stop.wait(0.5)


def open_deaf(address: str) -> socket.socket:
    """A websocket whose owner never reads."""
    place = urlsplit(address)
    deaf = socket.create_connection((place.hostname or "", place.port or 0))
    deaf.sendall(
        f"GET /socket HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return deaf


def start_server(options: argparse.Namespace) -> tuple[subprocess.Popen[str], str]:
    """The command, and the address of its websocket."""
    words = ["live", "--film", str(options.film), "--port", "0", "--resolution", str(options.resolution)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "mpc", *words, *options.words], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        raise SystemExit(f"mpc live did not start: {line}")
    return server, f"{found[0].replace('http', 'ws', 1)}/socket"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--film", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--resolution", type=int, default=129)
    parser.add_argument("words", nargs="*", help="further options of mpc live, after --")
    options = parser.parse_args()
    server, address = start_server(options)
    process, stop, sent = psutil.Process(server.pid), threading.Event(), [0]
    watchers = [Watcher(address, number) for number in range(options.clients)]
    try:
        for watcher in watchers:
            watcher.start()
        deaf = open_deaf(address)
        threading.Thread(target=send_garbage, args=(address, stop, sent), daemon=True).start()
        began, samples = time.monotonic(), []
        head = ("s", "MiB", "cpu s", "frames", "fps", "delay ms", "viewers")
        print(" ".join(f"{name:>8}" for name in head), "pictures of each client", flush=True)
        for row in range(1, ROWS + 1):
            end = began + 60 * options.minutes * row / ROWS
            while time.monotonic() < end:
                time.sleep(min(max(end - time.monotonic(), 0.0), 1.0))
                samples.append((time.monotonic() - began, process.memory_info().rss / 2**20))
            state, (seconds, size) = watchers[0].state, samples[-1]
            counts = " ".join(str(watcher.pictures) for watcher in watchers)
            told = " ".join(f"{state.get(name, 0):8}" for name in ("frames", "fps", "delay_ms", "clients"))
            used = sum(process.cpu_times()[:2])
            print(f"{seconds:8.0f} {size:8.1f} {used:8.0f} {told} {counts}", flush=True)
        late = np.array(samples[len(samples) // 3 :])
        slope, most = np.polyfit(late[:, 0] / 60, late[:, 1], 1)[0], max(size for _, size in samples)
        print(f"memory over the last two thirds: {slope:+.2f} MiB a minute, greatest {most:.1f} MiB")
        print(f"clients lost: {[one.lost for one in watchers if one.lost]}; garbage sent: {sent[0]} messages")
        how = "runs" if server.poll() is None else "has ended"
        print(f"the server {how}; stages {watchers[0].state.get('stages_ms')}")
        deaf.close()
    finally:
        stop.set()
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
