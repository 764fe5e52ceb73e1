"""One person's scans stay in one split, whatever they are called."""

from pathlib import Path

import pytest

from mpc.core.errors import SettingsError
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.groups import choose_groups, describe_groups, group_by_name, join_groups
from mpc.datasets.shards.index import read_index
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.shards.split import choose_split, split_subjects
from support.balls import make_renders

PEOPLE = {
    "rp_aaron_posed_001": "rp_aaron",
    "rp_aaron_posed_002": "rp_aaron",
    "rp_Aaron_rigged_003_zup_a": "rp_aaron",
    "set2_rp_aaron_posed_001": "rp_aaron",
    "rp_sophia_animated_003_idling": "rp_sophia",
    "00122_Inner_Take2": "00122",
    "00122_Outer_Take11": "00122",
    "00016_train_Take1": "00016",
    "Actor01_Sequence1": "actor01",
    "Actor01_Sequence2": "actor01",
    "00032_shortlong_hips": "00032",
    "00032-longshort-flying_eagle": "00032",
    "0012_03_mesh-f00101": "0012_03",
    "0012_03_mesh-f00201": "0012_03",
}
NOBODY = ["0001", "person_h", "scan_01", "scan_02", "rp_aaron", "session_take1", "session_take2", "12345", "walk_f1"]


@pytest.mark.parametrize(("subject", "person"), PEOPLE.items())
def test_names_of_known_data_sets(subject, person):
    assert group_by_name([subject]) == {subject: person}


def test_other_names_tell_of_nobody():
    assert group_by_name(NOBODY) == {}


def test_a_pattern_of_ones_own():
    names = ["anna-1", "anna-2", "ben-1", "carol"]
    assert group_by_name(names, r"^([a-z]+)-\d") == {"anna-1": "anna", "anna-2": "anna", "ben-1": "ben"}
    assert group_by_name(names, r"^[a-z]+") == {"anna-1": "anna", "anna-2": "anna", "ben-1": "ben", "carol": "carol"}
    assert group_by_name(["rp_aaron_posed_001"], ".*") == {"rp_aaron_posed_001": "rp_aaron_posed_001"}
    with pytest.raises(SettingsError, match="is no regular expression"):
        group_by_name(names, "(")
    with pytest.raises(SettingsError, match="matches no subject; there are anna-1"):
        group_by_name(names, "zoe")


def test_no_person_is_parted_and_the_shares_are_of_people():
    names = [f"rp_{letter}{other}_posed_{number:03d}" for letter in "abcdefghij" for other in "klmnopqrst"
             for number in range(1, 1 + (ord(letter) + ord(other)) % 5)]  # fmt: skip
    split = split_subjects(names, groups=group_by_name(names))
    parts = {}
    for name, part in split.items():
        parts.setdefault(name.split("_posed")[0], set()).add(part)
    assert all(len(found) == 1 for found in parts.values())
    share = sum(found == {"train"} for found in parts.values()) / len(parts)
    assert 0.65 < share < 0.95
    alone = split_subjects(names)
    assert any(len({alone[name] for name in names if name.startswith(f"{person}_")}) > 1 for person in parts)


def test_names_without_groups_split_as_ever():
    names = [f"person_{number}" for number in range(50)]
    assert split_subjects(names, groups=group_by_name(names)) == split_subjects(names)


def test_groups_that_share_a_subject_are_one():
    by_name = {"rp_a_posed_001": "rp_a", "rp_a_posed_002": "rp_a", "rp_b_posed_001": "rp_b", "rp_c_posed_001": "rp_c"}
    twins = {"rp_a_posed_002": "copy", "copy": "copy", "rp_b_posed_001": "copy"}
    joined = join_groups(twins, by_name)
    assert {joined[name] for name in ("rp_a_posed_001", "rp_a_posed_002", "copy", "rp_b_posed_001")} == {"copy"}
    assert joined["rp_c_posed_001"] == "rp_c"
    assert join_groups() == join_groups({}, {}) == {}
    # A group that is called like a subject outside it does not take the subject in.
    assert join_groups({"x1": "x", "x2": "x"}, {"x": "y", "z": "y"}) == {"x1": "x", "x2": "x", "x": "y", "z": "y"}


def test_a_list_that_parts_an_asked_for_group_is_refused(tmp_path):
    (tmp_path / "train.txt").write_text("anna-1\n")
    (tmp_path / "test.txt").write_text("anna-2\n")
    groups = group_by_name(["anna-1", "anna-2"], r"^(\w+)-")
    with pytest.raises(SettingsError, match="anna-1 and anna-2 are the same person"):
        choose_split(["anna-1", "anna-2"], (0.8, 0.1, 0.1), tmp_path, groups)


def test_numbers_alone_are_told():
    groups, remarks = choose_groups(["000001", "000002", "anna"], None, None, {})
    assert groups == {}
    (line,) = remarks
    assert line.startswith("split: 2 subjects are named by numbers alone (000001, 000002)")
    assert "--group-by or --split-file" in line
    for settings in (([*"abc", "01"], None, None), (["01", "02"], ".*", None), (["01", "02"], None, Path("lists"))):
        assert not any("numbers alone" in line for line in choose_groups(*settings, {})[1])


def test_what_is_kept_together_is_told():
    (line,) = describe_groups(group_by_name(PEOPLE))
    assert line.startswith("split: by their names, 12 subjects are 5 people, who are not parted, such as 00032: ")
    assert describe_groups({"a": "a", "b": "b"}) == []


def test_sampling_groups_and_tells_once(tmp_path):
    renders = make_renders(tmp_path / "renders", balls=4, views=1)

    def sample(folder, **settings):
        chosen = SampleSettings(near_points=64, uniform_points=64, colour_points=64, **settings)
        return sample_renders(renders, tmp_path / folder, chosen, jobs=1)

    (told,) = (notice for notice in sample("one", group_by="^(ball)").notices if notice.startswith("split"))
    assert told.startswith("split: by their names, 4 subjects are 1 people")
    index = read_index(tmp_path / "one")
    assert len(set(index.split.values())) == 1
    assert index.settings["group_by"] == "^(ball)"
    assert sample("one", group_by="^(ball)").notices == ()
    with pytest.raises(SettingsError, match=r"made with other settings .*group_by"):  # another split: another folder
        sample("one", group_by="^ball_[0-2]")
    sample("each")
    assert len(set(read_index(tmp_path / "each").split.values())) == 3
