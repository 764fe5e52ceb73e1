"""Reading BVH motion files: hierarchy, channels in any order, and the motion; units stay as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.arrays import F64
from ..core.errors import InputError

# Bounds on the size of a file, far above what motion capture writes.
MAX_BYTES = 512 * 1024 * 1024
MAX_JOINTS = 4096
MAX_DEPTH = 512
MAX_VALUES = 200_000_000

_CHANNELS = ("xposition", "yposition", "zposition", "xrotation", "yrotation", "zrotation")


@dataclass(frozen=True)
class BvhJoint:
    """A joint of the hierarchy.

    Attributes:
        name: as in the file.
        parent: index of the joint above, -1 for a root.
        offset: from the parent at rest, file units.
        channels: lower case names in the file's order.
        end: offset of an End Site, or None.
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...]
    end: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class BvhMotion:
    """The content of a file.

    Attributes:
        joints: parents before children.
        frame_time_s: seconds a frame.
        values: (N, C) float64, positions in file units and angles in degrees, in the joints' channel order.
    """

    joints: tuple[BvhJoint, ...]
    frame_time_s: float
    values: F64

    def rotations(self) -> F64:
        """Local rotations (N, J, 3, 3): the product of a joint's rotation channels in the order listed."""
        result = np.tile(np.eye(3), (len(self.values), len(self.joints), 1, 1))
        column = 0
        for j, joint in enumerate(self.joints):
            for channel in joint.channels:
                if channel.endswith("rotation"):
                    result[:, j] = result[:, j] @ _axis_rotation("xyz".index(channel[0]), self.values[:, column])
                column += 1
        return result

    def positions(self) -> F64:
        """Local translations (N, J, 3), file units: the position channels where a joint has them, else its offset."""
        result = np.tile(np.array([joint.offset for joint in self.joints]), (len(self.values), 1, 1))
        column = 0
        for j, joint in enumerate(self.joints):
            for channel in joint.channels:
                if channel.endswith("position"):
                    result[:, j, "xyz".index(channel[0])] = self.values[:, column]
                column += 1
        return result

    def rest_positions(self) -> F64:
        """(J, 3) places of the joints with all rotations at zero, roots at their offsets, file units."""
        places = np.zeros((len(self.joints), 3))
        for j, joint in enumerate(self.joints):
            places[j] = np.asarray(joint.offset) + (places[joint.parent] if joint.parent >= 0 else 0.0)
        return places


def _axis_rotation(axis: int, degrees: F64) -> F64:
    angle = np.radians(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    result = np.zeros((len(degrees), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    result[:, axis, axis] = 1.0
    result[:, i, i] = result[:, j, j] = cosine
    result[:, i, j], result[:, j, i] = -sine, sine
    return result


def read_bvh(path: Path) -> BvhMotion:
    """Read a BVH file.

    Raises:
        InputError: the file is missing, too large, no BVH, cut off or contradicts itself; the message says where.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(path, f"has {size} bytes, more than the {MAX_BYTES} a motion may have")
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error
    head, marker, tail = _split_motion(text)
    if not marker:
        raise InputError(path, "has no MOTION part")
    joints = _Hierarchy(path, head).read()
    return _read_motion(path, joints, tail, head.count("\n") + 1)


def _split_motion(text: str) -> tuple[str, str, str]:
    for line_start in _line_starts(text):
        if text[line_start : line_start + 16].lstrip().upper().startswith("MOTION"):
            cut = text.upper().index("MOTION", line_start)
            return text[:cut], "MOTION", text[cut + 6 :]
    return text, "", ""


def _line_starts(text: str) -> Iterator[int]:
    position = 0
    while position >= 0:
        yield position
        position = text.find("\n", position)
        position = position + 1 if position >= 0 else -1


class _Hierarchy:
    """A reader of the HIERARCHY part, token by token."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        lines = text.replace("{", " { ").replace("}", " } ").split("\n")
        self.tokens = [word for line in lines for word in line.split()]
        self.lines = [number for number, line in enumerate(lines, 1) for _ in line.split()]
        self.at = 0
        self.joints: list[BvhJoint] = []

    def fail(self, reason: str) -> InputError:
        where = self.lines[max(self.at - 1, 0)] if self.lines else 1
        return InputError(self.path, f"HIERARCHY: {reason} (line {where})")

    def next(self) -> str:
        if self.at >= len(self.tokens):
            raise self.fail("ends in the middle")
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, word: str) -> None:
        found = self.next()
        if found.upper() != word.upper():
            raise self.fail(f"has {found[:40]!r} where {word} should be")

    def name(self) -> str:
        words: list[str] = []
        while (word := self.next()) != "{":
            if word == "}" or len(words) > 16:
                raise self.fail("has a joint without '{'")
            words.append(word)
        return " ".join(words)

    def triple(self) -> tuple[float, float, float]:
        self.expect("OFFSET")
        values = []
        for _ in range(3):
            word = self.next()
            try:
                value = float(word)
            except ValueError as error:
                raise self.fail(f"has the offset {word[:40]!r}, which is no number") from error
            if not math.isfinite(value):
                raise self.fail(f"has the offset {word[:40]!r}")
            values.append(value)
        return values[0], values[1], values[2]

    def read(self) -> tuple[BvhJoint, ...]:
        self.expect("HIERARCHY")
        while self.at < len(self.tokens):
            self.expect("ROOT")
            self.joint_tree()
        if not self.joints:
            raise self.fail("has no ROOT")
        return tuple(self.joints)

    def joint_tree(self) -> None:
        stack = [self.joint(-1)]
        while stack:
            word = self.next().upper()
            if word == "}":
                stack.pop()
            elif word == "JOINT":
                if len(stack) >= MAX_DEPTH or len(self.joints) >= MAX_JOINTS:
                    raise self.fail(f"is deeper than {MAX_DEPTH} or has more than {MAX_JOINTS} joints")
                stack.append(self.joint(stack[-1]))
            elif word == "END":
                self.name()
                end = self.triple()
                self.expect("}")
                old = self.joints[stack[-1]]
                self.joints[stack[-1]] = BvhJoint(old.name, old.parent, old.offset, old.channels, end)
            else:
                raise self.fail(f"has {word[:40]!r} where JOINT, End Site or '}}' should be")

    def joint(self, parent: int) -> int:
        name = self.name()
        offset = self.triple()
        channels: tuple[str, ...] = ()
        if self.at < len(self.tokens) and self.tokens[self.at].upper() == "CHANNELS":
            self.next()
            word = self.next()
            if not word.isdigit() or int(word) > 6:
                raise self.fail(f"joint {name!r} has {word[:40]!r} channels, expected 0 to 6")
            channels = tuple(self.next().lower() for _ in range(int(word)))
            wrong = [c for c in channels if c not in _CHANNELS]
            if wrong or len(set(channels)) != len(channels):
                raise self.fail(f"joint {name!r} has the channels {' '.join(channels)[:80]!r}")
        self.joints.append(BvhJoint(name, parent, offset, channels))
        return len(self.joints) - 1


def _read_motion(path: Path, joints: tuple[BvhJoint, ...], text: str, line: int) -> BvhMotion:
    """Read what follows the word MOTION, which stands in line `line`."""
    words = text.split(None, 5)
    # "Frames: N Frame Time: T values..."; the colon may stand apart.
    spaced = text.replace(":", " : ")
    flat = spaced.split(None, 7)
    if len(flat) < 7 or flat[0].lower() != "frames" or [w.lower() for w in flat[3:5]] != ["frame", "time"]:
        begin = " ".join(words[:4])[:60]
        told = f"MOTION: starts with {begin!r}, not with Frames: and Frame Time: (line {line})"
        raise InputError(path, told)
    try:
        frames, frame_time = int(flat[2]), float(flat[6])
    except ValueError as error:
        raise InputError(path, f"MOTION: Frames or Frame Time is no number ({error}; line {line})") from error
    if frames < 1 or not math.isfinite(frame_time) or frame_time < 0:
        raise InputError(path, f"MOTION: {frames} frames of {frame_time} s (line {line})")
    channels = sum(len(joint.channels) for joint in joints)
    if channels == 0:
        raise InputError(path, "no joint has a channel")
    if frames * channels > MAX_VALUES:
        raise InputError(path, f"MOTION: {frames} frames of {channels} channels are more than can be read")
    rest = flat[7] if len(flat) > 7 else ""
    found = rest.split()
    first = line + spaced[: len(spaced) - len(rest)].count("\n")
    if len(found) != frames * channels:
        told = f"MOTION: has {len(found)} values, {frames} frames of {channels} channels need {frames * channels}"
        raise InputError(path, told + _first_odd(rest, first, channels))
    try:
        values = np.array(found, np.float64)
    except ValueError as error:
        raise InputError(path, f"MOTION: a value is no number{_first_odd(rest, first, channels)}") from error
    if not np.isfinite(values).all():
        raise InputError(path, f"MOTION: a value is not finite{_first_odd(rest, first, channels)}")
    # Some writers leave the time at 0 for a single pose.
    return BvhMotion(joints, frame_time or 1.0 / 30.0, values.reshape(frames, channels))


def _first_odd(text: str, first: int, channels: int) -> str:
    """What is wrong with the first odd frame, for the end of a message; its lines begin with line `first`."""
    for number, line in enumerate(text.split("\n"), first):
        words = line.split()
        for word in words:
            try:
                good = math.isfinite(float(word))
            except ValueError:
                good = False
            if not good:
                return f": {word[:40]!r} (line {number})"
        if words and len(words) != channels:
            return f"; line {number} has {len(words)}"
    return ""
