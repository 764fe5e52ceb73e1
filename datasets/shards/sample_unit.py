"""One unit of work of `mpc sample`: a scene, sampled into a file of its own that waits for its shard."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import InputError, MpcError
from ...core.guard import Lost
from ...core.messages import describe_failure
from .format import SampledScene
from .index import PASSING
from .plan import PlannedScene
from .retry import failure_digest, stamp_input
from .reuse import OldScene, copy_scene
from .sample_scene import sample_scene
from .settings import SampleSettings
from .verify import DAMAGE
from .write import load_part, save_part


@dataclass(frozen=True)
class SceneTask:
    """One unit of work: a scene to sample.

    Attributes:
        scene: the scene.
        settings: what decides the points.
        old: the shard that holds the scene already; None where none does.
    """

    scene: PlannedScene
    settings: SampleSettings
    old: OldScene | None = None


@dataclass(frozen=True)
class SceneOutcome:
    """What became of a scene.

    Attributes:
        key: the scene's key.
        digest: of a failure what SceneFailure.digest holds, else SHA-256 of its input.
        reason: why it cannot be sampled; None where its part is there.
        notices: remarks for the user.
        sampled: whether it was sampled now; else a stopped run had left its part, or a shard held it.
    """

    key: str
    digest: str
    reason: str | None = None
    notices: tuple[str, ...] = ()
    sampled: bool = False


def sample_one(task: SceneTask) -> SceneOutcome:
    """Sample one scene into its part, unless a killed run left it there, or it can be copied from a shard."""
    scene = task.scene
    sampled = _read_whole_part(scene.part) or _copy(task)
    new = sampled is None
    if sampled is None:
        stamp = stamp_input(scene.record)
        try:
            sampled = sample_scene(scene.record.read(), task.settings, keep_mesh=scene.keep_mesh)
        except MpcError as error:
            return SceneOutcome(scene.key, failure_digest(error, stamp), str(error))
        except Exception as error:  # of reading the scene, or a fault: nothing is written here
            return SceneOutcome(scene.key, PASSING, describe_failure(error))
        save_part(scene.part, sampled)
    return SceneOutcome(scene.key, scene.digest, notices=sampled.notices, sampled=new)


def lost_scene(lost: Lost[SceneTask]) -> SceneOutcome:
    """The outcome of a scene whose process was stopped or died; with more time or memory it may succeed."""
    return SceneOutcome(lost.unit.scene.key, PASSING, lost.reason)


def _copy(task: SceneTask) -> SampledScene | None:
    """Copy the scene into its part; None where no shard holds it, or the one that does is damaged."""
    if task.old is None:
        return None
    try:
        copied = copy_scene(task.old)
    except (InputError, *DAMAGE):
        return None
    save_part(task.scene.part, copied)
    return copied


def _read_whole_part(path: Path) -> SampledScene | None:
    """A part that a killed run left; None where there is none or it is damaged, which removes it."""
    if not path.is_file():
        return None
    try:
        return load_part(path)  # a power cut may leave a file without its content; NumPy's zip checks every array's CRC
    except (OSError, ValueError, zipfile.BadZipFile, EOFError):
        path.unlink()
        return None
