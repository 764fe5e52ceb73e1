"""Evaluation of folders of meshes with settings given by name."""

from pathlib import Path

from mpc.evaluate.folders import evaluate_folders
from mpc.evaluate.settings import FolderSettings, Workers


def measure_folders(pred: Path, truth: Path, out: Path, *, jobs: int = 1, **settings):
    """Measure on the CPU; `settings` are those of FolderSettings."""
    return evaluate_folders(pred, truth, out, FolderSettings(**settings), workers=Workers(jobs=jobs, device="cpu"))
