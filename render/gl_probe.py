"""Whether an offscreen OpenGL context works here, tested in a child process: a broken driver may crash or hang."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

PLATFORMS = ("egl", "osmesa")
PROBE_SECONDS = 60.0

# Draws one triangle as the real renderer does and checks the middle of the picture. Both modules are imported only in
# the child. It prints the name of the renderer and the number of EGL devices, or ends with the error's last line.
_PROBE = """
import os
import numpy as np, pyrender
from OpenGL.GL import GL_RENDERER, glGetString
renderer = pyrender.OffscreenRenderer(16, 16)
primitive = pyrender.Primitive(positions=[[-9, -9, -2], [9, -9, -2], [0, 9, -2]], color_0=np.ones((3, 4)), mode=4)
scene = pyrender.Scene(bg_color=[0.0, 0.0, 0.0, 0.0])
scene.add(pyrender.Mesh([primitive]))
scene.add(pyrender.OrthographicCamera(1.0, 1.0, znear=0.1, zfar=10.0))
colour, _ = renderer.render(scene, flags=pyrender.RenderFlags.FLAT | pyrender.RenderFlags.RGBA)
assert colour[8, 8].tolist() == [255] * 4, f"the test picture shows {colour[8, 8].tolist()}, not white"
print("drawn with", glGetString(GL_RENDERER).decode(errors="replace"), flush=True)
if os.environ["PYOPENGL_PLATFORM"] == "egl":
    from pyrender.platforms import egl
    print("devices", len(egl.query_devices()), flush=True)
"""
# Parts of the names of Mesa's and SwiftShader's software renderers.
SOFTWARE_DRIVERS = ("llvmpipe", "softpipe", "swrast", "swiftshader")


@dataclass(frozen=True)
class GlSupport:
    """The result of `find_gl`.

    Attributes:
        platform: "egl" or "osmesa", whichever drew the test picture; "" if neither did.
        reason: name of the device, or why each platform failed.
        devices: EGL_DEVICE_ID of each graphics card that draws; empty where there is only the default.
    """

    platform: str
    reason: str
    devices: tuple[int, ...] = ()


def software_driver(text: str) -> str:
    """The software renderer named in `text` (the name of an OpenGL renderer), or ""."""
    return next((driver for driver in SOFTWARE_DRIVERS if driver in text.lower()), "")


@lru_cache(maxsize=1)
def find_gl() -> GlSupport:
    """Try EGL, then OSMesa (or only the one in PYOPENGL_PLATFORM), each in a child process; the result is cached."""
    chosen = os.environ.get("PYOPENGL_PLATFORM", "")
    failures = []
    for platform in (chosen,) if chosen else PLATFORMS:
        works, text = probe_gl(platform)
        if works:
            text, _, count = text.partition("; devices ")
            return GlSupport(platform, f"{platform}, {text}", _cards(platform, text, int(count or 1)))
        failures.append(f"{platform}: {text}")
    return GlSupport("", "; ".join(failures))


def _cards(platform: str, text: str, count: int) -> tuple[int, ...]:
    """The EGL devices among `count` that draw in hardware; each is tested in a process of its own, in parallel."""
    if platform != "egl" or count < 2 or software_driver(text) or "EGL_DEVICE_ID" in os.environ:
        return ()
    with ThreadPoolExecutor(min(count, 8)) as pool:
        answers = list(pool.map(lambda device: probe_gl(platform, device=device), range(count)))
    return tuple(device for device, (works, said) in enumerate(answers) if works and not software_driver(said))


def probe_gl(
    platform: str, *, device: int | None = None, seconds: float = PROBE_SECONDS, program: str = _PROBE
) -> tuple[bool, str]:
    """Test whether a platform draws.

    Args:
        platform: a value of PYOPENGL_PLATFORM.
        device: EGL_DEVICE_ID; None for the default.
        seconds: after this time the child counts as hung.
        program: Python source of the child; tests pass another one.

    Returns:
        Whether it draws, and the name of the renderer (with "; devices N" for EGL) or the reason of the failure.
    """
    environment = {**os.environ, "PYOPENGL_PLATFORM": platform}
    if device is not None:
        environment["EGL_DEVICE_ID"] = str(device)
    try:
        child = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no picture within {seconds:g} s"
    if child.returncode == 0 and "drawn with" in child.stdout:
        return True, "; ".join(child.stdout[child.stdout.index("drawn with") :].splitlines()[:2])
    if child.returncode < 0:
        return False, f"the driver crashed (signal {-child.returncode})"
    lines = [line.strip() for line in child.stderr.splitlines() if line.strip()]
    return False, lines[-1] if lines else f"the test ended with status {child.returncode}"
