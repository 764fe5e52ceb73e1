"""Converts a network of a TensorFlow Lite file to a `StepNetwork`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.arrays import Array
from .network import Step, StepNetwork
from .tflite import Operator, TfliteModel

_SAME = 0
_TRANSPOSED = "Convolution2DTransposeBias"
_ALIKE = ("add", "multiply", "relu", "sigmoid", "hard_swish", "depth_to_space")


def convert(model: TfliteModel, source: str = "") -> StepNetwork:
    """Convert a network.

    Args:
        model: from `read_tflite`.
        source: SHA-256 of the file, which the network remembers.

    Returns:
        The network in evaluation mode. It takes pictures (1, 3, H, W) and returns the outputs of the file in its order.

    Raises:
        ValueError: the network has an operation in a form that the networks of `mpc fetch` do not have.
    """
    (picture,) = model.inputs
    numbers = {picture: 0}
    steps: list[Step] = []
    weights: dict[str, Tensor] = {}
    for operator in model.operators:
        constants = [model.constants.get(number) for number in operator.inputs]
        inputs = tuple(numbers[n] for n, constant in zip(operator.inputs, constants, strict=True) if constant is None)
        kind, options, tensors = _convert_operator(model, operator, [c for c in constants if c is not None])
        numbers[operator.outputs[0]] = len(steps) + 1
        for name, values in tensors.items():
            weights[f"steps.{len(steps)}.{name}"] = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        steps.append(Step(kind, inputs, len(steps) + 1, options, bool(tensors)))
    height, width = model.shapes[picture][1:3]
    return StepNetwork(steps, [numbers[n] for n in model.outputs], (height, width), weights, source).eval()


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Pixels that TensorFlow's SAME adds before and after an axis of `size` pixels; an odd one goes after."""
    total = max((math.ceil(size / stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def _convert_operator(
    model: TfliteModel, operator: Operator, constants: list[Array]
) -> tuple[str, dict[str, Any], dict[str, Array]]:
    """Kind, options and weights of the step that an operator becomes."""
    kind, options = operator.kind, operator.options
    if kind in ("conv", "depthwise_conv"):
        return _convert_convolution(model, operator, constants)
    if kind == _TRANSPOSED:
        return _convert_transposed(operator, constants)
    if kind in _ALIKE and not constants:
        return kind, options, {}
    if kind in ("max_pool", "average_pool") and options["padding"] != _SAME and options["activation"] == "none":
        window, stride = ([options[f"{name}_{axis}"] for axis in "hw"] for name in ("window", "stride"))
        return kind, {"window": window, "stride": stride}, {}
    if kind == "resize_bilinear" and options["half_pixel_centers"] and not options["align_corners"]:
        return kind, {"size": constants[0].tolist()}, {}
    if kind == "pad" and not constants[0][[0, 3]].any():
        (top, bottom), (left, right) = constants[0][1:3].tolist()
        return kind, {"padding": [left, right, top, bottom]}, {}
    if kind == "reshape":
        return kind, {"shape": constants[0].tolist()}, {}
    if kind == "concatenate" and len(model.shapes[operator.inputs[0]]) == 3:  # these are no maps any more
        return kind, {"axis": options["axis"]}, {}
    raise ValueError(f"operation {kind} with {options} is not known here")


def _convert_convolution(
    model: TfliteModel, operator: Operator, constants: list[Array]
) -> tuple[str, dict[str, Any], dict[str, Array]]:
    kernel, bias = constants
    options = operator.options
    depthwise = operator.kind == "depthwise_conv"
    if depthwise and options["multiplier"] != 1:
        raise ValueError(f"depthwise convolution with {options['multiplier']} filters a channel is not known here")
    # Stored (1, height, width, channels), one filter a channel; or (outputs, height, width, inputs).
    weight = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
    stride, dilation = ([options[f"{name}_{axis}"] for axis in "hw"] for name in ("stride", "dilation"))
    padding = [0, 0, 0, 0]
    if options["padding"] == _SAME:
        shape, window = model.shapes[operator.inputs[0]][1:3], weight.shape[2:]
        height, width = (same_padding(shape[a], window[a], stride[a], dilation[a]) for a in range(2))
        padding = [*width, *height]
    return (
        "conv",
        {
            "stride": stride, "dilation": dilation, "padding": padding, "groups": len(weight) if depthwise else 1,
            "activation": options["activation"],
        },
        {"weight": weight, "bias": bias},
    )  # fmt: skip


def _convert_transposed(operator: Operator, constants: list[Array]) -> tuple[str, dict[str, Any], dict[str, Array]]:
    kernel, bias = constants  # (outputs, height, width, inputs)
    stride = [operator.options["stride_h"], operator.options["stride_w"]]
    # Only then do windows neither overlap nor leave gaps, and padding has no meaning.
    if list(kernel.shape[1:3]) != stride:
        raise ValueError(
            f"transposed convolution with window {kernel.shape[1:3]} and stride {stride} is not known here"
        )
    return "conv_transpose", {"stride": stride}, {"weight": kernel.transpose(3, 0, 1, 2), "bias": bias}
