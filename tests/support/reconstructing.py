"""The command `mpc reconstruct` in small: few nodes, small pictures, short turntables."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from mpc.cli.main import main


def invoke(run_folder: Path, *words: object, code: int = 0) -> str:
    """Run the command with the networks of a run, check its exit status, and return what it prints."""
    command = ["reconstruct", *map(str, words), "--run", str(run_folder), "--resolution", "33", "--size", "32"]
    result = CliRunner().invoke(main, [*command, "--turntable-frames", "3"])
    assert result.exit_code == code, result.output
    return result.output
