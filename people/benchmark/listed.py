"""The lists of a benchmark: who each person is, how they stand, and the hash of their vertices.

Bodies, clothes and joint angles are written out, so that what `mpc people` draws at random may change and the people of
a list stay. Whatever else changes them (how clothes are sewn, how skin follows bones) shows in the hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError, SettingsError
from ...core.files import read_json_object
from ...core.held_out import RESERVED_SEEDS
from ...core.messages import unknown_name
from ..body.posing import Pose
from ..clothes.wardrobe import PersonPlan
from .records import read_record

FORMAT, VERSION = "mpc-benchmark", 1
BENCHMARKS = ("v1",)
LISTS = ("easy", "hard")
STEP_M = 1e-4  # vertices are hashed in steps of a tenth of a millimetre


@dataclass(frozen=True, kw_only=True)
class ListedPerson:
    """One person of a benchmark.

    Attributes:
        name: of their folder, and the id of the subject: "v1_easy_00".
        seed: that they were drawn with, one of RESERVED_SEEDS.
        pose_name: of the pose that was varied, or of the family that the joint angles were drawn from.
        plan: body, looks, hair and clothes.
        pose: joint angles and where the feet stand.
        vertices: number of vertices of their mesh.
        sha256: see `digest_vertices`.
    """

    name: str
    seed: int
    pose_name: str
    plan: PersonPlan
    pose: Pose
    vertices: int
    sha256: str

    @property
    def list_name(self) -> str:
        """The list they are in, "easy" or "hard"."""
        return self.name.split("_")[1]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark.

    Attributes:
        name: "v1".
        texture_size: edge of the textures, texels.
        people: everybody, the easy list first.
        sha256: see `digest_list`, by the name of the list.
    """

    name: str
    texture_size: int
    people: tuple[ListedPerson, ...]
    sha256: dict[str, str]

    def of(self, list_name: str) -> tuple[ListedPerson, ...]:
        """The people of one list."""
        return tuple(person for person in self.people if person.list_name == list_name)


def digest_vertices(vertices: F64) -> str:
    """SHA-256 of the places that a mesh has vertices at, in whole steps of STEP_M, whatever their order.

    Args:
        vertices: (V, 3) metres.
    """
    places = np.unique(np.rint(vertices / STEP_M).astype("<i4"), axis=0)
    return hashlib.sha256(places.tobytes()).hexdigest()


def digest_list(people: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of a list: its people in their order, with bodies, clothes, poses and hashes, as canonical JSON.

    Args:
        people: the entries as the file holds them, so that a field that comes later changes no hash.
    """
    return hashlib.sha256(json.dumps(list(people), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_benchmark(name: str) -> Benchmark:
    """Read a benchmark of the package.

    Raises:
        SettingsError: there is none of this name.
        InputError: the file of the lists is damaged.
    """
    if name not in BENCHMARKS:
        raise SettingsError(unknown_name("benchmark", name, BENCHMARKS))
    path = Path(__file__).with_name(f"{name}.json")
    content = read_json_object(path)
    try:
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise ValueError(f"is {content['format']} version {content['version']}")
        benchmark = read_record(Benchmark, {key: content[key] for key in ("name", "texture_size", "people", "sha256")})
    except (KeyError, ValueError, TypeError, StopIteration) as error:
        raise InputError(path, f"damaged: {error}") from error
    entries = list(zip(benchmark.people, content["people"], strict=True))
    if any(
        digest_list(entry for person, entry in entries if person.list_name == one) != benchmark.sha256[one]
        for one in LISTS
    ):
        raise InputError(path, "damaged: a list's hash differs")
    return benchmark


def benchmark_json(name: str, texture_size: int, people: tuple[ListedPerson, ...]) -> str:
    """The text of a benchmark's file, one line a person."""
    # As they will be read: whole numbers become fractions where those are expected.
    people = tuple(read_record(ListedPerson, json.loads(json.dumps(asdict(person)))) for person in people)
    hashes = {one: digest_list(asdict(person) for person in people if person.list_name == one) for one in LISTS}
    if any(person.seed not in RESERVED_SEEDS for person in people):
        raise SettingsError("a seed of a benchmark is not reserved")
    head: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "name": name, "texture_size": texture_size, "sha256": hashes,
    }  # fmt: skip
    lines = ",\n".join(json.dumps(asdict(person), separators=(",", ":")) for person in people)
    return json.dumps(head, indent=1)[:-2] + f',\n "people": [\n{lines}\n]}}\n'
