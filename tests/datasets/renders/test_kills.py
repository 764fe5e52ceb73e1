"""What a killed run leaves behind does not stand in the way of the next one."""

import re
import subprocess
import sys
from pathlib import Path

import mpc
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings

SETTINGS = RenderSettings(views=2, step_deg=180, size=32, rays=16)


def test_a_run_killed_while_it_wrote_its_settings(figures, tmp_path):
    models, out = tmp_path / "models", tmp_path / "out"
    models.mkdir()
    (models / "one").symlink_to(figures / "one")
    out.mkdir()
    (out / ".settings.json.tmp-77").write_text("{")
    assert render_models(models, out, SETTINGS, renderer="embree", jobs=1).rendered == 1
    (out / ".manifest.jsonl.tmp-77").write_text("{")
    assert render_models(models, out, SETTINGS, renderer="embree", jobs=1).kept == 1
    assert sorted(path.name for path in out.iterdir()) == ["manifest.jsonl", "one", "settings.json"]


def test_kills_at_random_moments_and_flipped_bits(figures, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for name in ("one", "two"):
        (models / name).symlink_to(figures / name)
    script = Path(mpc.__file__).resolve().parent / "tests" / "fuzz" / "safety.py"
    words = [
        str(models),
        "--kills",
        "4",
        "--full",
        "3",
        "--workers",
        "1",
        "--flips",
        "30",
        "--views",
        "2",
        "--size",
        "32",
    ]
    output = subprocess.run([sys.executable, str(script), *words], capture_output=True, check=True, text=True).stdout
    assert len(re.findall(r" 0 of them differ", output)) == 9, output
    assert re.search(r"1 workers killed at work.* 0 runs differ", output), output
    assert "30 of 30 flipped bits found" in output, output
