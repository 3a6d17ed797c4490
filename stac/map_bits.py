"""What a level map costs in the stream, and the map that is worth its bits.

The trained contexts of docs/bitstream.md, section 5, predict a level from its neighbours W, N, NW and NE, to
a sixteenth, and learn how far off that is. Near enough for a choice: the distance follows a logistic
distribution whose width depends on how much the neighbours differ. (Of maps with hardly any change in them
it says too much: the coder soon knows better.)
"""

from __future__ import annotations

import numpy as np

__all__ = ["best_map", "map_bits"]

# By activity class; of rate-aware maps of CamVid train pictures, two networks.
_WIDTHS = (1.1, 1.0, 1.0, 1.1, 1.4)
_ACTIVITY = (0, 2, 5, 10)
# A region's level is asked for by itself and by the four that have it as a neighbour.
_ASKED_BY = ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))
# Regions so far apart are in no context together, so one class of them moves at a time.
_APART = 2, 3
_SWEEPS = 8
_RISE = 4


def _table(levels: int) -> np.ndarray:
    """Bits by activity class and distance from the prediction, in sixteenths."""
    width = 16 * np.array(_WIDTHS)[:, None]
    distance = np.arange(16 * levels)
    inside = np.tanh((distance + 8) / (2 * width)) - np.tanh((distance - 8) / (2 * width))
    return -np.log2(inside / 2)


def _bits_at(table: np.ndarray, maps: np.ndarray, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Bits of the regions (row, col) ``[n]`` of maps int ``[..., rows, cols]``: ``[..., n]``."""
    levels, cols = table.shape[1] // 16, maps.shape[-1]
    up, left, right = np.maximum(row - 1, 0), np.maximum(col - 1, 0), np.minimum(col + 1, cols - 1)
    inside = row > 0
    n = maps[..., up, col]
    w = np.where(col > 0, maps[..., row, left], np.where(inside, n, levels // 2))
    n = np.where(inside, n, w)
    nw = np.where(inside & (col > 0), maps[..., up, left], n)
    ne = np.where(inside & (col < cols - 1), maps[..., up, right], n)
    activity = abs(w - n) + abs(n - ne) + abs(w - nw)
    fine = 10 * w + 6 * n - 2 * nw + 2 * ne + np.clip(levels // 2 - w, -7, 7)
    miss = abs(16 * maps[..., row, col] - np.clip(fine, 0, 16 * (levels - 1)))
    return table[np.searchsorted(_ACTIVITY, activity), miss]


def map_bits(level_map: np.ndarray, levels: int) -> float:
    """About how many bits a map takes; no SKIP in it.

    Parameters
    ----------
    level_map : numpy.ndarray
        Integers ``[rows, cols]`` below `levels`.
    levels : int

    Returns
    -------
    float
    """
    row, col = (axis.ravel() for axis in np.indices(level_map.shape))
    return float(_bits_at(_table(levels), level_map.astype(np.int64), row, col).sum())


def best_map(cost: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """The map of least cost, its own bits included: iterated conditional modes.

    Region by region the level is taken that costs least with all others as they are, until none moves. It
    begins without the map's bits, and they come to weigh little by little, so that plateaus form where
    they belong and not where a first sweep happened to begin.

    Parameters
    ----------
    cost : numpy.ndarray
        ``[rows, cols, L]``: bits of a region at a level, or what is worth as many.
    weight : float
        Of the map's bits, not negative. 1 is what they cost, more makes smoother maps.

    Returns
    -------
    numpy.ndarray
        int64 ``[rows, cols]``, never dearer than the cheapest levels taken one by one.
    """
    levels = cost.shape[-1]
    first = cost.argmin(-1)
    if weight == 0 or levels == 1:
        return first
    table, best = _table(levels), first.copy()
    for sweep in range(_SWEEPS):
        before = best.copy()
        for y in range(_APART[0]):
            for x in range(_APART[1]):
                _move(cost, weight * min(1, (sweep + 1) / _RISE), table, best, (y, x))
        if sweep >= _RISE and np.array_equal(best, before):
            break

    def total(levels_at: np.ndarray) -> float:
        own = np.take_along_axis(cost, levels_at[..., None], -1).sum()
        return float(own + weight * map_bits(levels_at, levels))

    return best if total(best) <= total(first) else first


def _move(
    cost: np.ndarray, weight: float, table: np.ndarray, best: np.ndarray, start: tuple[int, int]
) -> None:
    """Let one class of regions choose anew."""
    rows, cols, levels = cost.shape
    grid = np.meshgrid(
        np.arange(start[0], rows, _APART[0]), np.arange(start[1], cols, _APART[1]), indexing="ij"
    )
    row, col = (axis.ravel() for axis in grid)
    if row.size == 0:
        return
    tried = np.repeat(best[None], levels, 0)
    tried[:, row, col] = np.arange(levels)[:, None]
    total = cost[row, col].T.copy()
    for down, right in _ASKED_BY:
        y, x = row + down, col + right
        there = (y < rows) & (x >= 0) & (x < cols)
        total[:, there] += weight * _bits_at(table, tried, y[there], x[there])
    best[row, col] = total.argmin(0)
