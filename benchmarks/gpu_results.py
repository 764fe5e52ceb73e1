"""Collect what the stages of benchmarks/gpu.sh printed into one small results.json, and print it as a table.

    python benchmarks/gpu_results.py FOLDER

FOLDER holds machine.json, stages.tsv (name, exit status, seconds) and the output of each stage. Statuses: 0 well, 124
or 137 its limit was reached, -1 no time was left. The exit status is 1 if a stage ended well and no figure was found in
what it printed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What results.json tells of the recipe's last steps, beside the figures of validation.
KEPT = ("step", "seconds", "waiting_share")


def json_lines(text: str) -> dict[str, Any]:
    """The entries of all lines that are JSON objects (benchmarks/train.py)."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        if line.startswith("{"):
            found |= json.loads(line)
    return found


def frames(text: str) -> dict[str, Any]:
    """The rows of benchmarks/reconstruct.py: seconds of each part, and frames a second."""
    lines = [line.split() for line in text.splitlines()]
    head = next((words for words in lines if words[:2] == ["nodes", "mode"]), [])
    rows = [dict(zip(head, words, strict=True)) for words in lines if len(words) == len(head) and words[0].isdigit()]
    numbers = ("asked", "encode", "localise", "mesh", "render", "frames/s")
    return {
        f"{row['nodes']} {row['mode']}{' masked' if row['mask'] == 'True' else ''}": {
            name: float(row[name]) for name in numbers if row[name] != "nan"
        }
        for row in rows
    }


def live(text: str) -> dict[str, Any]:
    """Frames a second and delay of `mpc live` (benchmarks/live.py)."""
    rows = re.findall(
        r"^ *(\d+) +(\w+) +(one by one|overlapped) +([\d.]+) frames a second, (\d+) ms", text, re.MULTILINE
    )
    return {
        f"{nodes} {mode} {how}": {"frames/s": float(rate), "delay_ms": int(delay)}
        for nodes, mode, how, rate, delay in rows
    }


def metrics(text: str) -> dict[str, Any]:
    """Seconds of each method at 100,000 points (benchmarks/metrics.py)."""
    rows = re.findall(r"^(\S.*?) +100000 +([\d.]+) ", text, re.MULTILINE)
    return {f"seconds at 100,000 points, {name}": float(seconds) for name, seconds in rows}


def test_counts(text: str) -> dict[str, Any]:
    """How many tests passed, failed and were skipped (pytest)."""
    return {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)\b", text)}


def trained(text: str) -> dict[str, Any]:
    """The last step that the log of the recipe's run tells of, if there is one."""
    found = re.findall(r"run -> (\S+)/", text)
    log = Path(found[-1]) / "log.jsonl" if found else None
    if log is None or not log.is_file():
        return {}
    last: dict[str, Any] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        kept = {
            key: value for key, value in entry.items() if key in ("step", "seconds", "waiting_share") or "val_" in key
        }
        last[entry["stage"]] = last.get(entry["stage"], {}) | kept
    return last


READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "tests": test_counts,
    "train_paper": json_lines,
    "train_base": json_lines,
    "frames": frames,
    "live": live,
    "metrics": metrics,
    "recipe": trained,
}


def collect(folder: Path) -> dict[str, Any]:
    """Everything about one call of gpu.sh."""
    stages = {}
    for line in (folder / "stages.tsv").read_text().splitlines():
        name, status, seconds = line.split("\t")
        path = folder / f"{name}.txt"
        text = path.read_text(errors="replace") if path.is_file() else ""
        figures = READERS[name](text) if name in READERS else {}
        stages[name] = {"status": int(status), "seconds": int(seconds), **figures}
    return {**json.loads((folder / "machine.json").read_text()), "stages": stages}


def main() -> None:
    """Write results.json and print one line for each stage."""
    folder = Path(sys.argv[1])
    found = collect(folder)
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{found['device']}, torch {found['torch']}, mpc {found['mpc']}")
    for name, stage in found["stages"].items():
        figures = {key: value for key, value in stage.items() if key not in ("status", "seconds")}
        print(f"{name:12} status {stage['status']:3} {stage['seconds']:4} s  {json.dumps(figures)}")
    print(f"-> {folder}/results.json")
    silent = {name: stage for name, stage in found["stages"].items() if name in READERS and len(stage) == 2}
    if lost := [name for name, stage in silent.items() if stage["status"] == 0]:
        sys.exit(f"no figures were found in the output of {', '.join(lost)}")


if __name__ == "__main__":
    main()
