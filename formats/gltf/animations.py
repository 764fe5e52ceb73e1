"""Read glTF animations as clips that are cut into frames."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from ...motion.skinning import Channel, ChannelPath, Clip, Interpolation
from .container import GltfFile, Json

DEFAULT_STEP_S = 1.0 / 30.0
STEP_RANGE_S = (1.0 / 125.0, 1.0 / 14.0)  # spacings of keys that are accepted as a frame rate
MAX_FRAMES = 1_000_000


def read_clips(gltf: GltfFile, nodes: int) -> tuple[Clip, ...]:
    """Read the animations that move something; one without a name is called "animation_<index>".

    The frame step of a clip is the median spacing of all its key times where that is a usual frame rate (14 to 125 a
    second), else a thirtieth of a second. The first frame is at the first key, the last one nearest to the last key.
    """
    clips: list[Clip] = []
    for index, animation in enumerate(gltf.items("animations")):
        samplers = gltf.items("samplers", animation)
        channels = [
            channel
            for entry in gltf.items("channels", animation)
            if (channel := _channel(gltf, entry, samplers, nodes)) is not None
        ]
        if channels:
            name = str(animation.get("name") or f"animation_{index}")
            clips.append(cut_frames(name, tuple(channels)))
    return tuple(clips)


def cut_frames(name: str, channels: tuple[Channel, ...]) -> Clip:
    """Make a clip of channels, with the frame step that `read_clips` describes."""
    times = np.unique(np.concatenate([channel.times for channel in channels]))
    start, end = float(times[0]), float(times[-1])
    gaps = np.diff(times)
    gaps = gaps[gaps > 1e-4]  # keys of different channels that are meant to coincide
    step = float(np.median(gaps)) if len(gaps) else DEFAULT_STEP_S
    if not STEP_RANGE_S[0] <= step <= STEP_RANGE_S[1]:
        step = DEFAULT_STEP_S
    frames = int(min(round((end - start) / step), MAX_FRAMES - 1)) + 1
    return Clip(name, channels, start, step, frames)


def _channel(gltf: GltfFile, entry: Json, samplers: list[Json], nodes: int) -> Channel | None:
    target = entry.get("target")
    target = target if isinstance(target, dict) else {}
    path: Any = target.get("path")
    if path not in get_args(ChannelPath) or "node" not in target:
        if path == "weights":
            gltf.notices.append("animated morph targets are ignored")
        return None
    node = gltf.index(target["node"], nodes, "nodes")
    sampler = samplers[gltf.index(entry.get("sampler"), len(samplers), "animation samplers")]
    interpolation: Any = sampler.get("interpolation", "LINEAR")
    if interpolation not in get_args(Interpolation):
        raise gltf.fail(f"unknown interpolation {interpolation!r}")
    width = 4 if path == "rotation" else 3
    times = gltf.accessor(sampler.get("input"), (1,), "animation times")[:, 0].astype(np.float64)
    values = gltf.accessor(sampler.get("output"), (width,), f"animated {path}").astype(np.float64)
    per_key = 3 if interpolation == "CUBICSPLINE" else 1
    if not len(times) or len(values) != per_key * len(times):
        raise gltf.fail(f"an animated {path} has {len(values)} values for {len(times)} keys")
    if not (np.isfinite(times).all() and np.isfinite(values).all()):
        raise gltf.fail(f"an animated {path} holds numbers that are not finite")
    if per_key == 3:
        values = values.reshape(len(times), 3, width)
    if (np.diff(times) <= 0).any():
        gltf.notices.append("animation keys out of order are sorted")
        times, first = np.unique(times, return_index=True)
        values = values[first]
    return Channel(node, path, times, values, interpolation)
