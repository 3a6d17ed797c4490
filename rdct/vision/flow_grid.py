"""What is computed on the cells of a flow: composition, and the nearest fill.

Compiled by numba; each has its plain numpy reference beside it, which gives the same numbers.
"""

from __future__ import annotations

import numpy as np

from rdct.vision.bands import in_bands
from rdct.vision.compiled import compiled

__all__ = ["compose", "compose_reference", "fill", "fill_reference", "still_excess"]


@compiled
def _compose(start, stop, step, before, excess_before, stride, values, excess):
    rows, columns, _ = step.shape
    for i in range(start, stop):
        for j in range(columns):
            u, v = j + step[i, j, 0] / np.float64(stride), i + step[i, j, 1] / np.float64(stride)
            farthest = (max(-0.5 - u, u - (columns - 0.5)), max(-0.5 - v, v - (rows - 0.5)))
            u, v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
            left, top = int(u), int(v)
            right, below = min(left + 1, columns - 1), min(top + 1, rows - 1)
            a, b = u - left, v - top
            for c in range(2):
                above = before[top, left, c] * (1.0 - a) + before[top, right, c] * a
                under = before[below, left, c] * (1.0 - a) + before[below, right, c] * a
                values[i, j, c] = step[i, j, c] + (above * (1.0 - b) + under * b)
                above = excess_before[top, left, c] * (1.0 - a) + excess_before[top, right, c] * a
                under = excess_before[below, left, c] * (1.0 - a) + excess_before[below, right, c] * a
                here, last = (i, rows) if c else (j, columns)
                end = here + values[i, j, c] / np.float64(stride)
                now = max(-0.5 - end, end - (last - 0.5))
                excess[i, j, c] = max(max(farthest[c], now), above * (1.0 - b) + under * b)


def still_excess(rows: int, columns: int) -> np.ndarray:
    """`compose`'s excess where nothing has moved yet: f32 ``[rows, columns, 2]``, all negative."""
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    return np.stack([np.maximum(-x, x - (columns - 1)), np.maximum(-y, y - (rows - 1))], -1) - np.float32(0.5)


def compose(
    step: np.ndarray, before: np.ndarray, excess_before: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """One step in front of a composed flow.

    Parameters
    ----------
    step : numpy.ndarray
        f32 ``[rows, columns, 2]``, b in pixels.
    before : numpy.ndarray
        f32 of the same shape, the flow composed so far.
    excess_before : numpy.ndarray
        f32 of the same shape: see below.
    stride : int
        Side of a cell in pixels.

    Returns
    -------
    values : numpy.ndarray
        f32, b(x) + A(x + b(x)), A bilinear between the centres of cells and constant outside the outermost.
    excess : numpy.ndarray
        f32 ``[rows, columns, 2]``: how far outside the picture the way from x to the keyframe has gone at
        its farthest, along x and along y, in cells; negative where it has stayed inside. A distance and
        not a mask, since a mask would move by whole cells: a distance moves with its surroundings.
    """
    values, excess = np.empty(step.shape, np.float32), np.empty(step.shape, np.float32)
    in_bands(_compose, len(step), None, step, before, excess_before, stride, values, excess)
    return values, excess


def compose_reference(
    step: np.ndarray, before: np.ndarray, excess_before: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """`compose` in numpy."""
    rows, columns, _ = step.shape
    here = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1)
    last = np.array([columns, rows]) - 0.5

    def target(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        point = here + flow.astype(np.float64) / stride
        return point, np.maximum(-0.5 - point, point - last)

    point, farthest = target(step)
    u, v = np.moveaxis(np.clip(point, 0, last - 0.5), -1, 0)
    left, top = u.astype(np.int64), v.astype(np.int64)
    right, below = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    a, b = (u - left)[..., None], (v - top)[..., None]

    def sampled(plane: np.ndarray) -> np.ndarray:
        plane = plane.astype(np.float64)
        above = plane[top, left] * (1 - a) + plane[top, right] * a
        under = plane[below, left] * (1 - a) + plane[below, right] * a
        return above * (1 - b) + under * b

    values = (step + sampled(before)).astype(np.float32)
    excess = np.maximum.reduce([farthest, target(values)[1], sampled(excess_before)])
    return values, excess.astype(np.float32)


@compiled
def _fill(values, valid, stride, filled):
    rows, columns, _ = values.shape
    # Nearest valid row of each cell within its column (-1: none), above before below.
    nearest = np.empty((rows, columns), np.int32)
    last = np.full(columns, -1, np.int32)
    for i in range(rows):
        for j in range(columns):
            last[j] = i if valid[i, j] else last[j]
            nearest[i, j] = last[j]
    last[:] = -1
    for i in range(rows - 1, -1, -1):
        for j in range(columns):
            last[j] = i if valid[i, j] else last[j]
            below, above = last[j], nearest[i, j]
            if below >= 0 and (above < 0 or below - i < i - above):
                nearest[i, j] = below
    for i in range(rows):
        for j in range(columns):
            if valid[i, j]:
                filled[i, j, 0] = values[i, j, 0]
                filled[i, j, 1] = values[i, j, 1]
                continue
            best, row, column = rows * rows + columns * columns, 0, 0
            for away in range(columns):
                if away * away >= best:
                    break
                for k in (j - away, j + away):
                    if 0 <= k < columns and nearest[i, k] >= 0:
                        distance = away * away + (nearest[i, k] - i) ** 2
                        if distance < best:
                            best, row, column = distance, nearest[i, k], k
            filled[i, j, 0] = values[row, column, 0] + stride * (column - j)
            filled[i, j, 1] = values[row, column, 1] + stride * (row - i)


def fill(values: np.ndarray, valid: np.ndarray, stride: int) -> np.ndarray:
    """The nearest fill of `FlowField.filled`.

    Parameters
    ----------
    values : numpy.ndarray
        f32 ``[rows, columns, 2]``.
    valid : numpy.ndarray
        bool ``[rows, columns]``, true somewhere.
    stride : int

    Returns
    -------
    numpy.ndarray
        f32: invalid cells point to the source of the nearest valid cell.
    """
    filled = np.empty(values.shape, np.float32)
    _fill(values, valid, stride, filled)
    return filled


def fill_reference(values: np.ndarray, valid: np.ndarray, stride: int) -> np.ndarray:
    """`fill` in numpy: every invalid cell against every valid one."""
    filled = values.copy()
    rows, columns = np.nonzero(valid)
    for i, j in zip(*np.nonzero(~valid), strict=True):
        away = np.abs(columns - j)
        order = np.lexsort((rows > i, columns > j, away, (rows - i) ** 2 + away**2))
        row, column = rows[order[0]], columns[order[0]]
        filled[i, j] = values[row, column] + np.float32(stride) * np.array([column - j, row - i], np.float32)
    return filled
