"""Runs a converted network step by step in torch, and keeps it in a safetensors file with the steps in its header."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.errors import InputError
from ..storage import read_tensors, write_tensors

FORMAT = "mpc-person-network"
VERSION = 1


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        kind: a key of `_RUN`, or "conv", "conv_transpose".
        inputs: numbers of the values that it takes; 0 is the picture.
        output: number of the value that it makes.
        options: of the operation, such as stride and padding; lists of numbers, and words.
        weighted: whether tensors `steps.K.weight` and `steps.K.bias` belong to it, K its place among the steps.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    options: dict[str, Any] = field(default_factory=dict)
    weighted: bool = False


def _activated(value: Tensor, options: Mapping[str, Any]) -> Tensor:
    kind = options.get("activation", "none")
    if kind == "none":
        return value
    return functional.relu6(value, inplace=True) if kind == "relu6" else functional.relu(value, inplace=True)


def _padded(value: Tensor, padding: Sequence[int]) -> tuple[Tensor, tuple[int, int]]:
    """A picture padded as far as a convolution cannot do it itself, and the padding that is left to the convolution."""
    left, right, top, bottom = padding
    if left == right and top == bottom:
        return value, (top, left)
    return functional.pad(value, (left, right, top, bottom)), (0, 0)


def _convolve(value: Tensor, weight: Tensor, bias: Tensor, options: Mapping[str, Any]) -> Tensor:
    value, padding = _padded(value, options["padding"])
    stride, dilation = tuple(options["stride"]), tuple(options["dilation"])
    return functional.conv2d(value, weight, bias, stride, padding, dilation, options["groups"])


def depth_to_space(value: Tensor, block: int) -> Tensor:
    """Make pixels of channels: (N, block * block * C, H, W) to (N, C, H * block, W * block).

    In TensorFlow's order the channels of one new pixel lie together (`torch.pixel_shuffle` expects the new pixels of
    one channel together).
    """
    count, channels, height, width = value.shape
    parts = value.reshape(count, block, block, channels // block**2, height, width).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(count, channels // block**2, height * block, width * block)


def _reshape(values: Sequence[Tensor], options: Mapping[str, Any]) -> Tensor:
    """Reshape in the order (N, H, W, C), in which the networks were trained."""
    (value,) = values
    return (value.permute(0, 2, 3, 1) if value.ndim == 4 else value).reshape(options["shape"])


_RUN: dict[str, Callable[[Sequence[Tensor], Mapping[str, Any]], Tensor]] = {
    "add": lambda values, options: _activated(values[0] + values[1], options),
    "multiply": lambda values, options: _activated(values[0] * values[1], options),
    "relu": lambda values, options: functional.relu(values[0]),
    "sigmoid": lambda values, options: values[0].sigmoid(),
    "hard_swish": lambda values, options: functional.hardswish(values[0]),
    "max_pool": lambda values, options: functional.max_pool2d(values[0], options["window"], options["stride"]),
    "average_pool": lambda values, options: functional.avg_pool2d(values[0], options["window"], options["stride"]),
    "resize_bilinear": lambda values, options: functional.interpolate(
        values[0], size=options["size"], mode="bilinear", align_corners=False
    ),
    "pad": lambda values, options: functional.pad(values[0], options["padding"]),
    "depth_to_space": lambda values, options: depth_to_space(values[0], options["block"]),
    "reshape": _reshape,
    "concatenate": lambda values, options: torch.cat(list(values), options["axis"]),
}


class StepNetwork(nn.Module):
    """A network given as a list of steps. It is for use only: its weights are float32 buffers, not parameters.

    Args:
        steps: in an order in which they can be computed.
        outputs: numbers of the values to return.
        size: height and width of the picture, pixels.
        weights: tensors `steps.K.weight` and `steps.K.bias` for each weighted step.
        source: SHA-256 of the file that the network was converted from.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        outputs: Sequence[int],
        size: tuple[int, int],
        weights: Mapping[str, Tensor],
        source: str = "",
    ) -> None:
        super().__init__()
        self.steps, self.outputs, self.size, self.source = tuple(steps), tuple(outputs), size, source
        for place, step in enumerate(self.steps):
            if not step.weighted and step.kind not in _RUN:
                raise ValueError(f"step {place} is of the unknown kind {step.kind!r}")
            if step.weighted:
                weight = weights[f"steps.{place}.weight"].float()
                self.register_buffer(f"weight_{place}", weight.contiguous(memory_format=torch.channels_last))
                self.register_buffer(f"bias_{place}", weights[f"steps.{place}.bias"].float())
        last = {number: place for place, step in enumerate(self.steps) for number in step.inputs}
        # Values that no later step needs are dropped, so that the memory is that of few maps.
        self._dropped = [
            [n for n in {*step.inputs} if last[n] == place and n not in self.outputs]
            for place, step in enumerate(self.steps)
        ]

    @torch.inference_mode()
    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Run the network.

        Args:
            picture: (1, 3, height, width) float32, in the range that the network was trained with.

        Returns:
            The outputs; those that are maps are (1, C, H, W).
        """
        values = {0: picture.contiguous(memory_format=torch.channels_last)}
        for place, step in enumerate(self.steps):
            taken = [values[number] for number in step.inputs]
            values[step.output] = self._run(place, step, taken)
            for number in self._dropped[place]:
                del values[number]
        return tuple(values[number] for number in self.outputs)

    def _run(self, place: int, step: Step, taken: list[Tensor]) -> Tensor:
        if not step.weighted:
            return _RUN[step.kind](taken, step.options)
        weight, bias = getattr(self, f"weight_{place}"), getattr(self, f"bias_{place}")
        if step.kind == "conv_transpose":
            return functional.conv_transpose2d(taken[0], weight, bias, tuple(step.options["stride"]))
        return _activated(_convolve(taken[0], weight, bias, step.options), step.options)


def save_step_network(path: Path, network: StepNetwork) -> None:
    """Write a network to one .safetensors file, which appears whole or not at all.

    Raises:
        OSError: the disk is full or read-only.
    """
    weights = {}
    for place, step in enumerate(network.steps):
        if step.weighted:
            weights[f"steps.{place}.weight"] = getattr(network, f"weight_{place}")
            weights[f"steps.{place}.bias"] = getattr(network, f"bias_{place}")
    header = {
        "format": FORMAT, "version": VERSION, "source": network.source, "size": list(network.size),
        "outputs": list(network.outputs),
        "steps": [
            {"kind": s.kind, "inputs": list(s.inputs), "output": s.output, "options": s.options, "weighted": s.weighted}
            for s in network.steps
        ],
    }  # fmt: skip
    write_tensors(path, weights, header)


def load_step_network(path: Path) -> StepNetwork:
    """Read a network that `save_step_network` wrote, in evaluation mode.

    Raises:
        InputError: the file is missing, damaged, of another kind or version, or its weights do not fit its steps.
    """
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise InputError(
            path, f"format {header.get('format')} version {header.get('version')}, expected {FORMAT} {VERSION}"
        )
    try:
        steps = [Step(s["kind"], tuple(s["inputs"]), s["output"], s["options"], s["weighted"]) for s in header["steps"]]
        height, width = header["size"]
        network = StepNetwork(steps, header["outputs"], (height, width), tensors, header["source"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"weights do not fit the steps in the same file ({error})") from error
    return network.eval()
