"""Measure how soon the page of `mpc view` is there in a browser: a manifest of many scenes beside one of few.

    python benchmarks/page.py                      # 16,498 scenes, as in MonoPort's data set, beside 50; two minutes
    python benchmarks/page.py --scenes 200 --tries 1     # seconds; proves that it runs

One light scene (benchmarks/growth.py) is written; the manifest lists it under as many names as are asked for, each with
checksums of all files, as a finished `mpc render` does. Printed are wall seconds: from the start of the command to the
address that it says; and from there, since the browser is told to open it, to the first paint of viser's own client,
to the panel with the names, and to the first drawn pixels of the scene in WebGL. Chromium draws WebGL on the processor
here, which takes most of the last. Each is the smallest of a few tries; the two folders take turns, and the browser is
started before. "server" and "browser" are processor seconds of their processes from the address to the panel. Other
work on the machine slows all rows, so the ratio of the two is what counts.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from growth import make_renders

from mpc.datasets.renders.manifest import NAME

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.browser import Browser

# The panel covers the right of the window; what is left of it shows the scene before white.
SHOWN, WHITE = np.s_[:, :800], 250
COLUMNS = ("address", "client", "panel", "scene", "server", "browser")
# Milliseconds from the request for the page to its first paint.
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def make_folder(folder: Path, scenes: int) -> None:
    """A renders folder with one scene, which the manifest lists under many names."""
    make_renders(folder, 1)
    manifest = folder / NAME
    line = json.loads(manifest.read_text().splitlines()[0])
    names = (f"p{number:05d}/scan_0000" for number in range(scenes))
    manifest.write_text("".join(json.dumps(line | {"key": name}, sort_keys=True) + "\n" for name in names))


def processor_s(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    first = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in (first, *first.children(recursive=True)))


def time_page(browser: Browser, folder: Path, scenes: int) -> tuple[float, ...]:
    """The columns of one try."""
    began = time.monotonic()
    words = [sys.executable, "-m", "mpc", "view", str(folder), "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address is not None
        told, pids = time.monotonic(), (server.pid, browser.pid)
        used = [processor_s(pid) for pid in pids]
        browser.open(address[0])
        browser.wait_for_text(f"number 1 of {scenes:,}", seconds=120)
        panel = time.monotonic()
        used = [processor_s(pid) - before for pid, before in zip(pids, used, strict=True)]
        while (browser.picture()[SHOWN] < WHITE).any(axis=-1).mean() < 0.02:
            assert time.monotonic() < panel + 120, "nothing is drawn"
        scene = time.monotonic()
        paint = browser.run(PAINT) / 1000
        return told - began, paint, panel - told, scene - told, *used
    finally:
        server.terminate()
        server.wait(20)
        browser.open("about:blank")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=16498)
    parser.add_argument("--beside", type=int, default=50, help="scenes of the folder to compare with")
    parser.add_argument("--tries", type=int, default=3)
    options = parser.parse_args()
    counts, work = (options.scenes, options.beside), Path(tempfile.mkdtemp())
    tries: dict[int, list[tuple[float, ...]]] = {count: [] for count in counts}
    try:
        for count in counts:
            make_folder(work / str(count), count)
        browser = Browser(work / "profile", (1200, 800))
        try:
            time_page(browser, work / str(counts[-1]), counts[-1])  # the browser compiles viser's client once
            for _ in range(options.tries):
                for count in counts:
                    tries[count].append(time_page(browser, work / str(count), count))
        finally:
            browser.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"best of {options.tries}, seconds; all but the first column are counted from the address")
    print(" ".join(f"{name:>9}" for name in ("scenes", *COLUMNS)))
    best = {count: np.min(tries[count], axis=0) for count in counts}
    for count in counts:
        print(f"{count:9,}", " ".join(f"{seconds:9.2f}" for seconds in best[count]))
    print(f"{'ratio':>9}", " ".join(f"{ratio:9.2f}" for ratio in best[counts[0]] / best[counts[1]]))


if __name__ == "__main__":
    main()
