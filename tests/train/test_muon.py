"""Muon against the singular value decomposition, a closed-form step, and its own saved state."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mpc.train.muon import Muon, orthogonal


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 24), st.integers(1, 40), st.integers(0, 10**6))
def test_all_singular_values_come_near_one_and_directions_stay(rows, columns, seed):
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.normal(size=(rows, rows)))
    right, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    rank = min(rows, columns)
    values = rng.uniform(0.05, 1.0, rank)
    matrix = left[:, :rank] * values @ right[:, :rank].T
    turned = orthogonal(torch.from_numpy(matrix.astype(np.float32))).double().numpy()
    # In the matrix's own singular vectors the result is diagonal.
    inner = left[:, :rank].T @ turned @ right[:, :rank]
    assert np.abs(inner - np.diag(np.diag(inner))).max() < 1e-3
    assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(inner), rel=1e-4)
    if values.min() / np.linalg.norm(values) > 0.02:
        assert np.diag(inner).min() > 0.65
        assert np.diag(inner).max() < 1.25


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(64, 1)
    )


def one_step(net, optimiser, seed):
    x = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    optimiser.zero_grad()
    net(x).square().mean().backward()
    optimiser.step()


def test_kernels_turn_the_rest_steps_as_adamw():
    ours, plain = network(), network()
    muon, adamw = (
        Muon(ours.parameters(), lr=1e-2, weight_decay=0.1),
        torch.optim.AdamW(plain.parameters(), lr=1e-2, weight_decay=0.1),
    )
    before = ours[0].weight.detach().clone()
    one_step(ours, muon, 1)
    one_step(plain, adamw, 1)
    for index, name in ((1, "weight"), (1, "bias"), (2, "weight"), (4, "weight"), (4, "bias"), (0, "bias")):
        assert torch.equal(getattr(ours[index], name), getattr(plain[index], name)), (index, name)
    # The first momentum is a multiple of the gradient: the step has the gradient's singular vectors, length 0.1 each.
    step = (before - ours[0].weight.detach()).reshape(8, -1)
    values = torch.linalg.svdvals(step)
    assert values.max() < 0.125
    left, _, right = torch.linalg.svd(ours[0].weight.grad.reshape(8, -1), full_matrices=False)
    inner = left.T @ step @ right.T
    assert (inner - torch.diag(inner.diag())).abs().max() < 1e-4
    assert (inner.diag() > 0).all()


def test_saved_and_restored_it_goes_on_bit_for_bit():
    whole, first = network(), network()
    one, two = Muon(whole.parameters(), lr=1e-2), Muon(first.parameters(), lr=1e-2)
    for seed in range(4):
        one_step(whole, one, seed)
    for seed in range(2):
        one_step(first, two, seed)
    second = network()
    second.load_state_dict(first.state_dict())
    three = Muon(second.parameters(), lr=1.0)
    three.load_state_dict(two.state_dict())
    for seed in (2, 3):
        one_step(second, three, seed)
    for a, b in zip(whole.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_it_learns_faster_than_the_first_loss():
    net = network()
    optimiser = Muon(net.parameters(), lr=2e-3)
    x = torch.randn(32, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    y = x[:, 0].mean(dim=(1, 2))[:, None]
    losses = []
    for _ in range(120):
        optimiser.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_batch_of_matrices_is_each_of_them_and_bfloat16_is_near_enough():
    matrices = torch.randn(3, 12, 30, generator=torch.Generator().manual_seed(2))
    together = orthogonal(matrices)
    for one, turned in zip(matrices, together, strict=True):
        torch.testing.assert_close(orthogonal(one), turned, atol=1e-5, rtol=1e-4)
    halves = orthogonal(matrices.bfloat16())
    assert halves.dtype == torch.bfloat16
    values = torch.linalg.svdvals(halves.float())
    assert values.min() > 0.6
    assert values.max() < 1.3
    torch.testing.assert_close(halves.float(), together, atol=0.05, rtol=0)
