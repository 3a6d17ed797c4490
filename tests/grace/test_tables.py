"""GRACE's formulae: shares, caps, levels, the logarithmic grid."""

from __future__ import annotations

import numpy as np
import pytest

from grace.tables import (
    capped_table,
    floored,
    grace_table,
    level_budgets,
    level_offsets,
    log_base,
    rounded_steps,
)


@pytest.fixture
def gradient():
    return np.random.default_rng(0).lognormal(-14, 1, (3, 8, 8))


def test_equal_shares(gradient):
    m, budget = 3 * 64 * 100, 0.02
    steps = grace_table(gradient, budget, m)
    shares = gradient * steps / 2
    np.testing.assert_allclose(shares, budget / m)
    # 100 blocks of each component: all shares together are the budget.
    assert 100 * shares.sum() == pytest.approx(budget)


def test_floor():
    gradient = np.ones((3, 8, 8))
    gradient[0, 7, 7] = 0
    assert floored(gradient)[0, 7, 7] == pytest.approx(1e-3)
    assert grace_table(gradient, 1, 192)[0, 7, 7] == pytest.approx(2000 / 192)
    with pytest.raises(ValueError, match="does not react"):
        floored(np.zeros((3, 8, 8)))


def test_capped_by_hand():
    # One component of a single block: theta = (1, 2, 4 and 61 x 100) and B = 64.
    gradient = np.ones((1, 8, 8))
    size = np.full(64, 1e6)
    size[:3] = 0.1, 0.4, 0.9
    d = capped_table(gradient, size.reshape(1, 8, 8), 64, 64, (1,)).ravel() / 2
    # 61 d + 0.1 + 0.4 + 0.9 = 64
    np.testing.assert_allclose(d[:3], [0.1, 0.4, 0.9])
    np.testing.assert_allclose(d[3:], (64 - 1.4) / 61)
    zero = capped_table(gradient, size.reshape(1, 8, 8), 64, 64, (1,), "zero").ravel() / 2
    assert np.isinf(zero[:3]).all()
    np.testing.assert_array_equal(zero[3:], d[3:])
    assert rounded_steps(zero)[0] == 4095


@pytest.mark.parametrize("weights", [(1, 1, 1), (2, 1, 1), (4, 1, 1)])
def test_capped_properties(gradient, weights):
    rng = np.random.default_rng(1)
    size = rng.lognormal(0, 2, (3, 8, 8))
    m = 64 * 50 * sum(weights)
    count = np.array(weights)[:, None, None] * 50
    theta = gradient * size
    full = float((theta * count).sum())
    for budget in full * np.array([1e-4, 0.01, 0.3, 0.9, 0.999]):
        steps = capped_table(gradient, size, budget, m, weights)
        d = gradient * steps / 2
        assert (d <= theta * (1 + 1e-12)).all()
        assert (steps <= 2 * size * (1 + 1e-12)).all()
        assert (d * count).sum() == pytest.approx(budget)
        # Water: all that are not at their cap stand at one level, no cap in use lies above it.
        open_ = d < theta * (1 - 1e-9)
        if open_.any():
            level = d[open_].max()
            np.testing.assert_allclose(d[open_], level)
            assert (d[~open_] <= level * (1 + 1e-9)).all()
            # Never finer than the table without caps where no cap binds.
            plain = grace_table(gradient, budget, m)
            assert (steps[open_] >= plain[open_] * (1 - 1e-12)).all()
    np.testing.assert_allclose(capped_table(gradient, size, 2 * full, m, weights), 2 * size)


def test_capped_without_binding_caps_is_plain(gradient):
    m = 64 * 3 * 10
    plain = grace_table(gradient, 1e-6, m)
    np.testing.assert_allclose(capped_table(gradient, np.full((3, 8, 8), 1e9), 1e-6, m), plain)


def test_capped_with_coefficients_that_never_occur(gradient):
    size = np.ones((3, 8, 8))
    size[:, 7, 7] = 0
    steps = capped_table(gradient, size, 1e-5, 192)
    assert (steps[:, 7, 7] == 0).all() and rounded_steps(steps).min() == 1


def test_level_budgets():
    found = level_budgets(0.5)
    assert len(found) == 16 and found[8] == 0.5
    np.testing.assert_allclose(found, 0.5 * 4 ** ((np.arange(16) - 8) / 8))
    assert found[0] == pytest.approx(0.125) and found[15] < 2
    assert level_offsets(16, 4).tolist() == list(range(-32, 32, 4))


def test_level_budgets_elsewhere():
    assert level_budgets(2.0, 1).tolist() == [2.0]
    assert level_budgets(2.0, 8, 16)[4] == 2.0
    np.testing.assert_allclose(level_budgets(1, 5, 3), 3 ** ((np.arange(5) - 2) / 2.5), rtol=0.03)
    for arguments, message in (((0,), "levels"), ((65,), "levels"), ((16, 0.5), "rho")):
        with pytest.raises(ValueError, match=message):
            level_budgets(1, *arguments)
    with pytest.raises(ValueError, match="8 octaves"):
        level_offsets(16, 1000)
    with pytest.raises(ValueError, match="budget"):
        level_budgets(0)


def test_log_base_is_within_its_tolerance():
    steps = np.geomspace(1, 4095, 999)
    grid = 2 ** (log_base(steps) / 16)
    assert np.abs(grid / steps - 1).max() <= 0.022
    assert log_base(np.array([0.1, 1, 2, 1e9])).tolist() == [0, 0, 16, 255]
    with pytest.raises(ValueError, match="positive"):
        log_base(np.array([0.0]))


def test_rounded_steps():
    assert rounded_steps(np.array([0.2, 1.6, 300, 9e9])).tolist() == [1, 2, 300, 4095]
    assert rounded_steps(np.array([300.0]), 255).tolist() == [255]


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"mean_gradient must be \[components, 8, 8\]"):
        floored(np.ones((8, 8)))
    with pytest.raises(ValueError, match="finite"):
        floored(np.full((3, 8, 8), np.nan))
    with pytest.raises(ValueError, match="same components"):
        capped_table(np.ones((3, 8, 8)), np.ones((3, 8, 8)), 1, 1, (1, 1))
    with pytest.raises(ValueError, match="at_cap"):
        capped_table(np.ones((3, 8, 8)), np.ones((3, 8, 8)), 1, 1, at_cap="never")
