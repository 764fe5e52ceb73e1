"""Measure how soon the page of `mpc view` is there in a browser: a manifest of many scenes, and headless Chromium.

    python benchmarks/page.py                      # 16,498 scenes, as in MonoPort's data set; a minute
    python benchmarks/page.py --scenes 50          # seconds; proves that it runs

One light scene (benchmarks/growth.py) is written; the manifest lists it under as many names as are asked for, each with
checksums of all files, as a finished `mpc render` does. Printed are wall seconds: from the start of the command to the
address that it says; and from there, since the browser is told to open it, to the panel with the names, and to the
first drawn pixels of the scene in WebGL. Chromium draws WebGL on the processor here, which takes most of the last.
Each time the smallest of a few tries; the browser is started before.
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
from growth import make_renders

from mpc.datasets.renders.manifest import NAME

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.browser import Browser

# The panel covers the right of the window; what is left of it shows the scene before white.
SHOWN, WHITE = np.s_[:, :800], 250


def make_folder(folder: Path, scenes: int) -> None:
    """A renders folder with one scene, which the manifest lists under many names."""
    make_renders(folder, 1)
    manifest = folder / NAME
    line = json.loads(manifest.read_text().splitlines()[0])
    names = (f"p{number:05d}/scan_0000" for number in range(scenes))
    manifest.write_text("".join(json.dumps(line | {"key": name}, sort_keys=True) + "\n" for name in names))


def time_page(browser: Browser, folder: Path, scenes: int) -> tuple[float, float, float]:
    """Seconds from the command to its address, and from there to the panel and to the scene."""
    began = time.monotonic()
    words = [sys.executable, "-m", "mpc", "view", str(folder), "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address is not None
        told = time.monotonic()
        browser.open(address[0])
        browser.wait_for_text(f"number 1 of {scenes:,}", seconds=120)
        panel = time.monotonic()
        while (browser.picture()[SHOWN] < WHITE).any(axis=-1).mean() < 0.02:
            assert time.monotonic() < panel + 120, "nothing is drawn"
        return told - began, panel - told, time.monotonic() - told
    finally:
        server.terminate()
        server.wait(20)
        browser.open("about:blank")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=16498)
    parser.add_argument("--tries", type=int, default=3)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    try:
        make_folder(work / "renders", options.scenes)
        size = (work / "renders" / NAME).stat().st_size / 2**20
        browser = Browser(work / "profile", (1200, 800))
        try:
            tries = [time_page(browser, work / "renders", options.scenes) for _ in range(options.tries)]
        finally:
            browser.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    address, panel, scene = np.min(tries, axis=0)
    print(f"{options.scenes:,} scenes, manifest of {size:.0f} MiB, best of {options.tries}, wall seconds")
    print(f"command to address {address:.2f}; address to panel {panel:.2f}; address to drawn scene {scene:.2f}")


if __name__ == "__main__":
    main()
