"""From mean gradients to quantisation tables: GRACE's formulae, in floating point.

Units: a *budget* B is the allowed first-order increase of the loss of one picture. Coefficient i
with gradient g_i and step q_i can add at most d_i = |g_i| q_i / 2, rounding being off by half a step
at most. M counts the coded coefficients of the picture. Equal shares d_i = B / M give the step
q = 2 B / (M gbar) with gbar the mean \\|g\\| of that component and frequency. Since the loss is a mean
over pixels, M gbar does not depend on the size of the picture, and neither do B and q.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "MAX_STEP",
    "MAX_STEP_JPEG",
    "capped_table",
    "floored",
    "grace_table",
    "level_budgets",
    "level_offsets",
    "log_base",
    "rounded_steps",
]

MAX_STEP = 4095
MAX_STEP_JPEG = 255
#: Mean gradients below this share of their median count as this much.
FLOOR = 1e-3


def _tables(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 3 or values.shape[1:] != (8, 8):
        raise ValueError(f"{name} must be [components, 8, 8], got {list(values.shape)}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name} must be finite and not negative")
    return values


def _positive(value: float, name: str) -> float:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive, got {value}")
    return float(value)


def floored(mean_gradient: np.ndarray) -> np.ndarray:
    """Mean gradients with those near zero raised to a thousandth of the median.

    A frequency that never mattered on the pictures seen would else get a step without bound.
    """
    mean_gradient = _tables(mean_gradient, "mean_gradient")
    median = float(np.median(mean_gradient))
    if median <= 0:
        raise ValueError(
            "most mean gradients are 0: the network does not react to its input "
            "(saturated, constant, or certain everywhere)"
        )
    return np.maximum(mean_gradient, FLOOR * median)


def grace_table(mean_gradient: np.ndarray, budget: float, coefficients: int) -> np.ndarray:
    """Steps that give every coefficient an equal share of the budget.

    Parameters
    ----------
    mean_gradient : numpy.ndarray
        ``[components, 8, 8]``: mean \\|g\\|.
    budget : float
        B.
    coefficients : int
        M, of the pictures that `mean_gradient` speaks of.

    Returns
    -------
    numpy.ndarray
        float64 ``[components, 8, 8]``, neither rounded nor clipped.
    """
    _positive(coefficients, "coefficients")
    return 2 * _positive(budget, "budget") / (coefficients * floored(mean_gradient))


def capped_table(
    mean_gradient: np.ndarray,
    mean_coefficient: np.ndarray,
    budget: float,
    coefficients: int,
    weights: tuple[float, ...] = (1, 1, 1),
    at_cap: str = "printed",
) -> np.ndarray:
    """GRACE's table with its cap: a coefficient coded as zero hurts no more than its own size.

    The product of all d is made largest under sum d <= B and d <= theta = gbar * mean \\|s\\|. Like
    water in a vessel of uneven depth: every d equals one level, except where its cap is lower.

    Parameters
    ----------
    mean_gradient, mean_coefficient : numpy.ndarray
        ``[components, 8, 8]``: mean \\|g\\| and mean \\|s\\|.
    budget : float
        B. Where all caps together stay below it, the result is the caps.
    coefficients : int
        M.
    weights : tuple of float
        Relative numbers of blocks of the components: (1, 1, 1) for 4:4:4, (4, 1, 1) for 4:2:0.
    at_cap : {"printed", "zero"}
        Step of a frequency that stands at its cap. "printed": ``q = 2 d / gbar`` as everywhere, which
        is twice its mean \\|s\\|; a third of its coefficients are then coded all the same, at a loss
        that was already granted. "zero": without bound, so that none is: what the cap means.

    Returns
    -------
    numpy.ndarray
        float64 ``[components, 8, 8]``, neither rounded nor clipped. With "printed" a step never
        exceeds twice the mean \\|s\\| of its coefficient; with "zero" it may be infinite.
    """
    if at_cap not in ("printed", "zero"):
        raise ValueError(f'at_cap must be "printed" or "zero", got {at_cap!r}')
    gradient = floored(mean_gradient)
    theta = gradient * _tables(mean_coefficient, "mean_coefficient")
    if theta.shape != gradient.shape or len(weights) != len(gradient):
        raise ValueError(
            f"mean_gradient {list(gradient.shape)}, mean_coefficient {list(theta.shape)} and "
            f"weights {list(weights)} must speak of the same components"
        )
    _positive(budget, "budget")
    # How many coefficients of the picture stand behind each of the entries.
    share = np.asarray(weights, np.float64)
    count = np.broadcast_to(
        (_positive(coefficients, "coefficients") * share / share.sum() / 64)[:, None, None],
        theta.shape,
    )
    # Caps ascending: below the water all are full; the first one that is not shows the level.
    order = np.argsort(theta, axis=None)
    caps, counts = theta.ravel()[order], count.ravel()[order]
    used = np.concatenate(([0.0], np.cumsum(caps * counts)))[:-1]
    remaining = counts[::-1].cumsum()[::-1]
    levels = (budget - used) / remaining
    above = np.flatnonzero(levels < caps)
    level = levels[above[0]] if above.size else np.inf
    full = theta <= level
    shares = np.where(full, np.inf if at_cap == "zero" else theta, level)
    return 2 * shares / gradient


def level_offsets(levels: int, rho: float) -> np.ndarray:
    """Levels as sixteenths of an octave around the middle one: int8 ``[levels]``, rising.

    Exactly ``rho ** ((l - levels // 2) / (levels / 2))``, rounded to the grid of the stream's
    logarithmic tables; nothing is lost at 16 levels and rho = 4.
    """
    if not 1 <= levels <= 64:
        raise ValueError(f"levels must be 1..64, got {levels}")
    if not (np.isfinite(rho) and rho >= 1):
        raise ValueError(f"rho must be at least 1, got {rho}")
    position = np.arange(levels) - levels // 2
    offsets = np.rint(16 * np.log2(rho) * position / max(levels / 2, 1)).astype(np.int64)
    if np.abs(offsets).max() > 127:
        raise ValueError(f"rho {rho:g} spans more than the 8 octaves either way that a stream holds")
    return offsets.astype(np.int8)


def level_budgets(budget: float, levels: int = 16, rho: float = 4.0) -> np.ndarray:
    """Geometric budgets around B: B / rho at level 0, exactly B at level ``levels // 2``.

    Parameters
    ----------
    budget : float
        B.
    levels : int
        L, 1..64.
    rho : float
        Half the range, as a factor.

    Returns
    -------
    numpy.ndarray
        float64 ``[levels]``, on the grid of `level_offsets`.
    """
    return _positive(budget, "budget") * 2.0 ** (level_offsets(levels, rho) / 16)


def log_base(steps: np.ndarray) -> np.ndarray:
    """Steps in sixteenths of an octave, uint8: within 2.2 % of what they were.

    Steps below 1 count as 1. Those beyond the stream's 4095 are kept up to 2 ** 16, since finer levels
    and scales bring them back into range.
    """
    steps = np.asarray(steps, np.float64)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise ValueError("steps must be finite and positive")
    return np.clip(np.rint(16 * np.log2(steps)), 0, 255).astype(np.uint8)


def rounded_steps(steps: np.ndarray, maximum: int = MAX_STEP) -> np.ndarray:
    """Whole steps, uint16, within 1..`maximum` (4095 in a native stream, 255 in a JPEG)."""
    return np.clip(np.rint(np.asarray(steps, np.float64)), 1, maximum).astype(np.uint16)
