"""How the lists of a benchmark were drawn: writes people/benchmark/NAME.json. Never again for a name that is out.

Usage: python benchmarks/freeze_people.py v1 > people/benchmark/v1.json
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from mpc.core.held_out import RESERVED_SEEDS
from mpc.core.randomness import derive_rng
from mpc.motion.makehuman.body import make_body
from mpc.people.benchmark.listed import ListedPerson, benchmark_json, digest_vertices
from mpc.people.benchmark.make import obj_vertices, write_listed
from mpc.people.body.hard_poses import draw_hard_pose
from mpc.people.body.poses import POSES, vary
from mpc.people.clothes.wardrobe import PersonPlan, plan_person

TEXTURE_SIZE, PEOPLE_A_LIST = 1024, 30
# The lists take turns through these poses.
EASY = ("relaxed", "walking", "contrapposto", "hands on hips", "talking", "one hand on hip")
HARD = ("sitting", "squatting", "lunging", "reaching", "arms crossed", "sitting on the floor")
# Cloth is not simulated: a skirt would stand out in front of bent legs.
NO_SKIRT = ("sitting", "squatting", "lunging", "sitting on the floor")


def draw(name: str, seed: int, pose_name: str, easy: bool) -> ListedPerson | None:
    """Draw a person; None where the clothes do not suit the pose."""
    plan = plan_person(seed, name)
    if pose_name in NO_SKIRT and wears_skirt(plan):
        return None
    rng = derive_rng(seed, name, "benchmark", 0, "pose")
    pose = vary(POSES[pose_name], rng) if easy else draw_hard_pose(make_body(plan.phenotype), pose_name, rng)
    return ListedPerson(name=name, seed=seed, pose_name=pose_name, plan=plan, pose=pose, vertices=0, sha256="")


def wears_skirt(plan: PersonPlan) -> bool:
    """Whether there is a skirt among the clothes."""
    return any(worn.garment.kind == "skirt" for worn in plan.worn)


def freeze(person: ListedPerson) -> ListedPerson:
    """Make a person and note the hash of the vertices."""
    with tempfile.TemporaryDirectory() as folder:
        write_listed(Path(folder), person, 64)
        vertices = obj_vertices(Path(folder) / "mesh.obj")
    return replace(person, vertices=len(vertices), sha256=digest_vertices(vertices))


def main() -> None:
    """Draw both lists and print the file."""
    version, people = sys.argv[1], []
    first = RESERVED_SEEDS.start + 10_000 * (int(version[1:]) - 1)
    for offset, (word, poses) in ((0, ("easy", EASY)), (5000, ("hard", HARD))):
        for number in range(PEOPLE_A_LIST):
            name, pose_name = f"{version}_{word}_{number:02d}", poses[number % len(poses)]
            seeds = range(first + offset + 100 * number, first + offset + 100 * number + 100)
            drawn = next(one for seed in seeds if (one := draw(name, seed, pose_name, word == "easy")) is not None)
            people.append(freeze(drawn))
            print(name, pose_name, people[-1].vertices, file=sys.stderr, flush=True)
    sys.stdout.write(benchmark_json(version, TEXTURE_SIZE, tuple(people)))


if __name__ == "__main__":
    main()
