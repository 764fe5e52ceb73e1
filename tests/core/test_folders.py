"""A folder holds the results of one set of settings; anything else in its place is refused by name."""

import json

import pytest

from mpc.core import folders
from mpc.core.errors import InputError, SettingsError
from mpc.core.folders import FolderFormat, check_folder, claim_folder, read_folder_settings

THINGS = FolderFormat("mpc-things", 2, "things")


def test_a_claimed_folder_is_claimed_again_with_the_same_settings_alone(tmp_path):
    out = tmp_path / "deep" / "out"
    assert not check_folder(out, THINGS, {"seed": 0})
    assert not out.exists()
    claim_folder(out, THINGS, {"seed": 0})
    written = (out / "settings.json").read_bytes()
    assert json.loads(written) == {"format": "mpc-things", "version": 2, "settings": {"seed": 0}}
    (out / "result").write_text("x")
    claim_folder(out, THINGS, {"seed": 0})
    assert check_folder(out, THINGS, {"seed": 0})
    assert (out / "settings.json").read_bytes() == written
    assert read_folder_settings(out, THINGS) == {"seed": 0}
    with pytest.raises(SettingsError, match=r"out was made with other settings \(seed 0 -> 1, size None -> 3\)"):
        claim_folder(out, THINGS, {"seed": 1, "size": 3})
    with pytest.raises(SettingsError, match="seed 0 -> None"):  # a setting that is gone differs, too
        claim_folder(out, THINGS, {})


def test_a_claim_that_was_killed_is_no_foreign_content(tmp_path):
    (tmp_path / ".settings.json.tmp-1-2").write_text("{")
    claim_folder(tmp_path, THINGS, {})
    assert read_folder_settings(tmp_path, THINGS) == {}


def test_two_writers_that_begin_together_claim_the_same_folder(tmp_path, monkeypatch):
    """While one looks for settings, another with a part of the work writes them, and a subject after them."""
    read, waiting = folders.read_folder_settings, [True]

    def read_while_another_writes(folder, format_):
        found = read(folder, format_)
        if waiting.pop() if waiting else False:
            claim_folder(folder, THINGS, {"seed": 1})
            (folder / "subject").mkdir()
        return found

    monkeypatch.setattr(folders, "read_folder_settings", read_while_another_writes)
    claim_folder(tmp_path, THINGS, {"seed": 1})
    assert read(tmp_path, THINGS) == {"seed": 1}
    assert (tmp_path / "subject").is_dir()


def test_foreign_places_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file, expected a folder to write things to"):
        claim_folder(tmp_path / "file", THINGS, {})
    with pytest.raises(InputError, match="is not empty and not a things folder"):
        claim_folder(tmp_path, THINGS, {})
    assert read_folder_settings(tmp_path, THINGS) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "does not read as JSON"),
        ("[]", "holds no JSON object"),
        ('{"format": "mpc-things", "version": 2}', "does not read as the settings"),
        ('{"format": "mpc-things", "version": 1, "settings": {}}', "version 1, expected mpc-things version 2"),
        ('{"format": "mpc-shards", "version": 2, "settings": {}}', "is mpc-shards version 2"),
    ],
)  # fmt: skip
def test_damaged_or_other_settings_are_refused(content, reason, tmp_path):
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(InputError, match=reason):
        claim_folder(tmp_path, THINGS, {})
