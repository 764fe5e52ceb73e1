"""Arrays of writers: processes that do the parts of one work at the same time, as the tasks of a Slurm array do."""

import os
import subprocess
import sys

# Imports once and forks, so that eight processes cost little more than one.
SCRIPT = """
import os, sys
from pathlib import Path
from mpc.core.parts import Part
{imports}
count = int(sys.argv[1])
children = []
for number in range(1, count + 1):
    child = os.fork()
    if child == 0:
        part = Part(number, count)
        try:
            {work}
            os._exit(0)
        finally:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def run_array(count: int, imports: str, work: str, *arguments: object) -> None:
    """Run `count` processes at the same time.

    Args:
        count: how many.
        imports: statements, done once.
        work: an expression that does the part `part`; the arguments are sys.argv[2:].
        arguments: see `work`.
    """
    subprocess.run(
        [sys.executable, "-c", SCRIPT.format(imports=imports, work=work), str(count), *map(str, arguments)],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )


def files_of(folder):
    """The bytes of every file below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
