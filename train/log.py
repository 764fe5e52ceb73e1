"""The log of a run: log.jsonl with one JSON object per line, pictures, and TensorBoard files on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..core.arrays import U8
from ..core.files import write_text
from ..formats.mesh_files import write_mesh
from ..formats.png import write_png
from ..geometry.mesh import PosedMesh


class RunLog:
    """Writes log.jsonl. Only the first process of a run writes; in the others all methods do nothing.

    Args:
        folder: the folder of the run.
        active: whether this process writes.
        tensorboard: also write TensorBoard files to folder/tensorboard.
    """

    def __init__(self, folder: Path, *, active: bool, tensorboard: bool) -> None:
        self.path, self.active = folder / "log.jsonl", active
        self._board: Any = None
        if active and tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"))

    def write(self, stage: str, step: int, values: dict[str, Any]) -> None:
        """Append one line.

        Args:
            stage: name of the stage.
            step: number of finished steps of the stage.
            values: the other entries of the line; TensorBoard receives those that are numbers.
        """
        if not self.active:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, "step": step, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    self._board.add_scalar(f"{stage}/{name}", value, step)

    def picture(self, stage: str, step: int, pixels: U8, mesh: PosedMesh | None = None) -> None:
        """Write (H, W, 3) uint8 to <stage>/pictures/<step>.png and to TensorBoard, and a mesh beside it as <step>.glb.

        Without a mesh, one that an interrupted run has left there is deleted.
        """
        if not self.active:
            return
        folder = self.path.parent / stage / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{step:06d}.png", pixels)
        if mesh is None:
            (folder / f"{step:06d}.glb").unlink(missing_ok=True)
        else:
            write_mesh(folder / f"{step:06d}.glb", mesh, lit=mesh.vertex_colours is None)
        if self._board is not None:
            self._board.add_image(f"{stage}/reconstruction", pixels, step, dataformats="HWC")

    def rewind(self, stage: str, step: int) -> None:
        """Delete the lines of a stage after `step`: an interrupted run may have logged steps after its checkpoint."""
        if not self.active or not self.path.exists():
            return
        kept = [line for line in read_lines(self.path) if line["stage"] != stage or line["step"] <= step]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def close(self) -> None:
        """Write what TensorBoard has buffered, and close its file."""
        if self._board is not None:
            self._board.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without a last line that a crash has cut short."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines
