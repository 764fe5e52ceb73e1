"""Hard example mining draws what its formula says, keeps its memory, and its lag is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from mpc.core.errors import SettingsError
from mpc.train.mining import MinedBatches, MiningSettings, MiningTable


def table(count: int, *, uniform: bool = False, seed: int = 0, alpha: float = 0.15, beta: float = 10.0) -> MiningTable:
    return MiningTable(count, alpha=alpha, beta=beta, unseen=0.0, uniform=uniform, seed=seed, purpose="views")


def draws(mining: MiningTable, steps: int, batch: int) -> np.ndarray:
    return np.bincount(np.concatenate([mining.draw(s, batch) for s in range(steps)]), minlength=len(mining.scores))


def test_weights_are_the_published_numbers() -> None:
    mining = table(2)
    mining.update(np.array([1]), np.array([1.0]), step=0)
    assert mining.weights() == pytest.approx([22026.4658, 28.0316], rel=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_hard_subject_is_drawn_by_its_weight(seed: int) -> None:
    """Twelve views at IoU 0.7-0.9 and one at 0.35: counts follow exp(-IoU/0.15 + 10) by chi-square."""
    scores = np.append(np.linspace(0.7, 0.9, 12), 0.35)
    mined, even = table(13, seed=seed), table(13, seed=seed, uniform=True)
    for mining in (mined, even):
        mining.update(np.arange(13), scores, step=0)
    expected = np.exp(-scores / 0.15 + 10.0)
    expected *= 8000 / expected.sum()
    counts = draws(mined, 500, 16)
    assert chisquare(counts, expected).pvalue > 1e-3
    assert counts[-1] / 8000 == pytest.approx(expected[-1] / 8000, abs=0.02)
    assert counts[-1] / 8000 > 0.5
    uniform = draws(even, 500, 16)
    assert chisquare(uniform).pvalue > 1e-3
    assert chisquare(uniform, expected).pvalue < 1e-12
    assert chisquare(counts).pvalue < 1e-12


def test_every_view_is_seen_early() -> None:
    """Unseen views count as IoU 0, so they come before those that are fair already."""
    mining = table(60)
    steps = 0
    while (mining.measured < 0).any():
        views = mining.draw(steps, 6)
        mining.update(views, np.full(6, 0.75), steps)
        steps += 1
    # 150 times less weight once seen: close to drawing without replacement (10 steps); the last few linger.
    assert steps < 40
    uniform = table(60, uniform=True)
    late = 0
    while (uniform.measured < 0).any():
        uniform.update(uniform.draw(late, 6), np.full(6, 0.75), late)
        late += 1
    assert steps < late


def test_draws_depend_on_seed_step_and_scores_alone() -> None:
    one, two = table(50, seed=4), table(50, seed=4)
    two.draw(0, 8)  # drawing leaves no trace
    assert (one.draw(3, 8) == two.draw(3, 8)).all()
    assert (one.draw(3, 8) != one.draw(4, 8)).any()
    assert (table(50, seed=5).draw(3, 8) != one.draw(3, 8)).any()


def test_a_view_drawn_twice_takes_the_mean() -> None:
    mining = table(3)
    mining.update(np.array([1, 1, 2]), np.array([0.2, 0.6, 0.9]), step=5)
    assert mining.scores.tolist() == [0.0, 0.4, 0.9]
    assert mining.drawn.tolist() == [0, 2, 1]
    assert mining.measured.tolist() == [-1, 5, 5]
    assert mining.hardest().tolist() == [1, 2]


def test_summary_states_the_effective_sample_size() -> None:
    mining = table(10)
    assert mining.summary()["weights_ess"] == pytest.approx(10.0)
    mining.update(np.arange(1, 10), np.ones(9), step=0)
    summary = mining.summary()
    weights = np.array([np.exp(10.0), *[np.exp(10.0 - 1 / 0.15)] * 9])
    assert summary["weights_ess"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert summary["scores_histogram"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 9]
    assert summary["seen"] == 9


def test_texture_form() -> None:
    """exp(error / 0.7): 1 without error, 4.17 at the largest; unseen views count as the largest."""
    mining = MiningTable(2, alpha=0.7, beta=0.0, unseen=-1.0, uniform=False, seed=0, purpose="texture")
    mining.update(np.array([0]), np.array([-0.0]), step=0)
    assert mining.weights() == pytest.approx([1.0, 4.1727], rel=1e-4)
    assert mining.summary()["scores_histogram"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_the_lag_of_prefetched_draws_is_bounded_and_told(prefetch: int) -> None:
    """A consumer that asks `prefetch` batches ahead, as loader workers do, sees exactly that lag and no other."""
    batches = MinedBatches(table(20), 4, first=0, last=12)
    source = iter(batches)
    ahead = [next(source) for _ in range(prefetch)]
    lags = []
    for _ in range(12):
        ahead.extend([item] if (item := next(source, None)) is not None else [])
        asked = ahead.pop(0)
        views, lag = batches.take()
        assert [view for view, _ in asked] == views.tolist()
        lags.append(lag)
    assert max(lags) == prefetch
    assert lags[prefetch:] == [prefetch] * (12 - prefetch)


def test_pending_draws_continue_an_interrupted_run() -> None:
    def play(batches: MinedBatches, mining: MiningTable, steps: int, ahead: int) -> list[list[tuple[int, int]]]:
        source, waiting, seen = iter(batches), [], []
        for _ in range(steps):
            while len(waiting) < ahead + 1 and (item := next(source, None)) is not None:
                waiting.append(item)
            seen.append(waiting.pop(0))
            views, _ = batches.take()
            mining.update(views, np.sin(views * 1.7) * 0.4 + 0.5, batches.step - 1)
        return seen

    whole_table = table(30)
    whole = play(MinedBatches(whole_table, 4, first=0, last=20), whole_table, 20, ahead=2)
    first_table = table(30)
    first = MinedBatches(first_table, 4, first=0, last=20)
    seen = play(first, first_table, 9, ahead=2)
    second_table = table(30)
    second_table.restore(first_table.state())
    second = MinedBatches(second_table, 4, first=9, last=20, pending=first.pending())
    seen += play(second, second_table, 11, ahead=2)
    assert seen == whole
    assert (second_table.scores == whole_table.scores).all()


def test_ranks_share_out_one_batch() -> None:
    whole = next(iter(MinedBatches(table(30), 6, first=2, last=3)))
    parts = [next(iter(MinedBatches(table(30), 6, first=2, last=3, rank=r, world=2))) for r in (0, 1)]
    assert [item for pair in zip(*parts, strict=True) for item in pair] == whole
    assert [draw for _, draw in whole] == list(range(12, 18))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="none, item, point, both"):
        MiningSettings(mode="hard")
    with pytest.raises(SettingsError, match="surface_alpha"):
        MiningSettings(surface_alpha=0.0)
    with pytest.raises(SettingsError, match="no view"):
        table(0)
    with pytest.raises(SettingsError, match="weights of 3 views, the data has 4"):
        table(4).restore(table(3).state())
