"""Interpolation on curves whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from rdct.evaluation import curves

RATE = np.geomspace(0.25, 4, 9)
ACCURACY = 0.9 + 0.01 * np.log2(RATE / 0.25)  # linear in log rate: any interpolation is exact


def at(rate, accuracy, target):
    """One reading."""
    return curves.bits_at(rate, accuracy, (target,))[0]


def test_bits_at_a_hand_made_curve():
    for target in (0.9, 0.913, 0.92, 0.94):
        expected = 0.25 * 2 ** ((target - 0.9) / 0.01)
        assert at(RATE, ACCURACY, target).rate == pytest.approx(expected, rel=1e-9)


def test_order_of_points_does_not_matter():
    order = np.random.default_rng(3).permutation(len(RATE))
    assert at(RATE[order], ACCURACY[order], 0.917) == at(RATE, ACCURACY, 0.917)


def test_never_extrapolates():
    assert at(RATE, ACCURACY, 0.9401) == (None, curves.NOT_REACHED)
    assert at(RATE, ACCURACY, 0.8999) == (None, curves.BELOW_SWEEP)


def test_six_points_at_least():
    assert at(RATE[:6], ACCURACY[:6], 0.92).rate is not None
    assert at(RATE[:5], ACCURACY[:5], 0.91) == (None, curves.TOO_FEW)
    missing = ACCURACY[:6].copy()
    missing[2] = np.nan
    assert at(RATE[:6], missing, 0.92) == (None, curves.TOO_FEW)
    assert curves.bd_rate(RATE[:5], ACCURACY[:5], RATE, ACCURACY) is None


def test_hull_drops_what_a_cheaper_point_matches():
    rate = [1.0, 2.0, 3.0, 3.0, 4.0, 5.0]
    accuracy = [0.90, 0.95, 0.93, 0.96, 0.96, 0.97]
    kept_rate, kept_accuracy = curves.monotone_hull(rate, accuracy)
    assert kept_rate.tolist() == [1.0, 2.0, 3.0, 5.0]
    assert kept_accuracy.tolist() == [0.90, 0.95, 0.96, 0.97]


def test_a_dip_neither_costs_nor_helps():
    dipped = ACCURACY.copy()
    dipped[4] -= 0.02
    left, right = at(RATE, dipped, ACCURACY[3]), at(RATE, dipped, ACCURACY[5])
    assert left.rate == pytest.approx(RATE[3]) and right.rate == pytest.approx(RATE[5])


def test_interpolation_is_monotone_and_stays_between_neighbours():
    rng = np.random.default_rng(5)
    accuracy = 0.9 + np.cumsum(rng.exponential(0.005, 10))
    rate = np.cumsum(rng.exponential(0.3, 10))
    read = [at(rate, accuracy, t).rate for t in np.linspace(accuracy[0], accuracy[-1], 200)]
    assert (
        np.all(np.diff(read) >= 0)
        and read[0] == pytest.approx(rate[0])
        and read[-1] == pytest.approx(rate[-1])
    )


def test_bd_rate_of_a_scaled_curve():
    assert curves.bd_rate(RATE * 0.8, ACCURACY, RATE, ACCURACY) == pytest.approx(-0.2)
    assert curves.bd_rate(RATE, ACCURACY, RATE, ACCURACY) == pytest.approx(0, abs=1e-12)
    # Only the shared accuracies count.
    assert curves.bd_rate(RATE[2:] * 0.8, ACCURACY[2:], RATE, ACCURACY) == pytest.approx(-0.2)
    assert curves.bd_rate(RATE, ACCURACY + 0.5, RATE, ACCURACY) is None
    # Other bits below the floor do not count above it.
    worse = np.where(ACCURACY < 0.915, RATE * 0.9, RATE * 0.8)
    assert curves.bd_rate(worse, ACCURACY, RATE, ACCURACY, floor=0.93) == pytest.approx(-0.2)
    assert curves.bd_rate(RATE, ACCURACY, RATE, ACCURACY, floor=0.95) is None


@pytest.mark.parametrize(
    ("rate", "accuracy", "words"), [([0.0, 1], [0.1, 0.2], "positive"), ([1.0], [0.1, 0.2], "equal")]
)
def test_refuses_what_is_no_curve(rate, accuracy, words):
    with pytest.raises(ValueError, match=words):
        curves.monotone_hull(rate, accuracy)
