# SPDX-License-Identifier: Apache-2.0
"""What a refinement stream refines: coefficients sent before, from whatever form the caller has them in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from codec import _core, arguments
from codec.results import Coefficients
from codec.types import TableSet

__all__ = ["MAX_PIXELS", "REFINE_LIMIT", "base_view", "limit_in_thousandths"]

#: Default of ``max_pixels``: 268 million.
MAX_PIXELS = 2**28
#: Default of ``refine_limit``.
REFINE_LIMIT = 1.10


def limit_in_thousandths(refine_limit: Any) -> int:
    """`refine_limit` as the C core takes it; None, for no limit, is 0."""
    if refine_limit is None:
        return 0
    try:
        limit = float(refine_limit)
    except (TypeError, ValueError):
        raise TypeError(f"refine_limit must be a number or None, got {type(refine_limit).__name__}") from None
    if not 0.001 <= limit <= 1000:
        raise ValueError(f"refine_limit must be 0.001..1000, or None for no limit, got {limit:g}")
    return round(1000 * limit)


def base_view(refine: Any, table_sets: Iterable[TableSet], max_pixels: Any) -> _core.BaseView:
    """The base of a refinement stream for the C core, which checks that it fits.

    Parameters
    ----------
    refine : Coefficients or bytes-like
        Bytes are decoded with `table_sets` and `max_pixels`, as `decode_coefficients` does.
    """
    if not isinstance(refine, Coefficients):
        from codec.decoder import Decoder  # which imports this module

        refine = Decoder().decode_coefficients(refine, table_sets, max_pixels=max_pixels)
    height, width, _ = arguments.size("refine (height, width)", (refine.height, refine.width))
    subsampling = arguments.choice("refine.subsampling", refine.subsampling, _core.SUBSAMPLINGS)
    region = arguments.integer("refine.region_blocks", refine.region_blocks, 1, _core.MAX_REGION_BLOCKS)
    shapes = _core.geometry(width, height, subsampling)[0]
    planes = arguments.planes_as("refine.planes", refine.planes, shapes)
    steps = arguments.frozen("refine.tables", refine.tables, np.uint16, (None, 3, 8, 8), 0, _core.MAX_STEP)
    level_map = arguments.frozen("refine.level_map", refine.level_map, np.uint8, (None, None), 0, 255)
    return _core.BaseView(planes, steps, level_map, region, subsampling, width, height)
