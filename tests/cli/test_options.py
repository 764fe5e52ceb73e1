"""The options of each command and the settings they fill cannot disagree; ignored options are refused by name.

Settings modules import torch and numpy, so commands, which must start at once, cannot derive their options from them.
This file compares every option with the settings instead: names, defaults, types, bounds and choices. Bounds and
choices are compared by behaviour: the settings accept what the option accepts, and refuse the next value beyond it.
"""

import dataclasses
import inspect
import types
import typing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mpc.cli import values
from mpc.cli.main import main
from mpc.core.errors import MpcError, SettingsError
from mpc.core.guard import Limits
from mpc.datasets.check.models import check_models
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.exchange.import_folder import import_folder
from mpc.datasets.exchange.options import ExportOptions
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.camera_files import UPS
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.datasets.stats.collect import collect_stats
from mpc.evaluate.settings import BASELINES, EvaluationSettings, FolderSettings
from mpc.people.benchmark.listed import BENCHMARKS
from mpc.people.make import make_people
from mpc.reconstruct.capture.segment import SegmentSettings
from mpc.reconstruct.capture.settings import CaptureSettings
from mpc.subjects.placement import PlacementOptions
from mpc.subjects.selection import Selection
from mpc.train.find_landmarks import find_all_landmarks
from mpc.train.fit_bodies import fit_all_bodies
from mpc.train.presets import choose_settings
from mpc.train.run import train
from mpc.view.live.settings import LiveSettings
from mpc.view.recognise import ViewOptions
from mpc.view.server import ServerSettings

MIB, GIB = 1 << 20, 1 << 30

# For each command what its options fill: settings classes and functions.
TARGETS = {
    "render": (RenderSettings, render_models, PlacementOptions, Limits, Selection),
    "sample": (SampleSettings, sample_renders, Limits),
    "stats": (collect_stats,),
    "landmarks": (find_all_landmarks, fit_all_bodies),
    "train": (choose_settings, train),
    "eval": (EvaluationSettings, FolderSettings, Limits),
    "reconstruct": (CaptureSettings,),
    "live": (LiveSettings, ServerSettings),
    "segment": (SegmentSettings,),
    "check": (check_models, PlacementOptions, Limits, Selection),
    "people": (make_people, Limits),
    "export": (export_renders, ExportOptions, Limits),
    "import": (import_folder, PlacementOptions, Limits),
    "view": (ServerSettings, ViewOptions),
}

# Options whose values the command itself uses, or turns into something else; each with its reason.
OWN = {
    "render": {"scheduler": "where the cluster is",
        "frames": "becomes poses",
        "extent": "becomes extent_m, or calls another function first",
        "fov": "becomes fov_deg and fov_most_deg",
        "dry_run": "calls another function",
        "part": "becomes a Part",
        "memory_gib": "becomes memory_bytes",
    },
    "sample": {"scheduler": "where the cluster is",
        "shard_mib": "becomes shard_bytes", "memory_gib": "becomes memory_bytes", "part": "becomes a Part",
    },
    "export": {"scheduler": "where the cluster is", "memory_gib": "becomes memory_bytes"},
    "import": {"scheduler": "where the cluster is", "memory_gib": "becomes memory_bytes"},
    "people": {"scheduler": "where the cluster is", "memory_gib": "becomes memory_bytes",
        "benchmark": "calls another function",
    },
    "stats": {
        "scheduler": "where the cluster is",
        **dict.fromkeys(("out", "json_file", "card_file"), "calls another function"),
    },
    "landmarks": {"scheduler": "where the cluster is", "bodies": "calls another function"},
    "train": {"preset": "is the first argument, called name", "resume": "becomes the run's folder"},
    "eval": {"scheduler": "where the cluster is",
        "run": "a place", "baseline": "calls another function", "shards": "a place",
        "training": "a place", "pred": "a place", "truth": "a place", "out": "a place",
        "compare": "places", "report": "calls another function", "views": "becomes views_per_scene",
        "fresh": "where to begin", "device": "where to compute", "jobs": "how to spread", "backend": "how to spread",
        "memory_gib": "becomes memory_bytes",
    },
    "reconstruct": {
        "images": "become sources", "mask": "becomes sources", "run": "a place", "out": "a place",
        "device": "where to compute",
    },
    "segment": {"pictures": "become sources", "out": "a place"},
    "live": {
        "film": "becomes a source", "camera": "becomes a source", "run": "a place", "device": "where to compute",
        "certificate": "becomes a Certificate", "key": "becomes a Certificate", "open_browser": "calls the browser",
    },
    "view": {"open_browser": "calls another function"},
    "check": {"scheduler": "where the cluster is",
        "out": "calls another function", "json_file": "calls another function",
        "write_fixes": "calls another function", "strict": "the exit status",
        "memory_gib": "becomes memory_bytes",
    },
}  # fmt: skip

# Fields that no option sets; each with its reason.
WITHOUT = {
    "RenderSettings": {
        "load": "the options of PlacementOptions",
        "extent_m": "--extent, metres or auto",
        **dict.fromkeys(("fov_deg", "fov_most_deg"), "--fov, one angle or two"),
    },
    "SampleSettings": {"shard_bytes": "--shard-size, in MiB"},
    "EvaluationSettings": {"views_per_scene": "--views", "iou_points": "a constant of the paper"},
    "PlacementOptions": {
        "facing": "imported meshes face as their views say",
        "keep_parts": "imported meshes are kept whole, since their pictures show all of them",
    },
    "Limits": {"memory_bytes": "--subject-memory, in GiB"},
}

# Options whose default is not the one of the settings; each with its reason.
OTHER_DEFAULT = {
    ("render", "poses"): "None stands for random frames, or for --frames",
    ("eval", "metrics"): "none stands for those of the protocol",
    ("render", "keep_parts"): "None leaves it to the file of fixes",
    ("check", "keep_parts"): "None leaves it to the file of fixes",
}


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of settings, or a parameter of a function, that an option fills."""

    owner: object
    name: str
    type: object
    default: object


def fields_of(owner):
    """The fields by name; a function's parameters likewise."""
    hints = typing.get_type_hints(owner)
    if dataclasses.is_dataclass(owner):
        found = {}
        for field in dataclasses.fields(owner):
            made = field.default_factory is not dataclasses.MISSING
            found[field.name] = field.default_factory() if made else field.default
    else:
        found = {name: one.default for name, one in inspect.signature(owner).parameters.items()}
    return {name: Field(owner, name, hints[name], default) for name, default in found.items()}


def pairs():
    """Every option of every command with the fields it fills."""
    for command, owners in TARGETS.items():
        for parameter in main.commands[command].params:
            if isinstance(parameter, click.Option) and parameter.name not in OWN.get(command, {}):
                filled = [fields_of(owner)[parameter.name] for owner in owners if parameter.name in fields_of(owner)]
                yield command, parameter, filled


def default_of(parameter):
    """What the command receives where the user gives nothing."""
    return click.Command("x", params=[parameter]).make_context("x", []).params[parameter.name]


ALL = [pytest.param(*found, id=f"{found[0]} {found[1].opts[0]}") for found in pairs()]
CLASSES = [(command, owner) for command, owners in TARGETS.items() for owner in owners if inspect.isclass(owner)]


@pytest.mark.parametrize(("command", "option", "filled"), ALL)
def test_every_option_fills_a_field_of_its_name_and_default(command, option, filled):
    assert filled, f"{option.opts[0]} fills nothing"
    for field in filled:
        if field.default is not inspect.Parameter.empty:  # what Python requires has a default here
            same = default_of(option) == field.default
            assert same != ((command, option.name) in OTHER_DEFAULT), f"{option.name} of {field.owner.__name__}"


@pytest.mark.parametrize(("command", "owner"), CLASSES)
def test_every_field_has_an_option(command, owner):
    given = {parameter.name for parameter in main.commands[command].params}
    missing = set(fields_of(owner)) - given
    assert missing <= set(WITHOUT.get(owner.__name__, {})), f"no option of mpc {command} sets {missing}"


def plain(kind):
    """An annotation without None, and Literal as str."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = [one for one in typing.get_args(kind) if one is not types.NoneType]
    return str if typing.get_origin(kind) is typing.Literal else kind


def python_type(option):
    """The type of one value that an option gives."""
    if isinstance(option.type, click.Path):
        return Path
    if isinstance(option.type, click.types.FloatParamType):
        return float
    if isinstance(option.type, click.types.IntParamType):
        return int
    return bool if option.is_flag else str


@pytest.mark.parametrize(("command", "option", "filled"), ALL)
def test_types_agree(command, option, filled):
    for field in filled:
        kind = plain(field.type)
        if isinstance(option, values.Values):
            assert typing.get_origin(kind) in (tuple, typing.get_origin(typing.Iterable[str]))
            inner = typing.get_args(kind)
            assert plain(inner[0]) is python_type(option)
            assert option.exactly == (None if inner[-1] is Ellipsis or len(inner) == 1 else len(inner))
        else:
            assert kind is python_type(option), f"{option.name} of {field.owner.__name__}"


def accepts(owner, name, value, command):
    """Whether settings take a value; for `train`, whose options reach TrainSettings, see `choose_settings`."""
    try:
        if owner is choose_settings:
            owner("base", **{name: value})  # which has all stages
        else:
            owner(**{name: value})
    except SettingsError:
        return False
    return True


CHECKED = [
    pytest.param(command, option, field.owner, id=f"{command} {option.opts[0]} {field.owner.__name__}")
    for command, option, filled in pairs()
    for field in filled
    if inspect.isclass(field.owner) or field.owner is choose_settings
]


@pytest.mark.parametrize(("command", "option", "owner"), CHECKED)
def test_choices_and_bounds_are_those_of_the_settings(command, option, owner):
    if isinstance(option.type, click.Choice):
        for choice in option.type.choices:
            assert accepts(owner, option.name, (choice,) if option.multiple else choice, command), choice
        assert not accepts(owner, option.name, ("other",) if option.multiple else "other", command)
    elif isinstance(option.type, click.IntRange | click.FloatRange):
        step = 1 if isinstance(option.type, click.IntRange) else 1e-6
        for bound, beyond in ((option.type.min, -step), (option.type.max, step)):
            if bound is not None and option.name != "timeout_s":  # 0 stands for None
                # So many views are accepted with a smaller --step alone.
                assert accepts(owner, option.name, bound, command) or option.name == "views"
                assert not accepts(owner, option.name, bound + beyond, command), f"{option.name} {bound + beyond}"


def test_choices_are_all_there_are():
    from mpc.datasets.exchange.formats import Layout
    from mpc.datasets.exchange.import_folder import Source
    from mpc.datasets.renders.settings import CENTRES
    from mpc.datasets.shards.settings import KeptMeshes, Noise
    from mpc.datasets.shards.split import SPLITS
    from mpc.evaluate.metrics.align import ALIGNMENTS
    from mpc.evaluate.settings import BODIES
    from mpc.evaluate.settings import UNITS_M as EVAL_UNITS_M
    from mpc.formats.mesh_files import WRITE_FORMATS
    from mpc.models.person.engines import ENGINES
    from mpc.reconstruct.capture.settings import FRAMINGS, PRECISIONS, TURNTABLES
    from mpc.reconstruct.localise.localise import MODES
    from mpc.subjects.axes import AXES, UNITS_M
    from mpc.train.mining import MODES as MINING
    from mpc.train.settings import STAGES

    # The mode "visible" localises what one camera sees, which gives no mesh.
    expected = {
        "centre": CENTRES, "noise": typing.get_args(Noise), "meshes": typing.get_args(KeptMeshes), "split": SPLITS,
        "up": AXES, "facing": AXES, "align": ALIGNMENTS, "framing": FRAMINGS, "precision": PRECISIONS,
        "turntable": TURNTABLES, "formats": WRITE_FORMATS, "mode": set(MODES) - {"visible"}, "mining": MINING,
        "stage": STAGES,
        "engine": ENGINES, "body": BODIES,
        "export layout": typing.get_args(Layout), "import layout": typing.get_args(Source),
        "frames": ("all", "spread"), "baseline": BASELINES, "benchmark": BENCHMARKS,
        "renderer": ("auto", "pyrender", "embree"), "camera_up": UPS,
    }  # fmt: skip
    for command in TARGETS:
        for option in main.commands[command].params:
            if isinstance(option.type, click.Choice):
                units = ("auto", *EVAL_UNITS_M) if command == "eval" else UNITS_M
                known = expected.get(f"{command} {option.name}", expected.get(option.name, units))
                if (command, option.name) == ("live", "mode"):
                    known = MODES
                assert set(option.type.choices) == set(known), f"{command} {option.name}"


def test_sizes_are_converted():
    shard = next(option for option in main.commands["sample"].params if option.name == "shard_mib")
    assert default_of(shard) * MIB == SampleSettings().shard_bytes
    assert SampleSettings(shard_bytes=shard.type.max * MIB)
    with pytest.raises(SettingsError):
        SampleSettings(shard_bytes=shard.type.max * MIB + 1)
    memory = next(option for option in main.commands["render"].params if option.name == "memory_gib")
    assert Limits(memory_bytes=int(memory.type.min * GIB))
    with pytest.raises(SettingsError):
        Limits(memory_bytes=int(memory.type.min * GIB) - 1)


def test_lists_of_exceptions_hold_nothing_that_is_gone():
    names = {command: {parameter.name for parameter in main.commands[command].params} for command in TARGETS}
    assert all(set(own) <= names[command] for command, own in OWN.items())
    assert all(name in names[command] for command, name in OTHER_DEFAULT)
    classes = {owner.__name__: owner for _, owner in CLASSES}
    assert all(set(fields) <= set(fields_of(classes[name])) for name, fields in WITHOUT.items())


IGNORED = [
    (["render", ".", "--frames", "all", "--frames-per-animation", "2"], "--frames-per-animation", "--frames all"),
    (["sample", ".", "--split-file", ".", "--split", "1", "0", "0"], "--split", "with --split-file"),
    (["export", ".", "out", "--format", "pifu", "--split-file", ".", "--split", "1,0,0"], "--split", "--split-file"),
    (["export", ".", "out", "--format", "icon", "--seed", "3"], "--seed", "with --format icon"),
    (["export", ".", "out", "--format", "nerf", "--size", "64"], "--size", "with --format nerf"),
    (["export", ".", "out", "--format", "pshuman", "--seed", "3"], "--seed", "with --format pshuman"),
    (["import", ".", "--format", "webdataset", "--rays", "64"], "--rays", "with --format webdataset"),
    (["people", "out", "--scans", "0", "--rigged", "0", "--bvh", "."], "--bvh", "without rigged people"),
    (["people", "out", "--rigged", "0", "--hard-poses", "0", "--assets", ".", "--bvh", "."], "--bvh", "and hard poses"),
    (["people", "out", "--scans", "0", "--assets", ".", "--hard-poses", "0.2"], "--hard-poses", "without scans"),
    (["people", "out", "--rigged", "0", "--rig-poses", "3"], "--rig-poses", "without rigged people"),
    (["people", "out", "--scans", "1", "--bvh", ".", "--assets-share", "0.2"], "--assets-share", "without --assets"),
    (["reconstruct", "a.png", "--out", "out", "--run", ".", "--format", "ply", "--texture-size", "64"],
     "--texture-size", "with --format ply"),
    (["reconstruct", "a.png", "--out", "out", "--run", ".", "--turntable", "none", "--turntable-frames", "9"],
     "--turntable-frames", "with --turntable none"),
    (["reconstruct", "a.png", "--out", "out", "--run", ".", "--framing", "keep", "--height", "1.6"],
     "--height", "with --framing keep"),
    (["reconstruct", "a.png", "--out", "out", "--run", ".", "--every", "2"], "--every", "without a film"),
    (["reconstruct", "a.png", "--out", "out", "--run", ".", "--smooth"], "--smooth", "without a film"),
    (["reconstruct", "a.png", "--out", "out", "--run", ".", "--mask", "a.png", "--person", "2"],
     "--person", "with a mask"),
    (["reconstruct", "a.png", "--out", "out", "--run", ".", "--mask", "none", "--person", "2"],
     "--person", "with --mask none"),
    (["segment", "a.png", "--out", "out", "--every", "2"], "--every", "without a film"),
    *((["train", ".", "--resume", *words], words[0], "with --resume") for words in (
        ["--preset", "tiny"], ["--seed", "1"], ["--init", "."], ["--anneal", "."],
    )),
    *((["train", ".", "--anneal", ".", *words], words[0], "with --anneal") for words in (
        ["--preset", "tiny"], ["--seed", "1"], ["--stage", "surface"], ["--init", "."],
    )),
]  # fmt: skip


@pytest.mark.parametrize(("words", "flag", "why"), IGNORED, ids=[f"{one[0][0]} {one[1]}" for one in IGNORED])
def test_an_option_that_a_mode_ignores_is_a_usage_error(words, flag, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "a.toml"):
        (tmp_path / name).write_bytes(b"")
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2, result.output
    text = " ".join(result.output.replace("│", " ").split())
    assert f"Error: {flag}: no effect" in text
    assert why in text
    # Without the ignored option there is no usage error: what follows is the missing input.
    place = words.index(flag)
    most = next((number for number in range(place + 1, len(words)) if words[number].startswith("-")), len(words))
    rest = CliRunner().invoke(main, [*words[:place], *words[most:]])
    assert "no effect" not in rest.output


def test_a_mask_that_is_none_cannot_be_ignored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    words = ["reconstruct", "a.png", "--out", "out", "--run", ".", "--mask", "none", "--ignore-mask"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "--use-mask/--ignore-mask: no effect with --mask none, which masks nothing" in result.output


def test_several_ignored_options_are_named_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["train", ".", "--resume", "--seed", "1", "--preset", "tiny"])
    assert "--preset, --seed: no effect with --resume" in result.output


def test_settings_errors_of_options_are_usage_errors():
    assert issubclass(SettingsError, MpcError)
    result = CliRunner().invoke(main, ["render", ".", "--up", "+y", "--facing", "-y"])
    assert result.exit_code == 2
    assert "facing -y cannot be along up +y" in result.output
