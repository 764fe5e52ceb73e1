"""A subject in the process that works on it: its file is read when first needed, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..core.files import file_sha256
from ..formats.limits import note_files
from .animations import ClipChoice, motions_digest, with_animations, with_clip
from .find import Subject
from .frames import ChosenScene, FrameSettings, LeftOut, Misfit, NoFitFrameError, choose_scenes
from .load import LoadedSubject, load_subject
from .placement import PlacementOptions
from .scenes import LoadedScene, list_scenes, pose_scene


class OpenSubject:
    """A subject, read lazily and once; clips, frame choices and poses all come from that one read.

    Args:
        subject: as `find_subjects` returns it.
        settings: which frames become scenes, and the motions that are added to rigs.
        options: what the user knows of unit, axes and height; None to detect all of it.
        clip: the only animation of a rig that is asked for; None for all. Subjects that are opened one after the
            other for different animations share one read.
        body_model: the user's file of SMPL-X, for fits that come with scans; None for none.
    """

    def __init__(
        self,
        subject: Subject,
        settings: FrameSettings,
        options: PlacementOptions | None = None,
        clip: ClipChoice | None = None,
        body_model: Path | None = None,
    ) -> None:
        self.subject = subject
        self._body_model = body_model
        self._settings, self._options, self._clip = settings, options, clip

    @property
    def loaded(self) -> LoadedSubject:
        """The subject with the clips of other files that the settings add to a rig.

        Raises:
            InputError: a file is damaged, hostile or of a kind that is not read.
        """
        return self._read[0]

    @property
    def other_files(self) -> frozenset[Path]:
        """The files that were read with the subject's own: textures, material libraries, buffers, a body fit."""
        return self._read[1] - {self.subject.path}

    @cached_property
    def _read(self) -> tuple[LoadedSubject, frozenset[Path]]:
        read = _read_once(self.subject, self._options, self._body_model, keep=self._clip is not None)
        loaded = read.loaded
        if self._clip is not None:
            loaded = with_clip(loaded, self._clip, self._settings.bone_map)
        elif self.subject.kind == "rigged" and self._settings.animations is not None:
            loaded = with_animations(loaded, self._settings.animations, self._settings.bone_map)
        return loaded, read.files

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the subject's file; of a rig with added motions "+" and their digest follow."""
        own = file_sha256(self.subject.path)
        if self.subject.kind == "rigged" and self._settings.animations is not None:
            known = None if self._clip is None else self._clip.motions_sha256
            return f"{own}+{known or motions_digest(self._settings.animations, self._settings.bone_map)}"
        return own

    def choose_scenes(self, misfit: Misfit) -> Iterator[ChosenScene | LeftOut]:
        """The subject's scenes, as `frames.choose_scenes` gives them; of scans they are known before the file is read.

        Args:
            misfit: the view cube's edge, metres, that a posed scene would need; None where it fits.

        Raises:
            InputError: a rig's file cannot be read.
            MpcError: no frame of any animation is fit.
        """
        if self._clip is not None and not self.loaded.clips:
            raise NoFitFrameError(self.subject.path, [f"{self._clip.name} cannot be brought to this rig"])
        if self.subject.kind == "rigged":
            return choose_scenes(self.loaded, self._settings, misfit=misfit)
        wanted = self._settings.wanted_frames
        spread, seed = self._settings.spread, self._settings.seed
        specs = list_scenes(self.subject, frames_per_animation=wanted, seed=seed, spread=spread)
        return (ChosenScene(spec) for spec in specs)

    def pose(self, chosen: ChosenScene) -> tuple[LoadedScene, frozenset[Path]]:
        """A chosen scene, posed here unless the filter did so, and the files besides the subject's own that this read.

        Raises:
            InputError: the frame cannot be posed.
        """
        if chosen.scene is not None:
            return chosen.scene, frozenset()
        with note_files() as files:
            scene = pose_scene(self.loaded, chosen.spec)
        return scene, frozenset(files) - {self.subject.path}


@dataclass(frozen=True, eq=False)
class _Read:
    """A subject as it was read.

    Attributes:
        subject: which one.
        options: what the user knew of it.
        body_model: see `load_subject`.
        loaded: what came of it.
        files: the files that were read for it.
        stamps: their times and sizes: what was read holds as long as these are the same.
    """

    subject: Subject
    options: PlacementOptions | None
    body_model: Path | None
    loaded: LoadedSubject
    files: frozenset[Path]
    stamps: dict[Path, tuple[int, int] | None]


_recent: _Read | None = None


def _read_once(subject: Subject, options: PlacementOptions | None, body_model: Path | None, *, keep: bool) -> _Read:
    """Read a subject, unless it is the one that was read and kept last."""
    global _recent
    last, _recent = _recent, None
    asked = (subject, options, body_model)
    if last is None or (last.subject, last.options, last.body_model) != asked or last.stamps != _stamps(last.files):
        del last
        with note_files() as files:
            loaded = load_subject(subject, options, body_model=body_model)
        last = _Read(subject, options, body_model, loaded, frozenset(files), _stamps(frozenset(files)))
    if keep:
        _recent = last
    return last


def _stamps(files: frozenset[Path]) -> dict[Path, tuple[int, int] | None]:
    """Time and size of each file; None for one that is missing."""
    found: dict[Path, tuple[int, int] | None] = {}
    for path in files:
        try:
            state = path.stat()
            found[path] = state.st_mtime_ns, state.st_size
        except OSError:
            found[path] = None
    return found
