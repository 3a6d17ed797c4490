"""The compiled loops of `rdct.vision.warp`, over bands of rows.

Within a cell all pixels of a row move alike, so that a run of them needs one position and four weights and
reads its source in order: compilers turn that into vector instructions. Runs are as long as cells are
wide, 8 pixels at most, and are compiled for each length apart, since vectors want a count that is known.
A run that touches the border of the source goes pixel by pixel. From cell to cell the source jumps between
rows, which processors do not foresee: each run hints at what the rows below will read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from rdct.vision.compiled import compiled
from rdct.vision.prefetch import prefetch

__all__ = [
    "HALF",
    "ONE",
    "POSITION_BITS",
    "ROUND",
    "WEIGHT_BITS",
    "error_kernel",
    "labels_kernel",
    "warp_image",
]

#: Positions are in 1/32 pixel, weights in 1/1024.
POSITION_BITS = 5
ONE = 1 << POSITION_BITS
HALF = ONE >> 1
WEIGHT_BITS = 2 * POSITION_BITS
ROUND = 1 << (WEIGHT_BITS - 1)
_LONGEST_RUN = 8
# Rows from a run to what it hints at; a hint too early or too late is a wasted one.
_AHEAD = 8


@compiled
def _clamped(value, last):
    return min(max(value, 0), last)


@compiled
def _sample(image, x, y, channel):
    """`image` at a position in 1/32 pixel."""
    last_x, last_y = image.shape[1] - 1, image.shape[0] - 1
    x, y = _clamped(x, last_x * ONE), _clamped(y, last_y * ONE)
    left, top = x >> POSITION_BITS, y >> POSITION_BITS
    right, below = min(left + 1, last_x), min(top + 1, last_y)
    a, b = x & (ONE - 1), y & (ONE - 1)
    above = image[top, left, channel] * (ONE - a) + image[top, right, channel] * a
    under = image[below, left, channel] * (ONE - a) + image[below, right, channel] * a
    return (above * (ONE - b) + under * b + ROUND) >> WEIGHT_BITS


@compiled
def warp_image(start, stop, image, offsets, stride, warped):
    """Rows start .. stop of `image` moved by `offsets` (i32 [rows, columns, 2], 1/32 pixel)."""
    for y in range(start, stop):
        for x in range(image.shape[1]):
            to_x = x * ONE + offsets[y // stride, x // stride, 0]
            to_y = y * ONE + offsets[y // stride, x // stride, 1]
            for channel in range(3):
                warped[y, x, channel] = _sample(image, to_x, to_y, channel)


@cache
def error_kernel(stride: int) -> Callable:
    """The loop ``(start, stop, image, offsets, frame) -> sum of squared differences``."""
    run, bits = min(stride, _LONGEST_RUN), stride.bit_length() - 1
    samples = 3 * run

    @compiled
    def error(start, stop, image, offsets, frame):
        height, width, _ = image.shape
        pitch = np.uint64(3 * width)
        source, target = image.reshape(-1), frame.reshape(-1)
        total = np.uint64(0)
        for y in range(start, stop):
            moves = offsets[y >> bits]
            for x in range(0, width, run):
                cell = np.uint64(x >> bits)
                to_x, to_y = x * ONE + moves[cell, 0], y * ONE + moves[cell, 1]
                left, top = to_x >> POSITION_BITS, to_y >> POSITION_BITS
                if left < 0 or top < 0 or left + run >= width or top + 1 >= height or x + run > width:
                    for k in range(min(run, width - x)):
                        for channel in range(3):
                            value = _sample(image, to_x + k * ONE, to_y, channel)
                            total += np.uint64((value - np.int64(frame[y, x + k, channel])) ** 2)
                    continue
                a, b = to_x & (ONE - 1), to_y & (ONE - 1)
                w00, w01 = np.int32((ONE - a) * (ONE - b)), np.int32(a * (ONE - b))
                w10, w11 = np.int32((ONE - a) * b), np.int32(a * b)
                # Unsigned, so that no index is taken for one from the end.
                s00, here = np.uint64(3 * (top * width + left)), np.uint64(3 * (y * width + x))
                s01, s10 = s00 + np.uint64(3), s00 + pitch
                s11 = s10 + np.uint64(3)
                prefetch(source, s00 + np.uint64(_AHEAD) * pitch)
                part = np.uint32(0)
                for k in range(samples):
                    n = np.uint64(k)
                    weighted = source[s00 + n] * w00 + source[s01 + n] * w01
                    weighted += source[s10 + n] * w10 + source[s11 + n] * w11
                    value = np.int32(np.int32(weighted + ROUND) >> np.int32(WEIGHT_BITS))
                    difference = np.int32(value - np.int32(target[here + n]))
                    part = np.uint32(part + np.uint32(difference * difference))
                total += np.uint64(part)
        return total

    return error


@cache
def labels_kernel(stride: int) -> Callable:
    """The loop ``(start, stop, labels, offsets, warped)``."""
    run, bits = min(stride, _LONGEST_RUN), stride.bit_length() - 1

    @compiled
    def move(start, stop, labels, offsets, warped):
        height, width = labels.shape
        source, target = labels.reshape(-1), warped.reshape(-1)
        for y in range(start, stop):
            moves = offsets[y >> bits]
            for x in range(0, width, run):
                cell = np.uint64(x >> bits)
                left = x + ((moves[cell, 0] + HALF) >> POSITION_BITS)
                top = _clamped(y + ((moves[cell, 1] + HALF) >> POSITION_BITS), height - 1)
                if left < 0 or left + run > width or x + run > width:
                    for k in range(min(run, width - x)):
                        warped[y, x + k] = labels[top, _clamped(left + k, width - 1)]
                    continue
                there, here = np.uint64(top * width + left), np.uint64(y * width + x)
                prefetch(source, there + np.uint64(_AHEAD * width))
                for k in range(run):
                    target[here + np.uint64(k)] = source[there + np.uint64(k)]

    return move
