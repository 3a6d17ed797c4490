# SPDX-License-Identifier: Apache-2.0
"""Constant tables of JPEG (ITU-T T.81) and helpers for making new ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from codec import _core, arguments

__all__ = ["ZIGZAG", "huffman_lengths", "ijg_table"]


def _zigzag() -> np.ndarray:
    # Anti-diagonals; odd ones run downwards, even ones upwards.
    order = sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else n % 8))
    array = np.array(order, np.intp)
    array.flags.writeable = False
    return array


#: Natural index ``8 * v + u`` of each zigzag position: ``table.reshape(64)[ZIGZAG]`` is the zigzag order.
ZIGZAG: np.ndarray = _zigzag()


def ijg_table(quality: int) -> np.ndarray:
    """JPEG's example quantisation tables (T.81, Annex K.1), scaled as libjpeg does.

    Parameters
    ----------
    quality : int
        1 (worst) .. 100 (all steps 1).

    Returns
    -------
    ndarray, uint16, shape [3, 8, 8]
        Y, Cb, Cr in natural order, steps 1..255. Cb and Cr are equal.

    Examples
    --------
    >>> ijg_table(50)[0, 0]
    array([16, 11, 10, 16, 24, 40, 51, 61], dtype=uint16)
    """
    return _core.tables_ijg(arguments.integer("quality", quality, 1, 100))


def huffman_lengths(counts: Any) -> np.ndarray:
    """Code lengths of the best Huffman code with words of at most 16 bits.

    The word of all ones stays unused, as JPEG asks.

    Parameters
    ----------
    counts : array_like of integers, shape [256]
        How often each symbol occurs, 0 or more.

    Returns
    -------
    ndarray, uint8, shape [256]
        1..16 for symbols that occur, 0 for the others.

    Examples
    --------
    >>> counts = [0] * 256
    >>> counts[:4] = 8, 4, 2, 1
    >>> huffman_lengths(counts)[:5]
    array([1, 2, 3, 4, 0], dtype=uint8)
    """
    array = np.asarray(counts)
    if array.dtype.kind not in "iu":
        raise TypeError(f"counts must be an integer array, got dtype {array.dtype}")
    if array.shape != (256,):
        raise ValueError(f"counts must have shape [256], got {list(array.shape)}")
    if array.min() < 0 or array.max() >= 2**48:
        raise ValueError(f"counts must be 0..2**48 - 1, got {array.min()}..{array.max()}")
    return _core.huffman_lengths(np.ascontiguousarray(array, np.int64))
