"""Which renderer is taken, and what happens where OpenGL crashes, hangs or belongs to another thread."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import trimesh

from mpc.core.errors import SettingsError
from mpc.geometry.mesh import PosedMesh
from mpc.render.gl_probe import find_gl, probe_gl
from mpc.render.renderer import RendererChoice, choose_renderer, open_renderer


def test_choosing_a_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    from mpc.render import renderer as module
    from mpc.render.gl_probe import GlSupport

    assert choose_renderer("embree").name == "embree"
    with pytest.raises(SettingsError, match="unknown renderer 'blender'"):
        choose_renderer("blender")
    monkeypatch.setattr(module, "find_gl", lambda: GlSupport("", "egl: no driver; osmesa: not found"))
    fallback = choose_renderer("auto")
    assert (fallback.name, "no driver" in fallback.reason) == ("embree", True)
    with pytest.raises(SettingsError, match=r"no driver.*libegl1"):
        choose_renderer("pyrender")
    monkeypatch.setattr(module, "find_gl", lambda: GlSupport("egl", "egl, drawn with something"))
    assert choose_renderer("auto") == RendererChoice("pyrender", "egl, drawn with something", "egl")
    monkeypatch.setattr(module, "find_gl", lambda: GlSupport("egl", "egl, drawn with two cards", (0, 2)))
    shared = choose_renderer("auto")
    assert [shared.for_worker(number).devices[0] for number in range(5)] == [0, 2, 0, 2, 0]
    assert fallback.for_worker(3) == fallback
    monkeypatch.setattr(module, "find_gl", lambda: GlSupport("egl", "egl, drawn with llvmpipe (LLVM 15)"))
    assert choose_renderer("auto").name == "embree"
    assert choose_renderer("pyrender").name == "pyrender"


def test_software_devices_are_not_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from mpc.render import gl_probe

    cards = ["drawn with a card", "drawn with llvmpipe", "drawn with a card", "no device"]

    def probe(platform: str, *, device: int | None = None) -> tuple[bool, str]:
        text = cards[device or 0]
        return text.startswith("drawn"), text if device is not None else f"{text}; devices {len(cards)}"

    monkeypatch.delenv("EGL_DEVICE_ID", raising=False)
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr(gl_probe, "probe_gl", probe)
    gl_probe.find_gl.cache_clear()
    try:
        assert gl_probe.find_gl() == gl_probe.GlSupport("egl", "egl, drawn with a card", (0, 2))
    finally:
        gl_probe.find_gl.cache_clear()


def test_a_process_draws_with_its_own_device() -> None:
    """In a fresh process, since a context is made once: what EGL is asked for is the choice's first device."""
    if find_gl().platform != "egl":
        pytest.skip(f"no EGL here: {find_gl().reason}")
    program = (
        "import os; from mpc.render.pyrender_renderer import shared_context; "
        "shared_context('egl', 8, 8, (0, 5)); print(os.environ['EGL_DEVICE_ID'])"
    )
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "0"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("import time; time.sleep(60)", "no picture within"),
        ("raise RuntimeError('no display at all')", "no display at all"),
        ("import sys; sys.exit(4)", "status 4"),
    ],
)
def test_a_driver_that_crashes_hangs_or_fails_is_survived(program: str, reason: str) -> None:
    works, text = probe_gl("egl", seconds=2.0, program=program)
    assert not works
    assert reason in text


@pytest.fixture
def other_thread() -> list[BaseException]:
    if not find_gl().platform:
        pytest.skip(f"no OpenGL here: {find_gl().reason}")
    return []


def test_another_thread_gets_a_clear_error(other_thread: list[BaseException]) -> None:
    import threading

    choice, ball = choose_renderer("pyrender"), trimesh.creation.icosphere(2, 0.3)
    mesh = PosedMesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int32))
    with open_renderer(choice, mesh, 32):
        pass

    def draw() -> None:
        try:
            with open_renderer(choice, mesh, 32):
                pass
        except SettingsError as error:
            other_thread.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert "thread" in str(other_thread[0])
