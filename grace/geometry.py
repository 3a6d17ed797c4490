"""Sizes of the planes of a picture as the codec pads and codes them; numpy and torch free."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["SUBSAMPLINGS", "Geometry", "geometry", "map_shape"]

#: Luma blocks an MCU spans, across and down; grey has one component.
SUBSAMPLINGS = {"444": (1, 1), "422": (2, 1), "420": (2, 2), "grey": (1, 1)}


class Geometry(NamedTuple):
    """Sizes of the planes of one picture as the codec pads and codes them."""

    #: Sampling of each chroma component: one sample to this many pixels, across and down.
    across: int
    down: int
    #: True size (height, width) of every component, before padding.
    sizes: tuple[tuple[int, int], ...]
    #: Blocks (rows, columns) of every component, whole MCUs.
    blocks: tuple[tuple[int, int], ...]

    @property
    def coefficients(self) -> int:
        """Number M of coded coefficients, padding blocks included."""
        return sum(64 * rows * columns for rows, columns in self.blocks)


def geometry(height: int, width: int, subsampling: str = "444") -> Geometry:
    """Plane sizes of a picture of `height` x `width` pixels.

    Parameters
    ----------
    height, width : int
        At least 1.
    subsampling : {"444", "422", "420", "grey"}

    Returns
    -------
    Geometry
    """
    if subsampling not in SUBSAMPLINGS:
        raise ValueError(f"subsampling must be one of {', '.join(SUBSAMPLINGS)}: {subsampling!r}")
    if height < 1 or width < 1:
        raise ValueError(f"a picture has at least 1x1 pixels, got {width}x{height}")
    across, down = SUBSAMPLINGS[subsampling]
    rows, columns = math.ceil(height / (8 * down)), math.ceil(width / (8 * across))
    sizes = [(height, width)]
    blocks = [(rows * down, columns * across)]
    if subsampling != "grey":
        sizes += [(math.ceil(height / down), math.ceil(width / across))] * 2
        blocks += [(rows, columns)] * 2
    return Geometry(across, down, tuple(sizes), tuple(blocks))


def map_shape(height: int, width: int, region_blocks: int = 3) -> tuple[int, int]:
    """Rows and columns of the level map."""
    if not 1 <= region_blocks <= 8:
        raise ValueError(f"region_blocks must be 1..8, got {region_blocks}")
    side = 8 * region_blocks
    return math.ceil(height / side), math.ceil(width / side)
