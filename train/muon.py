"""Muon: convolution kernels are updated along their orthogonalised momentum, all other weights by AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..core.devices import computes_bfloat16

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
            if group["matrix_rate"]:
                self._update_kernels([kernel for kernel in group["params"] if kernel.grad is not None], group)
        try:
            self.param_groups = [group for group in groups if not group["matrix_rate"]]
            return super().step(closure)
        finally:
            self.param_groups = groups

    def _update_kernels(self, kernels: list[Tensor], group: dict[str, Any]) -> None:
        """Update kernels; those of one shape are orthogonalised together, in few large products."""
        alike: dict[tuple[int, int], list[Tensor]] = {}
        for kernel in kernels:
            alike.setdefault((len(kernel), kernel[0].numel()), []).append(kernel)
        for (rows, columns), members in alike.items():
            ahead = torch.stack(
                [self._momentum_of(kernel, group["momentum"]).reshape(rows, columns) for kernel in members]
            )
            if computes_bfloat16(ahead.device):
                ahead = ahead.bfloat16()  # an iteration to between 0.7 and 1.2 needs no more
            rate = group["lr"] * group["matrix_rate"] * max(1.0, rows / columns) ** 0.5
            for kernel, direction in zip(members, orthogonal(ahead), strict=True):
                kernel.add_(direction.reshape(kernel.shape).to(kernel.dtype), alpha=-rate)

    def _momentum_of(self, kernel: Tensor, momentum: float) -> Tensor:
        """Add the gradient to a kernel's momentum, and return Nesterov's look ahead from there."""
        state = self.state[kernel]
        if not state:
            # When Adam restores its states, it expects a step in each of them.
            state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(kernel)
        assert kernel.grad is not None
        state["momentum"].lerp_(kernel.grad, 1.0 - momentum)
        ahead: Tensor = kernel.grad.lerp(state["momentum"], momentum)
        return ahead


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (..., m, n) with all their singular values moved close to 1, between 0.7 and 1.2, in their precision."""
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    wide: Tensor = x.mT if tall else x
    if wide.dtype == torch.float32 and wide.shape[-1] >= 2 * wide.shape[-2]:
        wide = _iterate_squares(wide)
    else:
        for _ in range(_STEPS):
            wide = _quintic(wide @ wide.mT) @ wide
    return wide.mT if tall else wide


def _quintic(square: Tensor) -> Tensor:
    """(..., m, m): what the iteration multiplies X by, from X @ X.T."""
    a, b, c = _QUINTIC
    factor = b * square + c * square @ square
    factor.diagonal(dim1=-2, dim2=-1).add_(a)
    return factor


def _iterate_squares(wide: Tensor) -> Tensor:
    """All steps of the iteration on X @ X.T alone, all of whose factors commute, and one product with X at the end.

    The same result as step by step. For the kernel of a 3x3 convolution, n = 9 m, this takes 35 products of m x m with
    m x m in place of 95. Squares lose singular values below a thousandth of the largest to rounding; the iteration
    leaves those small anyway, and bfloat16, which would lose far more, goes step by step.
    """
    square = wide @ wide.mT
    factor = product = _quintic(square)
    for _ in range(_STEPS - 1):
        square = factor @ (factor @ square)
        factor = _quintic(square)
        product = factor @ product
    return product @ wide
