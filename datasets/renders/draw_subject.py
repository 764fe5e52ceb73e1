"""One unit of work of `mpc render`: the scenes of a subject or of one animation, each drawn into its own folder."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from ...core.errors import InputError
from ...core.files import is_of_disk
from ...core.guard import tell_alive
from ...core.messages import describe_failure
from ...render.light.lights import LightSet, builtin_lights, choose_lights, load_lights
from ...subjects.animations import ClipChoice
from ...subjects.find import Subject
from ...subjects.frames import ChosenScene, LeftOut, NoFitFrameError
from ...subjects.open import OpenSubject
from ...subjects.source_files import SourceFiles
from .belonging import SubjectScenes, describe_scene
from .draw_scene import prepare_scene, store_scene
from .draw_views import Drawing, draw_views
from .fit import misfit
from .format import SCENE, TEXTURES, SceneRecord, read_scene
from .manifest import Line
from .settings import RenderSettings
from .verify import check_scene
from .write import Provenance


@dataclass(frozen=True)
class SubjectUnit:
    """A subject to draw.

    Attributes:
        subject: the subject; its file is read by the process that draws it.
        out: the renders folder.
        settings: what decides the pictures.
        drawing: the renderer and its threads.
        clip: the animation whose scenes are drawn; None for all scenes of the subject.
        repair: whether the files of scenes that are there already are compared with their checksums; without it their
            sizes are.
    """

    subject: Subject
    out: Path
    settings: RenderSettings
    drawing: Drawing
    repair: bool = False
    clip: ClipChoice | None = None


@dataclass(frozen=True, kw_only=True)
class SubjectOutcome:
    """What became of a subject.

    Attributes:
        subject: its id.
        clip: the animation; None where all scenes of the subject are meant.
        rendered: number of scenes drawn now.
        kept: number of scenes that were there already.
        failures: (subject id or scene key, reason).
        notices: remarks for the user, each with the subject id or scene key in front.
        scenes: which scenes there are now; None where the subject's process was stopped or died.
        unfit: why no frame of the unit's animation became a scene; empty where one did.
    """

    subject: str
    clip: str | None = None
    rendered: int = 0
    kept: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    scenes: SubjectScenes | None = None
    unfit: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the unit of work, see `NamedWork`."""
        return self.subject if self.clip is None else f"{self.subject}/{self.clip}"


@dataclass(frozen=True)
class _SceneOutcome:
    """What became of a scene.

    Attributes:
        key: see SceneSpec.key.
        state: drawn now, there already, or not drawn.
        remark: of a failed scene the reason, of a kept one a notice or nothing.
        line: the manifest's line about it; None where it failed.
        notices: what its scene.json says of repairs and doubts.
    """

    key: str
    state: Literal["rendered", "kept", "failed"]
    remark: str = ""
    line: Line | None = None
    notices: tuple[str, ...] = ()


def draw_subject(unit: SubjectUnit) -> SubjectOutcome:
    """Draw the scenes of a unit that are not there yet, one posed scene in memory at a time.

    Raises:
        OSError: the disk of `unit.out` is full or cannot be written; whatever is wrong with the subject, its files
            and the disk that they are on, is in the outcome.
    """
    painter = _Painter(unit)
    scenes: list[_SceneOutcome] = []
    left_out: list[str] = []
    failures: list[tuple[str, str]] = []
    unfit: tuple[str, ...] = ()
    try:
        _ = painter.opened.digest  # before the file is read: a change in between then shows in the next run
        for chosen in painter.opened.choose_scenes(partial(misfit, settings=unit.settings)):
            if isinstance(chosen, LeftOut):
                left_out.append(chosen.notice)
            else:
                scenes.append(painter.draw(chosen))
    except Exception as error:  # of the subject's own files, which concerns all its scenes
        _raise_of_disk(error, unit.out)
        if isinstance(error, NoFitFrameError) and unit.clip is not None:
            unfit = error.left_out  # of one animation among others
        else:
            failures.append((unit.subject.id, describe_failure(error)))
    notices = [f"{scene.key}: {scene.remark}" for scene in scenes if scene.state == "kept" and scene.remark]
    # Those of kept scenes, too: a run that was killed may not have come to tell them.
    told = [notice for scene in scenes for notice in scene.notices]
    if unfit or any(scene.state == "failed" for scene in scenes):
        told += painter.opened.loaded.notices
    notices += [f"{unit.subject.id}: {notice}" for notice in dict.fromkeys([*told, *left_out, *unfit])]
    return SubjectOutcome(
        scenes=SubjectScenes(
            subject=unit.subject.id,
            lines={scene.key: scene.line for scene in scenes if scene.line is not None},
            complete=not failures,
            source_sha256=painter.known_digest,
        ),
        subject=unit.subject.id,
        clip=None if unit.clip is None else unit.clip.name,
        rendered=sum(scene.state == "rendered" for scene in scenes),
        kept=sum(scene.state == "kept" for scene in scenes),
        failures=(*((scene.key, scene.remark) for scene in scenes if scene.state == "failed"), *failures),
        notices=tuple(notices),
        unfit=unfit,
    )


def _raise_of_disk(error: Exception, out: Path) -> None:
    """Raise the error of a full or read-only disk again: no subject is at fault, the run ends, finished scenes stay."""
    if isinstance(error, OSError) and is_of_disk(error, out):
        raise error


class _Painter:
    """Draws the scenes of one subject; opens its file and the lights when the first scene needs them."""

    def __init__(self, unit: SubjectUnit) -> None:
        self._unit = unit
        settings = unit.settings
        self.opened = OpenSubject(unit.subject, settings, settings.load, unit.clip, settings.body_model)
        self._files = SourceFiles(unit.subject.root)

    @property
    def known_digest(self) -> str | None:
        """The digest of the subject's file; None where it could not be read."""
        try:
            return self.opened.digest
        except OSError:
            return None

    @cached_property
    def _lights(self) -> LightSet:
        return open_lights(self._unit.settings)

    def draw(self, chosen: ChosenScene) -> _SceneOutcome:
        """Draw a scene that is not there yet.

        Raises:
            InputError: the subject's file cannot be read; what is wrong with the scene alone is in the outcome.
        """
        kept = self._find_kept(chosen.spec.key)
        if kept is not None:
            return kept
        _ = self.opened.loaded, self._lights
        try:
            self._draw(chosen)
        except Exception as error:
            _raise_of_disk(error, self._unit.out)
            return _SceneOutcome(chosen.spec.key, "failed", describe_failure(error))
        tell_alive()
        record = read_scene(self._unit.out / chosen.spec.key)
        return _SceneOutcome(chosen.spec.key, "rendered", line=describe_scene(record), notices=_notices(record))

    def _draw(self, chosen: ChosenScene) -> None:
        unit, opened = self._unit, self.opened
        scene, files = opened.pose(chosen)
        prepared = prepare_scene(scene, unit.settings, self._lights, unit.drawing.threads)
        provenance = Provenance(
            source=unit.subject.path.name,
            given=describe_given(unit.subject),
            source_sha256=opened.digest,
            source_files=self._files.hashes(opened.other_files | files),
            renderer=unit.drawing.choice.name,
        )
        with closing(draw_views(prepared, unit.settings, unit.drawing, prepared.cameras)) as pictures:
            store_scene(unit.out, scene, prepared, unit.settings, pictures, provenance)

    def _find_kept(self, key: str) -> _SceneOutcome | None:
        """The scene as an earlier run drew it; None where it is not there, is damaged, or its source has changed."""
        folder = self._unit.out / key
        if not (folder / SCENE).is_file():
            return None
        try:
            record = read_scene(folder)
        except InputError:
            return None
        notes = record.notes
        damage = list(check_scene(record, deep=self._unit.repair))
        for place, _ in damage:
            if place.startswith(TEXTURES):  # so that the scene's mesh writes it again: one that is there may be kept
                (folder.parent / place).unlink(missing_ok=True)
        if damage or record.key != key or notes.get("given", {}) != describe_given(self._unit.subject):
            return None
        if notes.get("source_sha256") != self.opened.digest or not self._files.match(notes.get("source_files", {})):
            return None
        drawn, draws = notes.get("renderer"), self._unit.drawing.choice.name
        remark = "" if drawn == draws else f"kept as drawn by {drawn}, while others are now drawn by {draws}"
        return _SceneOutcome(key, "kept", remark, describe_scene(record), _notices(record))


def _notices(record: SceneRecord) -> tuple[str, ...]:
    found = record.notes.get("notices")
    return tuple(str(notice) for notice in found) if isinstance(found, list) else ()


def describe_given(subject: Subject) -> dict[str, Any]:
    """What the user says of this subject alone, JSON-ready; scenes drawn before it changed do not hold."""
    return {name: value for name, value in asdict(subject.given).items() if value is not None}


def open_lights(settings: RenderSettings) -> LightSet:
    """The environments that the settings ask for.

    Raises:
        InputError: the folder of panoramas holds none, or a damaged one.
        SettingsError: no environment has the name that the settings give.
    """
    lights = load_lights(settings.lights) if settings.lights else builtin_lights()
    return choose_lights(lights, settings.light_names, settings.exposure_ev)
