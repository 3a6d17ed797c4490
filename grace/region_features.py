"""What a picture's own coefficients say of each region, in integers.

For every region and for its surroundings of 3x3, 7x7 regions and the whole picture: the energy of the AC
coefficients by band and component, and how much the blocks' DC differ, as logarithms; then mean DC near by
and in the whole picture, and where the region lies. Integers all the way, from the encoder's own transform
to the logarithms, so that every machine gets the same ones.
"""

from __future__ import annotations

from functools import cache

import numpy as np

import codec
from rdct.vision.compiled import compiled

__all__ = ["log2_q8", "region_features"]

# Sides of the surroundings, in regions; 0 is the whole picture.
_SURROUNDINGS = (1, 3, 7, 0)
#: Surroundings whose mean DC is told.
_MEANS = (1, 7, 0)
_LUMA_BANDS, _CHROMA_BANDS = 5, 2
_ENERGIES = _LUMA_BANDS + 2 * _CHROMA_BANDS
# Logarithms of energies below this share of a squared sample unit do not differ.
_UNIT = 16
_PLACE = 4096
# Rows of pixels that are transformed at a time, about.
_STRIP = 96


def _luma_bands() -> np.ndarray:
    """Band of each AC frequency of Y: across, down and both at low frequency, then middle and high."""
    v, u = np.indices((8, 8))
    low = np.where(v == 0, 0, np.where(u == 0, 1, 2))
    return np.where(np.maximum(u, v) <= 2, low, np.where(u + v <= 6, 3, 4))


def _chroma_bands() -> np.ndarray:
    v, u = np.indices((8, 8))
    return np.where(u + v <= 2, 0, 1)


# For each component, which band of all each of its 64 frequencies belongs to (-1: the DC).
_BANDS = np.stack(
    [_luma_bands(), _LUMA_BANDS + _chroma_bands(), _LUMA_BANDS + _CHROMA_BANDS + _chroma_bands()]
)
_BANDS = _BANDS.reshape(3, 64).astype(np.int64)
_BANDS[:, 0] = -1
# round(256 log2(1 + i / 256)): no entry lies near enough to a tie for two libraries to differ.
_LOG2 = np.rint(256 * np.log2(1 + np.arange(256) / 256)).astype(np.int64)


@compiled
def _log2(values, table, out):
    for i in range(values.size):
        value = values[i]
        whole, left = 0, value
        for step in (32, 16, 8, 4, 2, 1):
            if left >> step:
                whole += step
                left >>= step
        rest = value >> (whole - 8) if whole >= 8 else value << (8 - whole)
        out[i] = 256 * whole + table[rest & 255]


def log2_q8(values: np.ndarray) -> np.ndarray:
    """Logarithms to the base 2 in steps of 1/256, by integer operations alone.

    Parameters
    ----------
    values : numpy.ndarray
        int64, any shape, from 1; only the nine leading bits count.

    Returns
    -------
    numpy.ndarray
        int64 of the same shape: within 2 steps of ``256 * log2(values)``.
    """
    values = np.asarray(values, np.int64)
    if values.size and values.min() < 1:
        raise ValueError(f"a logarithm needs values from 1, got {values.min()}")
    out = np.empty(values.size, np.int64)
    _log2(np.ascontiguousarray(values).reshape(-1), _LOG2, out)
    return out.reshape(values.shape)


@compiled
def _sums(plane, bands, region_blocks, energies, dc):
    """Adds a plane's squares by region and band, and its DC: count, sum, sum of squares."""
    rows, cols = plane.shape[:2]
    squares = np.zeros((dc.shape[1], 64), np.int64)
    for top in range(0, rows, region_blocks):
        row = top // region_blocks
        squares[:] = 0
        for y in range(top, min(top + region_blocks, rows)):
            for x in range(cols):
                block = plane[y, x]
                to = squares[x // region_blocks]
                for k in range(64):
                    to[k] += np.int32(block[k]) * np.int32(block[k])
                dc[row, x // region_blocks, 0] += 1
                dc[row, x // region_blocks, 1] += block[0]
        for col in range(dc.shape[1]):
            dc[row, col, 2] = squares[col, 0]
            for k in range(1, 64):
                energies[row, col, bands[k]] += squares[col, k]


@cache
def _unquantised() -> codec.TableSet:
    return codec.TableSet(np.ones((1, 3, 8, 8), np.uint16))


def region_features(
    image: np.ndarray, region_blocks: int = 3, *, encoder: codec.Encoder | None = None
) -> np.ndarray:
    """What the coefficients of a picture say of its regions.

    Parameters
    ----------
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]`` or grey ``[H, W]``, which counts as a picture without colour. Chroma is taken
        at full resolution, however it will be coded.
    region_blocks : int
        Side of a region in luma blocks, 1..8.
    encoder : codec.Encoder, optional
        Whose threads do the transform.

    Returns
    -------
    numpy.ndarray
        int64 ``[rows, cols, FEATURES]`` (`grace.predictor`), values in -32768..32767. Logarithms are in
        steps of 1/256, mean DC in quarters of a coefficient's unit, places in 1/4096 of the picture's side.
    """
    encoder = codec.Encoder() if encoder is None else encoder
    shape = codec.map_shape(*image.shape[:2], region_blocks)
    energies = np.zeros((*shape, _ENERGIES), np.int64)
    dc = np.zeros((3, *shape, 3), np.int64)
    # Blocks know nothing of each other, so the transform can be taken strip by strip, in the cache.
    strip = max(_STRIP // (8 * region_blocks), 1)
    for row in range(0, shape[0], strip):
        rows = np.s_[row : row + strip]
        top = 8 * region_blocks * row
        part = image[top : top + 8 * region_blocks * strip]
        plan = codec.QuantPlan(
            _unquantised(), np.zeros((len(energies[rows]), shape[1]), np.uint8), region_blocks
        )
        for component, plane in enumerate(encoder.quantize(part, plan).planes):
            blocks = plane.reshape(*plane.shape[:2], 64)
            _sums(blocks, _BANDS[component], region_blocks, energies[rows], dc[component, rows])
    if image.ndim == 2:
        dc[1:, ..., 0] = 1  # no colour: one block of none
    return _told(np.concatenate([energies, *dc], -1))


def _told(sums: np.ndarray) -> np.ndarray:
    """Features of the sums ``[rows, cols, energies, then count, sum and sum of squares of each DC]``."""
    rows, cols = sums.shape[:2]
    energies, spreads, means = [], [], []
    for side in _SURROUNDINGS:
        near = _boxes(sums, side)
        count, total, squares = (near[..., _ENERGIES + part :: 3] for part in range(3))
        energies.append(_UNIT * near[..., :_ENERGIES] // count[..., :1])
        # Halves of the last bit are lost alike everywhere; only what is left above 0 counts.
        spreads.append(np.maximum(_UNIT * squares // count - np.square(4 * total // count), 0))
        if side in _MEANS:
            means.append(4 * total // count)
    logs = log2_q8(1 + np.concatenate([*energies, *spreads], -1))
    y, x = np.indices((rows, cols))
    place = np.stack([(2 * y + 1) * _PLACE // (2 * rows), np.abs(2 * x + 1 - cols) * _PLACE // cols], -1)
    return np.clip(np.concatenate([logs, *means, place], -1), -32768, 32767)


def _boxes(sums: np.ndarray, side: int) -> np.ndarray:
    """Sums over the `side` x `side` entries around each, as far as there are any; 0: over all."""
    if side == 1:
        return sums
    if side == 0:
        return np.broadcast_to(sums.sum((0, 1)), sums.shape)
    half = side // 2
    for axis in (0, 1):
        length = sums.shape[axis]
        running = np.insert(np.cumsum(sums, axis), 0, 0, axis)
        at = np.arange(length)
        upper = running.take(np.minimum(at + half + 1, length), axis)
        sums = upper - running.take(np.maximum(at - half, 0), axis)
    return sums
