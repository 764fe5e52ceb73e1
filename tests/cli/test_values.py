"""Options that take several values: spaces, commas, repeated flags and any mixture give the same values."""

import ast

import click
import pytest
from click.testing import CliRunner

from mpc.cli import values
from mpc.cli.main import main

NAMES = ["mask", "depth_front", "normal_front"]


@click.command(cls=values.Command)
@click.argument("models", required=False)
@values.names("--layers", known=lambda: NAMES)
@values.numbers("--pitch", "pitch", default=(0.0,))
@values.numbers("--jitter", exactly=3, default=(0.0, 0.0, 0.0))
@values.assignments("--set", "assignments")
@values.names("--format", "formats", known=lambda: ["glb", "ply"], type=click.Choice(["glb", "ply"]))
@click.option("--views", type=int)
def command(**chosen):
    click.echo(repr({name: value for name, value in chosen.items() if value not in (None, (), [])}))


def parse(*words):
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return ast.literal_eval(result.output)


@pytest.mark.parametrize(
    "words",
    [
        ["--pitch", "-10", "0", "25.5"],
        ["--pitch", "-10,0,25.5"],
        ["--pitch=-10,0,25.5"],
        ["--pitch", "-10,", "0,", "25.5"],
        ["--pitch", "-10,0", "25.5"],
        ["--pitch=-10", "0,25.5"],
        ["--pitch", "-10", "--pitch", "0", "25.5"],
        ["--pitch", "-10", "--views", "3", "--pitch", "0,25.5"],
    ],
)
def test_numbers_are_written_in_every_way(words):
    assert parse(*words)["pitch"] == (-10.0, 0.0, 25.5)


@pytest.mark.parametrize(
    "words",
    [
        ["models", "--layers", "mask", "depth_front"],
        ["models", "--layers", "mask,depth_front"],
        ["--layers", "mask", "depth_front", "--views", "3", "models"],
        ["--layers", "mask", "depth_front", "./models"],
        ["--layers", "mask", "depth_front", "models"],
        ["--layers", "mask", "depth_front", "--", "models"],
        ["--layers", "mask", "models", "--layers", "depth_front"],
    ],
)
def test_a_folder_is_no_name(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "depth_front").mkdir()  # a known name stays a value although a folder is called so
    found = parse(*words)
    assert found["layers"] == ("mask", "depth_front")
    assert found["models"].removeprefix("./") == "models"


def test_an_unknown_name_stays_a_value_so_that_the_error_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse("models", "--layers", "mask", "normals")["layers"] == ("mask", "normals")


def test_a_word_that_is_no_number_ends_the_numbers():
    assert parse("--pitch", "0", "20", "models") == {"pitch": (0.0, 20.0), "models": "models", "jitter": (0.0,) * 3}
    # Three numbers are wanted and given, so the fourth word is the positional argument.
    assert parse("--jitter", "1", "2,3", "2024") == {"pitch": (0.0,), "models": "2024", "jitter": (1.0, 2.0, 3.0)}


def test_assignments_keep_the_commas_of_their_values():
    found = parse("--set", "a.b=1", "c=0.6,0.85,d=x", "models", "--set", "e=", "--views", "2")
    assert found["assignments"] == ("a.b=1", "c=0.6,0.85", "d=x", "e=")
    assert found["models"] == "models"
    assert found["views"] == 2


def test_choices_are_checked_one_by_one():
    assert parse("--format", "glb", "ply")["formats"] == ("glb", "ply")
    assert parse("--format", "glb,ply")["formats"] == ("glb", "ply")
    result = CliRunner().invoke(command, ["--format", "glb", "pyl"])
    assert result.exit_code == 2
    assert "--format" in result.output
    assert "'pyl'" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pitch"], "Option '--pitch' requires a value"),
        (["--pitch", "--views", "3"], "Option '--pitch' requires a value"),
        (["--pitch", "0;20"], "Several values are written --pitch A B or --pitch A,B."),
        (["--pitch", "0,x"], "'x' is not a valid float"),
        (["--pitch", ","], "requires a value"),
        (["--jitter", "1", "2"], "expected 3 values, got 2"),
        (["--jitter", "1,2,3,4"], "expected 3 values, got 4"),
    ],
)
def test_mistakes_name_the_option_and_the_two_ways_to_write_it(words, said):
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 2
    assert words[0] in result.output
    assert said in result.output.replace("\n", " ")


def test_every_option_with_several_values_is_of_this_class():
    several = {
        (name, parameter.opts[0])
        for name, one in main.commands.items()
        for parameter in one.params
        if isinstance(parameter, click.Option) and (parameter.multiple or parameter.nargs != 1)
    }
    assert several == {
        ("check", "--only"), ("check", "--exclude"), ("render", "--only"), ("render", "--exclude"),
        ("render", "--pitch"), ("render", "--jitter"), ("render", "--layers"), ("render", "--light-names"),
        ("render", "--crops"),
        ("sample", "--sigmas"), ("sample", "--split"), ("sample", "--layers"), ("train", "--set"),
        ("eval", "--metrics"), ("eval", "--compare"), ("reconstruct", "--format"), ("export", "--split"),
        ("fetch", "--from"),
    }  # fmt: skip
    for name, flag in several:
        one = main.commands[name]
        assert isinstance(one, values.Command)
        assert isinstance(next(p for p in one.params if p.opts[0] == flag), values.Values)
        text = CliRunner().invoke(main, [name, "--help"]).output
        assert "," not in next(p for p in one.params if p.opts[0] == flag).make_metavar(click.Context(one)), text


def test_render_takes_layers_before_and_after_the_folder(figures, tmp_path):
    small = ["--views", "1", "--size", "32", "--rays", "16", "--renderer", "embree", "--jobs", "1"]
    names = ["mask", "normal_front"]
    for number, words in enumerate(
        (
            [str(figures / "one"), "--layers", *names],
            ["--layers", *names, str(figures / "one")],
            ["--layers", ",".join(names), "--pitch", "0", str(figures / "one")],
        )
    ):
        out = tmp_path / str(number)
        result = CliRunner().invoke(main, ["render", *words, "--out", str(out), *small], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert sorted(path.name for path in out.glob("*/*/000.*.png")) == ["000.mask.png", "000.normal_front.png"]
