"""`mpc doctor` has a row for everything that pyproject.toml names, and says how to install what is missing."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

import mpc
from mpc.cli import doctor

PROJECT = tomllib.loads((Path(mpc.__file__).parent / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {re.match(r"[\w.-]+", requirement).group() for requirement in requirements}


def test_rows_are_those_of_the_project():
    assert set(doctor.REQUIRED) == names(PROJECT["dependencies"])
    extras = {extra: names(wanted) for extra, wanted in PROJECT["optional-dependencies"].items()}
    aliases = {extra for extra, wanted in extras.items() if wanted == {"mpc"}}
    assert {extra: set(packages) for extra, (packages, _) in doctor.EXTRAS.items()} == {
        extra: wanted for extra, wanted in extras.items() if extra not in aliases
    }
    # An alias points to extras that exist.
    targets = {extra: re.findall(r"\[(\w+)\]", PROJECT["optional-dependencies"][extra][0]) for extra in aliases}
    assert targets == {"live": ["films"]}


@pytest.mark.parametrize("extra", doctor.EXTRAS)
def test_a_missing_extra_says_what_it_is_for_and_how_to_get_it(extra, monkeypatch):
    def version(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    check = doctor._check_extra(extra)
    packages, purpose = doctor.EXTRAS[extra]
    assert not check.works
    assert not check.needed
    assert check.name == f"extra {extra}"
    assert check.detail == f"{purpose}; {', '.join(packages)} not installed"
    assert check.advice == f"pip install 'mpc[{extra}]'"
    required = doctor._check_required()
    assert required.needed
    assert not required.works
    assert set(required.advice.split()[2:]) == set(doctor.REQUIRED)


def test_an_installed_extra_shows_its_version(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "1.2")
    check = doctor._check_extra("fbx")
    assert check.works
    assert check.detail == "reads FBX files; ufbx 1.2"
    assert not check.advice
