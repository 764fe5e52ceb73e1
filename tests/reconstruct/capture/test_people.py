"""People found in pictures without a mask: their measures in closed form, framing, and following one of them."""

import json
import math

import numpy as np
import pytest

from mpc.core.errors import MpcError, SettingsError
from mpc.models.person.finder import LANDMARKS
from mpc.reconstruct.capture.body import TRUNK_SHARE, measure_body, surface_middle
from mpc.reconstruct.capture.frame_pictures import with_alpha
from mpc.reconstruct.capture.framing import frame_person
from mpc.reconstruct.capture.one_euro import OneEuroFilter
from mpc.reconstruct.capture.people import (
    FilmTracker,
    NobodyError,
    choose_people,
    find_people,
    landmark_record,
    mask_bytes,
    recorded_person,
)
from mpc.reconstruct.capture.settings import CaptureSettings
from support.stick_person import BOTTOM_M, STATURE_M, TOP_M, StickFinder, standing, stick_person
from support.toy_run import red_person

INDEX = {name: number for number, name in enumerate(LANDMARKS)}


def framed(person, **options):
    picture = with_alpha(np.zeros((*person.mask.shape, 3), np.uint8), mask_bytes(person))
    return frame_person(picture, body=measure_body(person), **options)


@pytest.mark.parametrize("yaw", [0, 40, 130, -90, 180])
@pytest.mark.parametrize("roll", [0, 25, -100])
def test_measures_do_not_depend_on_how_a_person_stands(yaw, roll):
    turn, lean = math.radians(yaw), math.radians(roll)
    # To face the right of the picture, the left side goes away from the camera.
    about_y = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
    metres = standing() @ about_y
    in_plane = np.array([[math.cos(lean), math.sin(lean), 0], [-math.sin(lean), math.cos(lean), 0], [0, 0, 1]])
    person = stick_person(metres @ in_plane, hips=(70, 90), scale=50)
    body = measure_body(person)
    assert body.stature_px == pytest.approx(50 * STATURE_M, rel=1e-6)
    assert body.pelvis == pytest.approx((70, 90))
    assert body.roll_deg == pytest.approx(roll)
    if roll == 0:
        assert math.remainder(body.facing_deg - yaw, 360) == pytest.approx(0, abs=1e-6)
        assert body.top == pytest.approx(90 + 50 * TOP_M)
        assert body.bottom == pytest.approx(90 + 50 * BOTTOM_M)
        assert body.cut == ""


def test_the_middle_of_the_surface_follows_the_rule_of_nines():
    points = standing()
    assert surface_middle(points)[0] == pytest.approx(0)
    moved = points.copy()
    for part in ("elbow", "wrist", "index"):
        moved[INDEX[f"left_{part}"]] += (0.5, 0, 0)
    # Half of the upper arm's 4 of 100, the forearm's 3 and the hand's 2.
    assert surface_middle(moved)[0] == pytest.approx(0.5 * (4 / 2 + 3 + 2) / 100)


def test_a_pose_decides_how_high_a_person_is():
    """Sitting on the ground, the legs forward: limbs keep their lengths, so the scale stays."""
    metres = standing()
    for part in ("knee", "ankle", "heel", "foot_index"):
        for side in ("left", "right"):
            place = INDEX[f"{side}_{part}"]
            metres[place] = (metres[place, 0], 0.0, -metres[place, 1])
    mask = np.zeros((200, 160), np.float32)
    mask[round(100 + 90 * TOP_M) : round(100 + 90 * 0.13), 60:100] = 1  # the hands are lowest
    sitting = stick_person(metres, mask=mask)
    upright = framed(stick_person(), height_m=1.6)
    seated = framed(sitting, height_m=1.6)
    assert upright.pixels_per_metre == pytest.approx(90 * STATURE_M / 1.6, rel=0.03)
    assert seated.pixels_per_metre == pytest.approx(upright.pixels_per_metre, rel=0.03)
    assert "assumed 1.6 m tall when standing" in seated.assumption
    # Without landmarks the person would be taken for 1.6 m as it sits.
    alone = frame_person(with_alpha(np.zeros((200, 160, 3), np.uint8), mask_bytes(sitting)), height_m=1.6)
    assert alone.pixels_per_metre < 0.65 * seated.pixels_per_metre


def test_somebody_cut_at_the_knees_keeps_the_scale_and_is_told():
    whole = framed(stick_person(hips=(80, 100)), height_m=1.6)
    cut_at_knees = stick_person(hips=(80, 100), shape=(130, 160))
    framing = framed(cut_at_knees, height_m=1.6)
    assert framing.pixels_per_metre == pytest.approx(whole.pixels_per_metre, rel=0.02)
    assert framing.row == pytest.approx(whole.row, abs=2)
    assert framing.centre_world[1] == pytest.approx(whole.centre_world[1], abs=0.02)
    seen = 130 - round(100 + 90 * TOP_M)
    expected = f"1.6 m tall, of which {seen / framing.pixels_per_metre:.2f} m are in the picture ({seen} pixels)"
    assert f"ends above the knees: assumed {expected}" in framing.assumption


@pytest.mark.parametrize(
    ("hips", "shape", "words"),
    [
        ((80, 100), (95, 160), "ends above the hips"),
        ((80, 100), (150, 160), "ends above the ankles"),
        ((80, 100), (178, 160), "ends at the feet"),
        ((80, 30), (200, 160), "lacks the head"),
        ((80, 58), (200, 160), "lacks the top of the head"),
        ((5, 100), (200, 160), "leaves the picture on the left"),
        ((155, 100), (150, 160), "ends above the ankles and leaves the picture on the right"),
    ],
)
def test_where_the_picture_ends_is_said(hips, shape, words):
    assert measure_body(stick_person(hips=hips, shape=shape)).cut == words


def test_hidden_feet_are_not_where_the_network_squeezes_them():
    """The picture ends above the knees, and the landmark network, which does not see them, puts the feet above that."""
    metres = standing()
    hidden = [INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle", "heel", "foot_index")]
    metres[hidden, 1] *= 0.2
    mask = np.zeros((130, 160), np.float32)
    mask[30:, 60:100] = 1
    person = stick_person(metres, mask=mask)
    person.visibility[hidden] = 0.2
    body = measure_body(person)
    assert body.cut == "ends above the knees"
    assert body.sides == ("bottom",)
    # The trunk, 0.45 m at 90 pixels a metre, is all that tells the size.
    assert body.stature_px == pytest.approx(90 * 0.45 / TRUNK_SHARE)
    assert body.bottom - body.top == pytest.approx(body.stature_px)
    # Where the mask ends above the edge, somebody sits there.
    mask[-1] = 0
    assert measure_body(person).cut == ""


def test_somebody_half_out_of_the_edge_is_centred_by_landmarks():
    person = stick_person(hips=(10, 100))
    assert framed(person).column == pytest.approx(10, abs=0.5)
    assert frame_person(with_alpha(np.zeros((200, 160, 3), np.uint8), mask_bytes(person))).column > 12


def test_landmarks_are_read_back_as_they_were_written():
    person = stick_person()
    record = json.loads(json.dumps(landmark_record("a.jpg", np.zeros((200, 160, 3), np.uint8), [person], extra=1)))
    assert (record["format"], record["source"], record["width"], record["extra"]) == ("mpc-landmarks", "a.jpg", 160, 1)
    (entry,) = record["people"]
    assert list(entry["landmarks"]) == list(LANDMARKS)
    assert entry["pelvis"] == [80, 100]
    again = recorded_person(entry, mask_bytes(person))
    for name in ("landmarks", "landmarks_m", "visibility", "mask"):
        assert np.array_equal(getattr(again, name), getattr(person, name)), name
    assert (again.next_region, again.score, again.detection) == (person.next_region, person.score, person.detection)


def test_one_euro_is_that_of_the_paper():
    """The paper's algorithm (figure 1) with plain numbers."""
    rng = np.random.default_rng(0)
    times, values = np.cumsum(rng.uniform(0.02, 0.06, 60)), np.cumsum(rng.normal(0, 0.3, 60))

    def alpha(cutoff, step):
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / step)

    filtered, speed, expected = values[0], 0.0, [values[0]]
    for before, now, last, value in zip(times[:-1], times[1:], values[:-1], values[1:], strict=True):
        step = now - before
        a = alpha(1.0, step)
        speed = a * (value - filtered) / step + (1 - a) * speed
        a = alpha(0.8 + 2.5 * abs(speed), step)
        filtered = a * value + (1 - a) * filtered
        expected.append(filtered)
        assert last is not None
    steady = OneEuroFilter(0.8, 2.5)
    got = [float(steady.smooth(np.array([value]), time)[0]) for time, value in zip(times, values, strict=True)]
    assert got == pytest.approx(expected)
    still = OneEuroFilter(1.0, 0.0)
    assert [float(still.smooth(np.array([3.0]), 0.1 * n)[0]) for n in range(5)] == [3.0] * 5


def test_a_tracker_follows_one_person_and_finds_the_nearest_again():
    finder = StickFinder()
    pair = [(20, 180, 20, 60), (40, 180, 110, 140)]

    def frame(*boxes):
        picture = np.zeros((200, 160, 3), np.uint8)
        picture[..., 2] = 200
        for top, bottom, left, right in boxes:
            picture[top:bottom, left:right] = (180, 30, 40)
        return picture

    tracker = FilmTracker(finder, 2)
    columns = [tracker.find(frame(*pair)).region.column]
    columns.append(tracker.find(frame(pair[0], (40, 180, 106, 136))).region.column)
    assert columns == [125, 121]
    assert (finder.found, finder.looked) == (1, 1)
    with pytest.raises(NobodyError, match=r"presence 0\.20, at least 0\.5 is asked for"):
        tracker.find(frame())
    # The second person is back, and the larger one is there all the time.
    assert tracker.find(frame(pair[0], (40, 180, 100, 130))).region.column == 115
    # Three people are asked for, and two are there.
    assert FilmTracker(finder, 3).find(frame(*pair)).region.column == 125


class Credulous(StickFinder):
    """Its landmark network sees somebody in every square that it looks at."""

    presence, left = 0.99, 60

    def look(self, picture, region, *, passes=2, detection=0.0):
        mask = np.zeros(picture.shape[:2], np.float32)
        mask[20:180, self.left : self.left + 40] = 1
        return stick_person(mask=mask, score=self.presence)


def test_in_a_film_the_landmark_network_is_no_proof():
    """Somebody who is gone is gone, whatever the landmark network says; one who hardly moves needs no second look."""
    finder, empty = Credulous(), np.full((200, 160, 3), 200, np.uint8)
    tracker = FilmTracker(finder)
    tracker.find(red_person()[..., :3])
    tracker.find(empty)  # the same mask, and certain
    finder.presence = 0.8
    with pytest.raises(NobodyError):
        tracker.find(empty)
    finder.presence = 0.99
    with pytest.raises(NobodyError):  # after a frame without anybody the detector has to see somebody
        tracker.find(empty)
    tracker.find(red_person()[..., :3])
    finder.left = 80
    with pytest.raises(NobodyError):
        tracker.find(empty)


def test_somebody_who_moves_is_believed_for_so_many_frames():
    """The landmark network sees somebody jumping about where nobody is; every third frame, the detector is asked."""
    finder, empty = Credulous(), np.full((200, 160, 3), 200, np.uint8)
    tracker = FilmTracker(finder, trust=2)
    tracker.find(red_person()[..., :3])
    for left in (80, 60):
        finder.left = left
        tracker.find(empty)
    finder.left = 80
    for _ in range(2):  # and from then on in each, until it sees somebody
        with pytest.raises(NobodyError):
            tracker.find(empty)
    tracker.find(red_person()[..., :3])
    finder.presence, finder.left = 0.8, 60  # one who is doubtful is not believed
    with pytest.raises(NobodyError):
        tracker.find(empty)


def test_people_are_chosen_by_number():
    people = find_people(StickFinder(), np.concatenate([red_person(), red_person()], axis=1)[..., :3])
    assert [number for number, _ in choose_people(people, "all")] == [1, 2]
    assert choose_people(people, "2")[0][1] is people[1]
    with pytest.raises(MpcError, match="--person 3: 2 people were found"):
        choose_people(people, "3")
    with pytest.raises(MpcError, match="one person was found"):
        choose_people(people[:1], "2")
    for wrong in ("0", "-1", "everybody", "1.5"):
        with pytest.raises(SettingsError, match="expected all, or a number from 1"):
            CaptureSettings(person=wrong)
