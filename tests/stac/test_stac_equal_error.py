"""Levels from second-order sensitivity: equal errors, tempered, within the ladder."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from stac import equal_error_levels
from stac.levels import region_index

LEVELS, MIDDLE = 16, 8
#: Quarter octaves around the middle, and coarse enough that rounding hardly shows.
STEPS = np.broadcast_to(
    np.rint(400 * 2.0 ** ((np.arange(LEVELS) - MIDDLE) / 4))[:, None, None, None], (LEVELS, 3, 8, 8)
).astype(np.uint16)


def sensitivity_of(weights, subsampling=(1, 1), region=3):
    """One h throughout each region, by a map of them; whole regions."""
    rows, cols = weights.shape
    planes = []
    for fy, fx in ((1, 1), subsampling, subsampling):
        at_rows = region_index(rows * region // fy, fy, region, rows)
        at_cols = region_index(cols * region // fx, fx, region, cols)
        plane = weights[np.ix_(at_rows, at_cols)][..., None, None]
        planes.append(np.broadcast_to(plane, (*plane.shape[:2], 8, 8)).astype(np.float32))
    return SimpleNamespace(planes=tuple(planes), height=8 * region * rows, width=8 * region * cols)


def octaves_apart(levels):
    return (levels.astype(int) - MIDDLE) / 4


@pytest.mark.parametrize("temper", [0, 0.25, 0.5, 1])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_a_power_of_the_sensitivity(temper, subsampling):
    weights = np.array([[1.0, 4, 16, 1], [2, 1, 8, 4]])
    region = 4 if subsampling == (2, 2) else 3
    chosen = equal_error_levels(
        sensitivity_of(weights, subsampling, region), (STEPS, None), region_blocks=region, temper=temper
    )
    wanted = -temper / 2 * np.log2(weights / weights.mean())
    np.testing.assert_allclose(octaves_apart(chosen.level_map), wanted, atol=0.1251 + 0.01)
    np.testing.assert_allclose(chosen.rho, weights / weights.mean(), rtol=1e-5)
    assert chosen.level_map.dtype == np.uint8


def test_untempered_errors_are_equal():
    rng = np.random.default_rng(1)
    weights = 2 ** rng.uniform(-1.5, 1.5, (6, 7))
    chosen = equal_error_levels(sensitivity_of(weights), (STEPS, None), temper=1)
    errors = weights * STEPS[chosen.level_map, 0, 0, 0].astype(float) ** 2
    assert errors.max() / errors.min() < 2**0.51  # half a level either way, squared
    spread = weights.max() / weights.min()
    assert spread > 4
    assert chosen.realised_sum == pytest.approx(
        (errors / 24).sum() * 9 * 64 * 3, rel=1e-4
    )  # 1/2 h q^2 / 12 over 9 blocks of 64 coefficients in 3 planes


def test_only_relative_sensitivity_counts():
    weights = 2 ** np.random.default_rng(2).uniform(-3, 3, (4, 5))
    first = equal_error_levels(sensitivity_of(weights), (STEPS, None))
    again = equal_error_levels(sensitivity_of(weights * 1e-9), (STEPS, None))
    np.testing.assert_array_equal(first.level_map, again.level_map)
    assert len(np.unique(first.level_map)) > 4


def test_nothing_to_lose():
    weights = np.ones((3, 4))
    weights[1, 2] = 0
    levels = equal_error_levels(sensitivity_of(weights), (STEPS, None)).level_map
    assert levels[1, 2] == LEVELS - 1
    assert (np.delete(levels.ravel(), 6) == MIDDLE).all()
    nothing = equal_error_levels(sensitivity_of(0 * weights), (STEPS, None))
    assert (nothing.level_map == MIDDLE).all()


def test_refuses():
    with pytest.raises(ValueError, match=r"temper is 1.5, outside 0..1"):
        equal_error_levels(sensitivity_of(np.ones((2, 2))), (STEPS, None), temper=1.5)
