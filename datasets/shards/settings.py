"""The settings that decide the content of a shards folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ...core.checks import check_choice, check_ranges
from ...core.errors import SettingsError
from ...core.settings import to_table
from ...sampling.occupancy import UNIFORM, set_name
from .format import PointSetInfo
from .split import SPLIT_RATIOS

Noise = Literal["isotropic", "normal"]
KeptMeshes = Literal["eval", "all"]


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """What decides the content of a shards folder, which holds one set of settings.

    Attributes:
        seed: seed of all points.
        near_points: number of near-surface points of a scene, shared evenly by the sigmas.
        sigmas_m: standard deviations of their distance from the surface, metres.
        noise: "isotropic", or along the surface's "normal".
        focus: up to so many times more near points on thin and curved parts (0: evenly by area), sampling/focus.py.
        uniform_points: number of points in the cylinder around all view cubes.
        colour_points: number of coloured surface points of a scene.
        meshes: whether true surfaces are kept for "eval" (val and test) or for "all" splits.
        ratios: shares of train, val and test.
        split_file: the user's own split, see datasets/shards/split.py; None to split by hash.
        group_by: regular expression that finds the person in a subject's id, see datasets/shards/groups.py: subjects of
            one person are not parted. None for the names of known data sets.
        shard_bytes: estimated size from which on a shard is full.
        layers: names of the views' layers that the shards hold too, of those that were rendered.
        joints: whether the shards hold the joints of each scene and view, too.
    """

    seed: int = 0
    near_points: int = 200_000
    sigmas_m: tuple[float, ...] = (0.05, 0.01)
    noise: Noise = "isotropic"
    focus: float = 0.0
    uniform_points: int = 40_000
    colour_points: int = 50_000
    meshes: KeptMeshes = "eval"
    ratios: tuple[float, float, float] = SPLIT_RATIOS
    split_file: Path | None = None
    group_by: str | None = None
    shard_bytes: int = 512 << 20
    layers: tuple[str, ...] = ()
    joints: bool = False

    def __post_init__(self) -> None:
        check_ranges(
            self,
            seed=(0, None),
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
        if len(set(self.layers)) != len(self.layers):
            raise SettingsError(f"layers are {', '.join(self.layers)}, expected different names")
        check_choice("noise", self.noise, get_args(Noise))
        check_choice("meshes", self.meshes, get_args(KeptMeshes))

    def as_json(self) -> dict[str, Any]:
        """The settings as settings.json and the shards hold them.

        Of the user's own split it is said that there is one: where its lists lie changes nothing, and who is in which
        split stands in index.json.
        """
        content = to_table(self)
        if self.split_file is not None:
            content["split_file"] = "given"
        # So that shards do not change with an option that nobody uses.
        for name in ("focus", "layers", "joints", "group_by"):
            if not content[name]:
                del content[name]
        return content

    @property
    def near_counts(self) -> dict[float, int]:
        """Near-surface points of a scene by their sigma (metres), each a multiple of 8."""
        count = _eight(self.near_points / len(self.sigmas_m))
        return dict.fromkeys(self.sigmas_m, count)

    @property
    def uniform_count(self) -> int:
        """Uniform points of a scene, a multiple of 8."""
        return _eight(self.uniform_points)

    @property
    def colour_count(self) -> int:
        """Coloured points of a scene, a multiple of 8."""
        return _eight(self.colour_points)

    @property
    def point_sets(self) -> tuple[PointSetInfo, ...]:
        """The kinds of points of each scene, in the order of their rows."""
        near = (PointSetInfo(set_name(sigma), sigma, count) for sigma, count in self.near_counts.items())
        return (*near, PointSetInfo(UNIFORM, 0.0, self.uniform_count))

    def keeps_meshes(self, split: str) -> bool:
        """Whether shards of a split hold the true surfaces."""
        return self.meshes == "all" or split != "train"


def _eight(count: float) -> int:
    """Round a count up to a multiple of 8: labels are stored as bits."""
    return -(-int(-(-count // 1)) // 8) * 8
