"""Muon: convolution kernels are updated along their orthogonalised momentum, all other weights by AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Steps of the quintic Newton-Schulz iteration, and its coefficients (Jordan et al., "Muon", 2024): singular values from
# 0.02 up end between 0.7 and 1.2, which is accurate enough here.
_STEPS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
# Kernels with fewer inputs are sets of filters rather than maps between spaces.
_LEAST_INPUTS = 17


class Muon(torch.optim.AdamW):
    """K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, with Nesterov momentum.

    A convolution kernel (O, I, h, w) is treated as the matrix (O, I h w). Its step is the orthogonal matrix nearest to
    its momentum, times max(1, O / (I h w))^0.5 and the rate, so that all directions of a layer learn at the same speed.
    (`torch.optim.Muon` accepts parameters with two dimensions alone, hence no convolutions.)

    Args:
        parameters: the weights of one network; kernels with at least 17 inputs are orthogonalised.
        lr: learning rate of AdamW.
        weight_decay: of AdamW; the kernels have none.
        matrix_rate: learning rate of the kernels, in multiples of `lr`.
        momentum: of the gradients of the kernels.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        weight_decay: float = 0.0,
        matrix_rate: float = 10.0,
        momentum: float = 0.95,
    ) -> None:
        kernels: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in parameters:
            (kernels if parameter.ndim == 4 and parameter[0].numel() >= _LEAST_INPUTS else others).append(parameter)
        groups = [
            {"params": kernels, "matrix_rate": matrix_rate, "momentum": momentum},
            {"params": others, "matrix_rate": 0.0, "momentum": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], lr=lr, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all weights that have a gradient once."""
        groups = self.param_groups
        for group in groups:
            for parameter in group["params"] if group["matrix_rate"] else ():
                if parameter.grad is not None:
                    self._update_kernel(parameter, group)
        try:
            self.param_groups = [group for group in groups if not group["matrix_rate"]]
            return super().step(closure)
        finally:
            self.param_groups = groups

    def _update_kernel(self, kernel: nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[kernel]
        if not state:
            # When Adam restores its states, it expects a step in each of them.
            state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(kernel)
        assert kernel.grad is not None
        state["momentum"].lerp_(kernel.grad, 1.0 - group["momentum"])
        ahead = kernel.grad.lerp(state["momentum"], group["momentum"]).reshape(len(kernel), -1)
        scale = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        kernel.add_(orthogonal(ahead).reshape(kernel.shape), alpha=-group["lr"] * group["matrix_rate"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix (m, n) float32 with all its singular values moved close to 1, between 0.7 and 1.2."""
    x = matrix / (matrix.norm() + 1e-7)
    wide: Tensor = x if len(x) <= x.shape[1] else x.T
    a, b, c = _QUINTIC
    for _ in range(_STEPS):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide if len(x) <= x.shape[1] else wide.T
