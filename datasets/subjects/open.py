"""A subject in the process that works on it: its file is read when first needed, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ...core.files import file_sha256
from ...formats.limits import note_files
from .animations import motions_digest, with_animations
from .find import Subject
from .frames import ChosenScene, FrameSettings, LeftOut, Misfit, choose_scenes
from .load import LoadedSubject, load_subject
from .placement import PlacementOptions
from .scenes import LoadedScene, list_scenes, pose_scene


class OpenSubject:
    """A subject, read lazily and once; clips, frame choices and poses all come from that one read.

    Args:
        subject: as `find_subjects` returns it.
        settings: which frames become scenes, and the motions that are added to rigs.
        options: what the user knows of unit, axes and height; None to detect all of it.
    """

    def __init__(self, subject: Subject, settings: FrameSettings, options: PlacementOptions | None = None) -> None:
        self.subject = subject
        self._settings, self._options = settings, options

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
        with note_files() as files:
            loaded = load_subject(self.subject, self._options)
        if self.subject.kind == "rigged" and self._settings.animations is not None:
            loaded = with_animations(loaded, self._settings.animations, self._settings.bone_map)
        return loaded, frozenset(files)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the subject's file; of a rig with added motions "+" and their digest follow."""
        own = file_sha256(self.subject.path)
        if self.subject.kind == "rigged" and self._settings.animations is not None:
            return f"{own}+{motions_digest(self._settings.animations, self._settings.bone_map)}"
        return own

    def choose_scenes(self, misfit: Misfit) -> Iterator[ChosenScene | LeftOut]:
        """The subject's scenes, as `frames.choose_scenes` gives them; of scans they are known before the file is read.

        Args:
            misfit: the view cube's edge, metres, that a posed scene would need; None where it fits.

        Raises:
            InputError: a rig's file cannot be read.
            MpcError: no frame of any animation is fit.
        """
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
