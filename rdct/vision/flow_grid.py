"""What is computed on the cells of a flow: composition, and the nearest fill.

Compiled by numba; each has its plain numpy reference beside it, which gives the same numbers.
"""

from __future__ import annotations

import numba
import numpy as np

from rdct.vision.bands import in_bands

__all__ = ["compose", "compose_reference", "fill", "fill_reference"]


@numba.njit(cache=True, nogil=True)
def _compose(start, stop, step, before, valid_before, stride, values, valid):
    rows, columns, _ = step.shape
    for i in range(start, stop):
        for j in range(columns):
            u = j + step[i, j, 0] / np.float64(stride)
            v = i + step[i, j, 1] / np.float64(stride)
            inside = -0.5 <= u <= columns - 0.5 and -0.5 <= v <= rows - 0.5
            u = min(max(u, 0.0), columns - 1.0)
            v = min(max(v, 0.0), rows - 1.0)
            left, top = int(u), int(v)
            right, below = min(left + 1, columns - 1), min(top + 1, rows - 1)
            a, b = u - left, v - top
            for c in range(2):
                above = before[top, left, c] * (1.0 - a) + before[top, right, c] * a
                under = before[below, left, c] * (1.0 - a) + before[below, right, c] * a
                values[i, j, c] = step[i, j, c] + (above * (1.0 - b) + under * b)
            valid[i, j] = inside and valid_before[int(v + 0.5), int(u + 0.5)]


def compose(
    step: np.ndarray, before: np.ndarray, valid_before: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """One step in front of a composed flow.

    Parameters
    ----------
    step : numpy.ndarray
        f32 ``[rows, columns, 2]``, b in pixels.
    before : numpy.ndarray
        f32 of the same shape, the flow composed so far.
    valid_before : numpy.ndarray
        bool ``[rows, columns]``.
    stride : int
        Side of a cell in pixels.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        f32 values b(x) + A(x + b(x)), A bilinear between the centres of cells and constant outside the
        outermost; and the new mask. The picture ends where its cells end.
    """
    values, valid = np.empty_like(step), np.empty_like(valid_before)
    in_bands(_compose, len(step), None, step, before, valid_before, stride, values, valid)
    return values, valid


def compose_reference(
    step: np.ndarray, before: np.ndarray, valid_before: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """`compose` in numpy."""
    rows, columns, _ = step.shape
    before = before.astype(np.float64)
    shift = step.astype(np.float64) / stride
    u = np.arange(columns)[None, :] + shift[..., 0]
    v = np.arange(rows)[:, None] + shift[..., 1]
    inside = (u >= -0.5) & (u <= columns - 0.5) & (v >= -0.5) & (v <= rows - 0.5)
    u, v = np.clip(u, 0, columns - 1), np.clip(v, 0, rows - 1)
    left, top = u.astype(np.int64), v.astype(np.int64)
    right, below = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    a, b = (u - left)[..., None], (v - top)[..., None]
    above = before[top, left] * (1 - a) + before[top, right] * a
    under = before[below, left] * (1 - a) + before[below, right] * a
    values = (step + (above * (1 - b) + under * b)).astype(np.float32)
    return values, inside & valid_before[(v + 0.5).astype(np.int64), (u + 0.5).astype(np.int64)]


@numba.njit(cache=True, nogil=True)
def _fill(values, valid, stride, filled):
    rows, columns, _ = values.shape
    # Nearest valid row of each cell within its column (-1: none), above before below.
    nearest = np.full((rows, columns), -1, np.int64)
    for j in range(columns):
        last = -1
        for i in range(rows):
            if valid[i, j]:
                last = i
            nearest[i, j] = last
        last = -1
        for i in range(rows - 1, -1, -1):
            if valid[i, j]:
                last = i
            if last >= 0 and (nearest[i, j] < 0 or last - i < i - nearest[i, j]):
                nearest[i, j] = last
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
    filled = np.empty_like(values)
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
