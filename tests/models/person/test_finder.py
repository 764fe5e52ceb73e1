"""The person finder: its geometry in closed form, and what it finds in pictures that scikit-image carries."""

import math

import numpy as np
import pytest
import skimage.data
from PIL import Image

from mpc.models.person.detect import box_overlap, detect_people, group_boxes, selfie_mask
from mpc.models.person.engines import ENGINES, open_engine
from mpc.models.person.finder import LANDMARKS, PersonFinder, mask_overlap
from mpc.models.person.refine import drop_strays, guided_filter, refine_mask
from mpc.models.person.region import Region, cut_square, paste_square, region_around, whole_square
from mpc.models.person.store import ORIGINS
from support.person import FOLDER, needs_person

INDEX = {name: number for number, name in enumerate(LANDMARKS)}


@pytest.fixture(scope="module")
def finder():
    return PersonFinder.open("torch")


@pytest.fixture(scope="module")
def astronaut(finder):
    (person,) = finder.find(skimage.data.astronaut())
    return person


def test_the_square_around_a_person_is_turned_with_the_person():
    upright = region_around(np.array([50.0, 80]), np.array([50.0, 40]))
    assert (upright.column, upright.row, upright.size, upright.turn) == (50, 80, 100, 0)
    lying = region_around(np.array([50.0, 80]), np.array([90.0, 80]))  # the head is to the right
    assert lying.turn == pytest.approx(math.pi / 2)
    # The upper edge of the square, where the head is, lies to the right in the picture.
    assert lying.to_picture(np.array([[0.5, 0.0]]))[0] == pytest.approx([100, 80])
    assert lying.to_picture(np.array([[0.0, 0.5]]))[0] == pytest.approx([50, 30])


@pytest.mark.parametrize(("size", "turn"), [(60.0, 0.0), (90.0, 0.4), (700.0, -2.0)])
def test_a_square_is_cut_where_its_points_are(size, turn):
    """A picture whose colours are its coordinates: the cut shows the coordinates of the square's pixels."""
    row, column = np.mgrid[:200, :240]
    picture = np.stack([column, row, np.full_like(row, 255)], axis=-1).astype(np.uint8)
    region = Region(118.0, 97.0, size, turn)
    got = cut_square(picture, region, 64) * 255
    v, u = (np.mgrid[:64, :64] + 0.5) / 64
    expected = region.to_picture(np.stack([u, v], axis=-1).reshape(-1, 2)).reshape(64, 64, 2)
    room = 2 * size / 64
    inside = (expected > room).all(axis=-1) & (expected < np.array([240, 200]) - room).all(axis=-1)
    assert inside.sum() > 100
    assert np.abs(got[..., :2] - (expected - 0.5))[inside].max() < max(1.1, size / 64)
    beyond = (expected < -room).any(axis=-1) | (expected > np.array([240, 200]) + room).any(axis=-1)
    assert (got[beyond] == 0).all()


def test_what_is_pasted_is_what_was_cut():
    row, column = np.mgrid[:120, :150]
    smooth = (0.5 + 0.5 * np.sin(column / 17) * np.cos(row / 13)).astype(np.float32)
    region = Region(70.0, 60.0, 64.0, 0.7)
    picture = np.repeat(np.rint(smooth[..., None] * 255).astype(np.uint8), 3, axis=2)
    pasted = paste_square(cut_square(picture, region, 64)[..., 0], region, smooth.shape)
    apart = np.stack([column + 0.5, row + 0.5], axis=-1) - (region.column, region.row)
    places = np.abs(apart @ np.linalg.inv(region.axes))
    inside, outside = (places < 0.47).all(axis=-1), (places > 0.5).any(axis=-1)
    assert np.abs(pasted - smooth)[inside].max() < 0.02
    assert (pasted[outside] == 0).all()
    # A square that does not touch the picture leaves nothing.
    assert not paste_square(np.ones((8, 8), np.float32), Region(-90.0, 40.0, 50.0), (120, 150)).any()


def test_a_whole_picture_keeps_its_shape_in_the_square():
    picture = np.full((40, 80, 3), 200, np.uint8)
    region = whole_square(picture)
    square = cut_square(picture, region, 64)
    assert (square[18:46, 2:62] > 0.7).all()
    assert (square[:15] == 0).all()
    assert region.to_picture(np.array([[0.0, 0.25], [1.0, 0.75]])).tolist() == [[0, 0], [80, 40]]


def test_boxes_are_grouped_as_loops_group_them():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 10, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 5, (40, 2))], axis=1)
    scores = rng.permutation(40) / 40

    def overlap(a, b):
        width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        shared = max(width, 0) * max(height, 0)
        return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)

    expected, left = [], sorted(range(40), key=lambda number: -scores[number])
    while left:
        group = [number for number in left if number == left[0] or overlap(boxes[left[0]], boxes[number]) > 0.3]
        expected.append(group)
        left = [number for number in left if number not in group]
    assert group_boxes(boxes, scores) == expected
    assert 1 < len(expected) < 40
    assert box_overlap(np.array([0.0, 0, 2, 2]), np.array([[1.0, 0, 3, 2], [4, 4, 5, 5]])).tolist() == [1 / 3, 0]
    assert group_boxes(np.zeros((0, 4)), np.zeros(0)) == []


def test_the_guided_filter_is_that_of_the_paper():
    """Equations 5, 6 and 8 of He et al. with loops over the windows, away from the edges."""
    rng = np.random.default_rng(1)
    guide, target = rng.random((2, 15, 14)).astype(np.float32)
    radius, epsilon = 2, 0.01
    slopes, offsets = np.zeros((2, 15, 14))
    for row in range(2, 13):
        for column in range(2, 12):
            window = np.s_[row - radius : row + radius + 1, column - radius : column + radius + 1]
            one, other = guide[window].astype(float), target[window].astype(float)
            slopes[row, column] = ((one * other).mean() - one.mean() * other.mean()) / (one.var() + epsilon)
            offsets[row, column] = other.mean() - slopes[row, column] * one.mean()
    got = guided_filter(guide, target, radius, epsilon)
    for row in range(4, 11):
        for column in range(4, 10):
            window = np.s_[row - radius : row + radius + 1, column - radius : column + radius + 1]
            expected = slopes[window].mean() * guide[row, column] + offsets[window].mean()
            assert got[row, column] == pytest.approx(expected, abs=1e-5)


def test_a_blurred_mask_moves_to_the_edge_of_the_picture():
    column = np.arange(120)
    picture = np.repeat(np.where(column < 63, 40, 200).astype(np.uint8)[None, :, None], 80, axis=0).repeat(3, axis=2)
    ramp = np.clip((66 - column) / 16 + 0.5, 0, 1).astype(np.float32)[None].repeat(80, axis=0)
    refined = refine_mask(picture, ramp, 4.0)
    assert np.abs(refined[:, :50] - 1).max() < 0.05
    assert refined[40, 62] - refined[40, 63] > 0.4  # the mask itself falls by 0.06 there
    assert refined[40, 62] > 0.5 > refined[40, 63]
    assert not refine_mask(picture, np.zeros_like(ramp), 4.0).any()


def test_strays_are_dropped_and_hands_are_kept():
    mask = np.zeros((40, 60), np.float32)
    mask[5:35, 10:25] = 1  # the body
    mask[5:10, 26:30] = 0.2  # its soft edge
    mask[10:14, 35:39] = 0.9  # a hand
    mask[30:36, 50:56] = 0.9  # something else
    points = np.array([[17.0, 20], [36.0, 12], [80.0, 12], [-3.0, 5]])
    expected = mask.copy()
    expected[30:36, 50:56] = 0
    assert np.array_equal(drop_strays(mask, points), expected)
    assert np.array_equal(drop_strays(expected[:, :30], points), expected[:, :30])
    # Without any point the largest part stays.
    assert drop_strays(mask, np.zeros((0, 2)))[12, 36] == 0
    assert drop_strays(mask, np.zeros((0, 2)))[20, 17] == 1


def test_overlap_of_masks():
    one, other = np.zeros((2, 4, 4), np.float32)
    one[:2], other[1:3] = 1, 1
    assert mask_overlap(one, other) == pytest.approx(4 / 12)
    assert mask_overlap(np.zeros_like(one), np.zeros_like(one)) == 0


@needs_person
def test_the_astronaut_is_found(astronaut):
    assert astronaut.is_there
    assert 0.75 < astronaut.detection < 0.9
    at = {name: astronaut.landmarks[number, :2] for name, number in INDEX.items()}
    # Read off the picture by eye.
    for name, place in (("nose", (222, 130)), ("left_eye", (246, 105)), ("right_eye", (201, 105))):
        assert np.linalg.norm(at[name] - place) < 8, name
    assert at["left_shoulder"][0] > at["right_shoulder"][0] + 150  # she faces us
    assert astronaut.landmarks[INDEX["left_knee"], 1] > 512  # the picture ends at her waist
    assert astronaut.visibility[INDEX["nose"]] > 0.9
    assert astronaut.visibility[INDEX["left_ankle"]] < 0.5
    mask = astronaut.mask
    assert mask.shape == (512, 512)
    assert mask[60, 230] > 0.9  # hair
    assert mask[300, 150] > 0.9  # suit
    assert mask[250, 425] < 0.1  # space shuttle
    assert mask[100, 40] < 0.1  # flag
    assert 0.35 < (mask > 0.5).mean() < 0.55


@needs_person
def test_a_turned_picture_gives_turned_landmarks(finder, astronaut):
    """Turned by 90 degrees clockwise, (column, row) becomes (512 - row, column); the metres turn with the picture."""
    (person,) = finder.find(np.ascontiguousarray(np.rot90(skimage.data.astronaut(), -1)))
    assert person.region.turn - astronaut.region.turn == pytest.approx(math.pi / 2, abs=0.05)
    seen = (astronaut.visibility > 0.9) & (astronaut.landmarks[:, 1] < 512)
    expected = np.stack([512 - astronaut.landmarks[:, 1], astronaut.landmarks[:, 0]], axis=1)
    assert np.abs(person.landmarks[seen, :2] - expected[seen]).max() < 0.015 * astronaut.region.size
    metres = np.stack([-astronaut.landmarks_m[:, 1], astronaut.landmarks_m[:, 0], astronaut.landmarks_m[:, 2]], axis=1)
    assert np.abs(person.landmarks_m[seen] - metres[seen]).max() < 0.08
    assert mask_overlap(np.rot90(person.mask), astronaut.mask) > 0.9


@needs_person
def test_metres_are_those_of_a_person(astronaut):
    metres = astronaut.landmarks_m
    shoulders = np.linalg.norm(metres[INDEX["left_shoulder"]] - metres[INDEX["right_shoulder"]])
    assert 0.2 < shoulders < 0.5
    assert metres[INDEX["nose"], 1] < -0.4  # y is down, the hips are the origin
    hips = (metres[INDEX["left_hip"]] + metres[INDEX["right_hip"]]) / 2
    assert np.abs(hips).max() < 0.03


@needs_person
def test_who_is_not_seen_at_first_is_looked_for_again():
    """The detector looks at the whole picture, then from farther away, then at the mirrored picture, and so on."""
    detector, landmarks, selfie = (open_engine(FOLDER, name, "torch") for name in ORIGINS)
    seen = []

    def short_sighted(square):
        """Blind to whatever is asked first."""
        seen.append(square)
        boxes, logits = detector(square)
        return (boxes, logits) if len(seen) > blind else (boxes, np.full_like(logits, -100))

    for blind in (0, 1, 2):
        seen.clear()
        people = PersonFinder(short_sighted, landmarks, selfie).find(skimage.data.astronaut())
        assert len(seen) == blind + 1
        assert [person.is_there for person in people] == [True]
        assert np.linalg.norm(people[0].landmarks[0, :2] - (222, 130)) < 20
    blind = 99
    doubtful = PersonFinder(short_sighted, landmarks, selfie).find(skimage.data.astronaut())
    assert [(person.is_there, person.detection) for person in doubtful] == [(False, 0.0)]


@needs_person
def test_two_people_are_two(finder):
    picture = skimage.data.astronaut()
    pair = np.concatenate([picture, picture[:, ::-1]], axis=1)
    people = finder.find(pair, most=5)
    assert len(people) == 2
    sides = sorted(person.landmarks[0, 0] for person in people)
    assert sides == pytest.approx([222, 1024 - 222], abs=12)
    assert mask_overlap(people[0].mask, people[1].mask) < 0.1
    assert len(finder.find(pair)) == 1


@needs_person
def test_somebody_less_prominent_is_seen_when_the_other_is_painted_over(finder):
    """The detector sees only one of a large and a small person."""
    large = skimage.data.astronaut()
    small = np.asarray(Image.fromarray(large[:, ::-1]).resize((256, 256)))
    picture = np.full((512, 768, 3), 128, np.uint8)
    picture[:, :512], picture[256:, 512:] = large, small
    assert len(finder.detect(picture)) == 1
    people = finder.find(picture, most=5)
    assert sorted(person.landmarks[0, 0] for person in people) == pytest.approx([222, 768 - 222 / 2], abs=12)
    assert mask_overlap(people[0].mask, people[1].mask) < 0.05
    (first,) = finder.find(picture)
    assert np.array_equal(first.mask, people[0].mask)


@needs_person
@pytest.mark.parametrize("name", ["gravel", "coffee", "chelsea", "rocket"])
def test_nobody_is_nobody(finder, name):
    picture = getattr(skimage.data, name)()
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    assert not any(person.is_there for person in finder.find(picture, most=3))


@needs_person
def test_both_engines_see_the_same(astronaut):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (the extra mask)")
    assert set(ENGINES) == {"auto", "torch", "litert"}
    (person,) = PersonFinder.open("litert").find(skimage.data.astronaut())
    assert np.abs(person.landmarks - astronaut.landmarks)[:, :2].max() < 0.002 * astronaut.region.size
    assert mask_overlap(person.mask, astronaut.mask) > 0.99
    assert np.abs(person.mask - astronaut.mask).mean() < 0.002


@needs_person
def test_the_next_frame_is_looked_at_where_the_person_was(finder, astronaut):
    """Moved by a few pixels, the person is found from the last frame's square, without the detector."""
    moved = np.roll(skimage.data.astronaut(), (4, 6), axis=(0, 1))
    person = finder.look(moved, astronaut.next_region, passes=1, detection=astronaut.detection)
    assert person.is_there
    assert not finder.look(moved, astronaut.next_region).is_there  # no detector ever saw this one
    assert finder.sees(moved, astronaut.next_region)
    assert not finder.sees(np.full_like(moved, 90), astronaut.next_region)
    seen = astronaut.visibility > 0.9
    assert np.abs(person.landmarks[seen, :2] - astronaut.landmarks[seen, :2] - (6, 4)).max() < 10


@needs_person
def test_selfie_segmentation_shows_a_large_person():
    engine = open_engine(FOLDER, "selfie_segmentation", "torch")
    mask = selfie_mask(skimage.data.astronaut(), engine)
    assert mask.shape == (512, 512)
    assert mask[300, 150] > 0.8
    assert mask[100, 40] < 0.2


@needs_person
def test_detection_does_not_depend_on_the_size_of_the_picture():
    engine = open_engine(FOLDER, "pose_detection", "torch")
    (small,) = detect_people(skimage.data.astronaut(), engine)
    large = Image.fromarray(skimage.data.astronaut()).resize((1536, 1536), Image.Resampling.BICUBIC)
    (other,) = detect_people(np.asarray(large), engine)
    assert other.score == pytest.approx(small.score, abs=0.03)
    assert np.array(other.box) / 3 == pytest.approx(np.array(small.box), abs=4)
    assert other.region.size / 3 == pytest.approx(small.region.size, rel=0.02)
