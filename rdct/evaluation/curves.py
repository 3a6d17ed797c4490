"""Rate-accuracy curves: the monotone hull, bits at equal accuracy, BD-rate.

All interpolation is of log rate as a function of accuracy, piecewise cubic and monotone (PCHIP),
and never reaches beyond the measured points: what was not reached is None, with the reason.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["MIN_POINTS", "Reading", "bd_rate", "bits_at", "monotone_hull"]

#: A curve of fewer measured points answers nothing.
MIN_POINTS = 6

NOT_REACHED = "not reached"
BELOW_SWEEP = "below the sweep"
TOO_FEW = "too few points"


class Reading(NamedTuple):
    """Rate at the accuracy asked for; None with the reason where the curve does not tell."""

    rate: float | None
    why: str = ""


def monotone_hull(rate: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points that no cheaper (or equally cheap) point matches in accuracy.

    A user can always take the cheaper of two settings that are equally good, so a dip in a
    noisy curve costs nothing; the same rule holds for every system.

    Returns
    -------
    rate, accuracy : numpy.ndarray
        Both strictly increasing.
    """
    rate, accuracy = np.asarray(rate, float), np.asarray(accuracy, float)
    if rate.shape != accuracy.shape or rate.ndim != 1:
        raise ValueError(f"rate is {rate.shape}, accuracy {accuracy.shape}; both must be equal and 1-D")
    known = np.isfinite(rate) & np.isfinite(accuracy)
    if np.any(rate[known] <= 0):
        raise ValueError("rates must be positive")
    rate, accuracy = rate[known], accuracy[known]
    order = np.lexsort((-accuracy, rate))
    rate, accuracy = rate[order], accuracy[order]
    before = np.maximum.accumulate(np.concatenate(([-np.inf], accuracy)))[:-1]
    keep = accuracy > before
    return rate[keep], accuracy[keep]


def _measured(rate: np.ndarray, accuracy: np.ndarray) -> int:
    return int(
        np.count_nonzero(np.isfinite(np.asarray(rate, float)) & np.isfinite(np.asarray(accuracy, float)))
    )


def _log_rate(rate: np.ndarray, accuracy: np.ndarray):
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(accuracy, np.log(rate), extrapolate=False)


def bits_at(rate: np.ndarray, accuracy: np.ndarray, targets: tuple[float, ...]) -> list[Reading]:
    """The rates at which a curve reaches each of `targets`.

    Parameters
    ----------
    rate, accuracy : array_like
        The measured points, in any order; non-finite ones are left out.
    targets : tuple of float
        The accuracies wanted.

    Returns
    -------
    list of Reading
        `rate` is None if the best point stays under the target ("not reached"), if the cheapest
        measured point is already above it ("below the sweep"), or if fewer than `MIN_POINTS`
        points were measured.
    """
    if _measured(rate, accuracy) < MIN_POINTS:
        return [Reading(None, TOO_FEW)] * len(targets)
    rate, accuracy = monotone_hull(rate, accuracy)
    inside = [target for target in targets if accuracy[0] <= target <= accuracy[-1]]
    if len(rate) == 1:
        read = dict.fromkeys(inside, float(rate[0]))
    else:
        # Kept within the hull: exp(log(rate)) need not give the end points back to the last bit.
        at = np.clip(np.exp(_log_rate(rate, accuracy)(inside)), rate[0], rate[-1])
        read = dict(zip(inside, at.tolist(), strict=True))
    return [
        Reading(read[target])
        if target in read
        else Reading(None, NOT_REACHED if target > accuracy[-1] else BELOW_SWEEP)
        for target in targets
    ]


def bd_rate(
    rate: np.ndarray,
    accuracy: np.ndarray,
    reference_rate: np.ndarray,
    reference_accuracy: np.ndarray,
    floor: float = -np.inf,
) -> float | None:
    """Bjontegaard's rate difference, as a share (-0.2 = a fifth fewer bits than the reference).

    The mean difference of log rate over the accuracies that both curves reach, from `floor` up:
    without a floor, the accuracies at which nobody would work fill most of the range.

    Returns
    -------
    float or None
        None if the curves share no accuracies or have fewer than `MIN_POINTS` points.
    """
    pairs = []
    for r, a in ((rate, accuracy), (reference_rate, reference_accuracy)):
        if _measured(r, a) < MIN_POINTS:
            return None
        pairs.append(monotone_hull(r, a))
    low = max(floor, *(a[0] for _, a in pairs))
    high = min(a[-1] for _, a in pairs)
    if any(len(a) < 2 for _, a in pairs) or not high > low:
        return None
    ours, theirs = (float(_log_rate(r, a).integrate(low, high)) for r, a in pairs)
    return float(np.expm1((ours - theirs) / (high - low)))
