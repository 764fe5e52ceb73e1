"""The wheel: it holds every file of the packages, and the chain runs from it outside the checkout."""

import json
import zipfile

import pytest

import mpc
from support.wheel import ROOMS, ROOT

pytestmark = pytest.mark.slow


def test_every_file_of_the_packages_comes_along(installed):
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()]
    wanted = {f"mpc/{p.relative_to(ROOT)}" for p in paths if "__pycache__" not in p.parts}
    wanted |= {"mpc/__init__.py", "mpc/__main__.py", "mpc/py.typed"}
    assert any(name.endswith(".js") for name in wanted), (
        "expected data files among the sources, such as scripts of pages"
    )
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    assert {name for name in names if name.startswith("mpc/")} == wanted
    assert f"mpc-{mpc.__version__}.dist-info/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {"mpc", f"mpc-{mpc.__version__}.dist-info"}


def test_the_commands_run_outside_the_checkout(installed, tmp_path):
    where = installed.run("python", "-c", "import mpc; print(mpc.__file__)", cwd=tmp_path)
    assert where.strip() == str(installed.site / "mpc" / "__init__.py")
    assert "mpc render models/" in installed.run("mpc", "--help", cwd=tmp_path)
    assert installed.run("mpc", "--version", cwd=tmp_path).strip() == f"mpc, version {mpc.__version__}"
    assert "MISS" not in installed.run("mpc", "doctor", cwd=tmp_path)


def test_the_chain_ran_from_the_wheel(toy_work):
    index = json.loads((toy_work / "shards" / "index.json").read_text())
    assert sum(map(len, index["split"].values())) == 5
    result = json.loads((toy_work / "runs" / "toy" / "eval" / "test" / "result.json").read_text())
    assert result["mpc"] == mpc.__version__
    report = (toy_work / "runs" / "toy" / "eval" / "test" / "report.html").read_text()
    assert "<style" in report, "the style sheet of pages is data of the package"
