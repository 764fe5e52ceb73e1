"""What `mpc sample` is going to do: its settings, and which scene goes into which shard."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ...core.checks import check_choice, check_ranges
from ...core.errors import SettingsError
from ...core.files import file_sha256
from ...core.settings import to_table
from ...sampling.occupancy import UNIFORM, set_name
from ..renders.format import SceneRecord
from .format import PointSetInfo
from .sample_scene import SceneSettings
from .split import SPLITS

Noise = Literal["isotropic", "normal"]
KeptMeshes = Literal["eval", "all"]


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """What decides the content of a shards folder; a folder holds one set of settings.

    Attributes:
        seed: of all points.
        near_points: near-surface points a scene, shared evenly by the sigmas.
        sigmas_m: standard deviations of their noise, metres.
        noise: "isotropic" or along the "normal".
        focus: up to so many times more near points on thin and curved parts (0: evenly by area).
        uniform_points: points in the cylinder around all view cubes.
        colour_points: coloured surface points a scene.
        meshes: true surfaces kept for "eval" (val and test) or for "all".
        ratios: shares of train, val, test.
        split_file: the user's own split, see datasets/shards/split.py; None to split by hash.
        shard_bytes: size at which a shard is full.
    """

    seed: int = 0
    near_points: int = 200_000
    sigmas_m: tuple[float, ...] = (0.05, 0.01)
    noise: Noise = "isotropic"
    focus: float = 0.0
    uniform_points: int = 40_000
    colour_points: int = 50_000
    meshes: KeptMeshes = "eval"
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_file: Path | None = None
    shard_bytes: int = 512 << 20

    def __post_init__(self) -> None:
        check_ranges(
            self,
            near_points=(8, 100_000_000),
            uniform_points=(8, 100_000_000),
            colour_points=(8, 100_000_000),
            shard_bytes=(1 << 10, 1 << 50),
            focus=(0.0, 100.0),
        )
        if not self.sigmas_m or len(set(self.sigmas_m)) != len(self.sigmas_m) or not min(self.sigmas_m) > 0:
            raise SettingsError(f"sigmas_m is {self.sigmas_m}, expected different lengths in metres, above 0")
        if max(self.sigmas_m) > 1.0:
            raise SettingsError(f"sigmas_m is {self.sigmas_m}, expected metres, at most 1")
        check_choice("noise", self.noise, get_args(Noise))
        check_choice("meshes", self.meshes, get_args(KeptMeshes))

    def as_json(self) -> dict[str, Any]:
        """For settings.json and the shards."""
        content = to_table(self)
        if not self.focus:  # so that folders made before the option existed stay what they are
            del content["focus"]
        return content

    def scene(self, keep_mesh: bool) -> SceneSettings:
        """What a single scene needs to know."""
        share = _eight(self.near_points / len(self.sigmas_m))
        near = tuple((sigma, share) for sigma in self.sigmas_m)
        return SceneSettings(
            self.seed, near, self.noise, _eight(self.uniform_points), _eight(self.colour_points), keep_mesh,
            self.focus,
        )  # fmt: skip


@dataclass
class ShardPlan:
    """A shard to be: its scenes in order."""

    file: str
    split: str
    scenes: list[SceneRecord] = field(default_factory=list)


def point_sets(settings: SampleSettings) -> tuple[PointSetInfo, ...]:
    """The kinds of points of each scene, in order."""
    scene = settings.scene(False)
    near = (PointSetInfo(set_name(sigma), sigma, count) for sigma, count in scene.near)
    return (*near, PointSetInfo(UNIFORM, 0.0, scene.uniform))


def keep_mesh(split: str, settings: SampleSettings) -> bool:
    """Whether shards of a split carry the true surfaces."""
    return settings.meshes == "all" or split != "train"


def plan_shards(scenes: list[SceneRecord], split: dict[str, str], settings: SampleSettings) -> list[ShardPlan]:
    """Scenes to shards: one split a shard, by key, full at `shard_bytes`; sizes are estimated from inputs alone."""
    plans: list[ShardPlan] = []
    for name in SPLITS:
        full, number = settings.shard_bytes, 0
        for scene in sorted((s for s in scenes if split[s.subject] == name), key=lambda s: s.key):
            size = _estimate(scene, settings, name)
            if full + size > settings.shard_bytes:
                plans.append(ShardPlan(f"{name}-{number:05d}.h5", name))
                full, number = 0, number + 1
            plans[-1].scenes.append(scene)
            full += size
    return plans


def _estimate(scene: SceneRecord, settings: SampleSettings, split: str) -> int:
    pictures = sum(view.path.stat().st_size for view in scene.views)
    points = (settings.near_points + settings.uniform_points) * 6 + settings.colour_points * 36
    mesh = (scene.folder / "mesh.npz").stat().st_size // 2 if keep_mesh(split, settings) else 0
    return pictures + points + mesh


def input_digest(scene: SceneRecord) -> str:
    # scene.json names the SHA-256 of every file beside it, so its own stands for the whole folder.
    return file_sha256(scene.folder / "scene.json")


def contents_digest(
    plan: ShardPlan, settings: SampleSettings, digests: dict[str, str], failures: dict[str, tuple[str, str]]
) -> str:
    scenes = [[scene.key, digests[scene.key]] for scene in plan.scenes if scene.key not in failures]
    own = {name: value for name, value in settings.as_json().items() if name not in ("ratios", "split_file")}
    return json_digest([plan.split, own, scenes])


def json_digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _eight(count: float) -> int:
    """A count as a multiple of 8, rounded up: labels are bits."""
    return -(-int(-(-count // 1)) // 8) * 8
