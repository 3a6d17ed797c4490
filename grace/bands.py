"""Fixed Huffman tables for a few rates, from the symbols that the set's pictures give."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import codec
from grace.coding import Coder

__all__ = ["AC_SYMBOLS", "rate_bands"]

#: The 162 AC symbols of T.81: end of block, sixteen zeros, run * 16 + size 1..10.
AC_SYMBOLS = np.array([0x00, 0xF0, *(16 * run + size for run in range(16) for size in range(1, 11))])


def rate_bands(
    coder: Coder,
    table_set: codec.TableSet,
    maps: Sequence[np.ndarray],
    scales: Sequence[float],
    tell: Callable[[int, float], None] | None = None,
) -> np.ndarray:
    """Code lengths uint8 ``[K, 4, 256]``: DC luma, AC luma, DC chroma, AC chroma at each scale.

    Counts begin at 1, so that every symbol a picture could need has a code.
    """
    bands = np.zeros((len(scales), 4, 256), np.uint8)
    for band, scale in enumerate(scales):
        dc = np.zeros((2, 256), np.int64)
        dc[:, :12] = 1
        ac = np.zeros((2, 256), np.int64)
        ac[:, AC_SYMBOLS] = 1
        for _, stats in coder.each(codec.encode_with_stats, table_set, maps, scale, tables="id"):
            dc[:, :12] += stats.dc_symbols
            ac += stats.ac_symbols
        for chroma in (0, 1):
            bands[band, 2 * chroma] = codec.huffman_lengths(dc[chroma])
            bands[band, 2 * chroma + 1] = codec.huffman_lengths(ac[chroma])
        if tell is not None:
            tell(band + 1, scale)
    return bands
