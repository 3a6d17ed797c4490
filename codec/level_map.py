# SPDX-License-Identifier: Apache-2.0
"""A level map by itself as bytes: what a server sends back so that a device can steer its next picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from codec import _core, arguments

__all__ = ["decode_level_map", "encode_level_map"]

_MAX_SIDE = 8192


def encode_level_map(level_map: Any, levels: int) -> bytes:
    """A level map as bytes: those of docs/bitstream.md, section 5, for a map that is coded.

    Parameters
    ----------
    level_map : array_like of integers, shape [rows, cols]
        Values 0..levels - 1 or `SKIP`, 1..8192 rows and columns.
    levels : int
        Number of levels L of the table set, 1..64.

    Returns
    -------
    bytes
        Neither shape nor `levels` are in them. May be empty: a map without surprises costs nothing.

    Raises
    ------
    TypeError, ValueError
        Names the argument, its value and the rule it broke.

    Examples
    --------
    >>> import numpy as np
    >>> level_map = np.full((43, 86), 8)
    >>> level_map[20:24, 30:60] = 3
    >>> data = encode_level_map(level_map, 16)
    >>> len(data) < 64, np.array_equal(decode_level_map(data, (43, 86), 16), level_map)
    (True, True)
    """
    levels = arguments.integer("levels", levels, 1, _core.MAX_LEVELS)
    array = arguments.frozen("level_map", level_map, np.uint8, (None, None), 0, 255)
    for name, side in zip(("rows", "columns"), array.shape, strict=True):
        arguments.integer(f"number of {name} of level_map", side, 1, _MAX_SIDE)
    return _core.encode_level_map(array, levels)


def decode_level_map(data: Any, shape: tuple[int, int], levels: int) -> np.ndarray:
    """The level map that `encode_level_map` made these bytes of.

    Parameters
    ----------
    data : bytes-like
    shape : (int, int)
        Rows and columns, 1..8192: ``map_shape(height, width, region_blocks)`` of the picture.
    levels : int
        1..64, as when it was encoded.

    Returns
    -------
    ndarray, uint8, shape [rows, cols]
        Values 0..levels - 1 or `SKIP`, whatever the data.

    Raises
    ------
    CorruptError
        The data has bytes that no map of this shape needs. Other damage shows only as another map.
    """
    try:
        rows, cols = shape
    except (TypeError, ValueError):
        raise ValueError(f"shape must be (rows, cols), got {shape!r}") from None
    rows = arguments.integer("shape[0]", rows, 1, _MAX_SIDE)
    cols = arguments.integer("shape[1]", cols, 1, _MAX_SIDE)
    return _core.decode_level_map(data, rows, cols, arguments.integer("levels", levels, 1, _core.MAX_LEVELS))
