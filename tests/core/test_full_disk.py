"""A full disk: one line that names the file, status 1, nothing finished lost, nothing half-written, and on it goes."""

import hashlib
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mpc.core.files import named, release, replacing, replacing_folder, reserve, write_bytes
from mpc.models.storage import read_tensors, write_tensors
from support.balls import make_renders

SAMPLE = ("--near", "40000", "--uniform", "8000", "--colours", "8000", "--jobs", "1", "--shard-size", "1")


def mpc_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mpc", *arguments]


def digest(shards: Path) -> str:
    files = sorted(path for path in shards.iterdir() if path.suffix in (".h5", ".json"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@pytest.fixture(scope="module")
def renders(tmp_path_factory) -> Path:
    return make_renders(tmp_path_factory.mktemp("full") / "renders", balls=4)


@pytest.fixture(scope="module")
def whole(renders) -> Path:
    out = renders.parent / "undisturbed"
    subprocess.run(mpc_command("sample", str(renders), "--out", str(out), *SAMPLE), check=True, capture_output=True)
    return out


def test_files_that_may_not_grow(renders, whole, tmp_path):
    """The kernel refuses what goes beyond 400 kB, as it would on a full disk."""
    out = tmp_path / "shards"
    command = mpc_command("sample", str(renders), "--out", str(out), *SAMPLE)
    full = subprocess.run(
        command, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )  # fmt: skip
    assert full.returncode == 1, full.stderr
    assert re.search(r"^Error: .*\.npz: File too large$", full.stderr, re.MULTILINE), full.stderr
    assert "Traceback" not in full.stderr
    assert not list(out.rglob("*.tmp-*"))
    subprocess.run(command, check=True, capture_output=True)
    assert digest(out) == digest(whole)


SMALL_DISK = """
mount -t tmpfs -o size="$1" tmpfs "$2" || exit 77
shift; folder="$1"; shift
"$@"; echo "status $?"
find "$folder" -name '*.tmp-*'
mount -o remount,size=200m "$folder"
"$@" || exit 1
cp -r "$folder/shards" "$folder.copy"
"""


own_disks = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,
    reason="a small disk of one's own wants Linux's user namespaces",
)


@own_disks
@pytest.mark.parametrize(("share", "file"), [(0.1, "npz"), (0.5, "h5")])
def test_a_disk_that_fills_up(renders, whole, tmp_path, share, file):
    """While scenes are sampled, and while HDF5 writes their shards."""
    size = int(share * sum(path.stat().st_size for path in whole.glob("*.h5")))
    disk = tmp_path / "disk"
    disk.mkdir()
    command = mpc_command("sample", str(renders), "--out", str(disk / "shards"), *SAMPLE)
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", str(size), str(disk), *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode == 77:
        pytest.skip(f"no small disk here: {ran.stderr}")
    assert ran.returncode == 0, ran.stderr
    assert "status 1\n" in ran.stdout
    assert ".tmp-" not in ran.stdout
    assert re.search(rf"^Error: .*\.{file}: No space left on device", ran.stderr, re.MULTILINE), ran.stderr
    assert "Traceback" not in ran.stderr
    assert digest(tmp_path / "disk.copy") == digest(whole)


@own_disks
def test_a_read_only_disk(renders, tmp_path):
    command = mpc_command("sample", str(renders), "--out", str(tmp_path / "shards"), *SAMPLE)
    script = 'mount -t tmpfs -o ro tmpfs "$1" || exit 77; shift; exec "$@"'
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode == 77:
        pytest.skip(f"no small disk here: {ran.stderr}")
    assert ran.returncode == 1
    assert re.search(r"^Error: .*shards: Read-only file system$", ran.stderr, re.MULTILINE), ran.stderr


def test_checkpoints_stay_whole(tmp_path):
    """A checkpoint that finds no room leaves the one before as it was."""
    code = (
        "import resource, sys, torch; from pathlib import Path; from mpc.models.storage import write_tensors;"
        "path = Path(sys.argv[1]); write_tensors(path, {'w': torch.zeros(1000)}, {'step': 1});"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        "write_tensors(path, {'w': torch.ones(100_000)}, {'step': 2})"
    )
    path = tmp_path / "last.safetensors"
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert re.search(r"OSError: .*too large.*last\.safetensors", ran.stderr), ran.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["last.safetensors"]
    tensors, header = read_tensors(path)
    assert header == {"step": 1}
    assert (tensors["w"] == torch.zeros(1000)).all()
    write_tensors(path, {"w": torch.ones(3)}, {"step": 3})
    assert read_tensors(path)[1] == {"step": 3}


def test_files_are_whole_or_not_there(tmp_path):
    code = (
        "import resource, sys, pathlib; from mpc.core.files import write_bytes;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); write_bytes(pathlib.Path(sys.argv[1]), bytes(2000))"
    )
    path = tmp_path / "a.glb"
    full = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert re.search(r"OSError: .*File too large: '.*a\.glb'", full.stderr), full.stderr
    assert not list(tmp_path.iterdir())
    write_bytes(path, b"one", shared=True)
    stopped = False
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(b"two")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        stopped = True
    assert stopped
    assert [item.read_bytes() for item in tmp_path.iterdir()] == [b"one"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file here that is always full")
def test_folders_are_whole_or_not_there(tmp_path):
    final = tmp_path / "scene"
    with replacing_folder(final) as folder:
        (folder / "one").write_bytes(b"1")

    def write(target: str) -> None:
        with replacing_folder(final) as folder:
            (folder / "two").symlink_to("/dev/full")
            (folder / target).write_bytes(b"2")

    for target in ("two", "no/such/folder/three"):
        with pytest.raises(OSError, match=rf"'{final}'"):
            write(target)
    assert [(path.name, path.read_bytes()) for path in final.iterdir()] == [("one", b"1")]
    assert list(tmp_path.iterdir()) == [final]


def test_room_is_set_aside_and_given_back(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    reserve(path, 1 << 20)
    assert path.read_bytes() == b"abc"
    release(path)
    assert path.stat().st_blocks <= 8
    if sys.platform.startswith("linux"):
        with pytest.raises(OSError, match=r"MB wanted.*file"), named(path):
            reserve(path, 1 << 60)
